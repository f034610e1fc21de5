package web

import (
	"context"
	"time"

	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// board reads what the dashboard shows of a range now.
func (s *Server) board(ctx context.Context, r rollup.Range) (view.Board, error) {
	now := s.now()
	room := s.room()
	d, err := s.store.Dashboard(ctx, r, now, room.PerDay)
	if err != nil {
		return view.Board{}, err
	}
	b := boardOf(d, r)
	b.Cursor = now.UnixMilli()
	for _, x := range rollup.Ranges() {
		b.Ranges = append(b.Ranges, x.Name)
	}
	b.Tabs = tabsOf(s.hub.Stats())
	b.Commits = s.commits()
	b.Spool = s.spooled()
	b.Room = room.view(d.Full)
	if s.sweeper != nil {
		b.Sweep.Next = s.sweeper.Next()
	}
	return b, nil
}

// boardOf is what of the store's figures the page shows.
func boardOf(d *store.Dashboard, r rollup.Range) view.Board {
	b := view.Board{
		Range: r.Name, From: d.From, To: d.To, Step: r.Step, Before: view.StatusCounts(d.Before), ThisMinute: d.ThisMinute, LastHour: d.LastHour,
		Behind: d.Behind, OwnerCount: d.OwnerCount, ToolCount: d.ToolCount, Bytes: d.Totals.Bytes, DatabaseSize: d.DatabaseSize,
		Ledger:  view.BoardLedger{Counts: d.Ledger, Redacted: d.Redacted},
		AllTime: view.BoardLedger{Counts: d.Totals.Counts, Redacted: d.AllRedacted},
		Cut:     d.Totals.Cut,
		Archive: view.BoardArchive{Objects: d.ArchiveObjects, Bytes: d.ArchiveBytes},
	}
	for _, bar := range d.Bars {
		b.Bars = append(b.Bars, view.BoardBar{At: bar.At, Counts: view.StatusCounts(bar.Outcomes)})
	}
	for _, t := range worklog.Types() {
		if c := d.Types[t]; c.Entries > 0 {
			b.Types = append(b.Types, view.BoardCount{Name: string(t), Entries: c.Entries, Failed: c.Failed})
		}
	}
	for _, o := range d.Owners {
		b.Owners = append(b.Owners, view.BoardCount{Name: o.Email, Entries: o.Entries, Failed: o.Failed})
	}
	for _, t := range d.Tools {
		h := t.Durations
		b.Tools = append(b.Tools, view.BoardTool{
			BoardCount: view.BoardCount{Name: t.Name, Entries: t.Entries, Failed: t.Failed}, P50: h.Quantile(0.5), P95: h.Quantile(0.95), P99: h.Quantile(0.99),
		})
	}
	for _, tier := range worklog.StorageStatuses() {
		b.Storage = append(b.Storage, view.BoardTier{Name: tier, Entries: d.Totals.Entries[tier], Bytes: d.TierBytes[tier]})
	}
	if sw := d.Sweep; sw != nil {
		b.Sweep = view.BoardSweep{
			Started: sw.StartedAt.UTC(), State: string(sw.State), Error: sw.Error, Warm: sw.Warm, Cold: sw.Cold, Archived: sw.Archived, Deleted: sw.Deleted, Freed: sw.FreedBytes,
		}
		if sw.FinishedAt != nil {
			b.Sweep.Finished = sw.FinishedAt.UTC()
		}
	}
	return b
}

// tabsOf is what of the hub's figures the page shows. The dashboard's own tabs are among them.
func tabsOf(h hub.Stats) view.BoardTabs {
	ended := func(e hub.End) int64 { return int64(h.Ended[e]) }
	return view.BoardTabs{
		Open: h.Open, Users: h.Users, Opened: int64(h.Opened), Evicted: ended(hub.EndEvicted), Expired: ended(hub.EndAged), Slow: ended(hub.EndSlow),
		Refused: int64(h.Refused), Failed: ended(hub.EndFailed), P50: h.Latency.Quantile(0.5), P99: h.Latency.Quantile(0.99),
	}
}

// spooled is what of the figures of the door for hooks the page shows.
func (s *Server) spooled() view.BoardSpool {
	if s.hooks == nil {
		return view.BoardSpool{}
	}
	st := s.hooks.Stats()
	return view.BoardSpool{Waiting: st.Pending, Bytes: st.Bytes, MaxBytes: st.MaxBytes, Lost: st.Refused + st.Failed + st.Damaged}
}

// commits is what of the write path's figures the page shows.
func (s *Server) commits() view.BoardCommits {
	c := view.BoardCommits{Since: s.started}
	if s.ingest == nil {
		return c
	}
	in := s.ingest.Snapshot()
	c.Batches, c.Failed, c.Writes, c.Queued = in.Batches, in.Failed, in.Writes, in.Queued
	r := in.Recent
	c.Recent, c.SizeP50, c.SizeP99, c.TookP50, c.TookP95, c.TookP99 = r.Batches, r.SizeP50, r.SizeP99, r.TookP50, r.TookP95, r.TookP99
	return c
}

// dashboardHead is the rev of the dashboard's feed: any moment may bring news.
func dashboardHead() int64 { return time.Now().UnixMilli() }

// dashboardFrames moves the feed on to the present moment. What it brings is empty: each tab reads what its own range
// shows.
func dashboardFrames(after int64) []*hub.Frame {
	head := dashboardHead()
	if head <= after {
		return nil
	}
	return []*hub.Frame{hub.NewFrame(head, "", "", 0, func(context.Context, hub.Format) ([]byte, error) { return nil, nil })}
}
