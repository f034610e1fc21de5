package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// stats is GET /api/v1/stats.
func (a *API) stats(c echo.Context) error {
	if p := query(c); p.err != nil {
		return p.err
	}
	s, err := a.store.Stats(c.Request().Context(), principal(c).User.ID)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, s)
}

// adminStats is GET /api/v1/admin/stats: counts of everybody, and nothing of anybody. With a range it adds that window.
func (a *API) adminStats(c echo.Context) error {
	p := query(c, "range")
	r, known := rollup.RangeNamed(p.values.Get("range"))
	if p.values.Has("range") && !known {
		p.fail("range", "must be 1h, 24h, 7d or 90d")
	}
	if p.err != nil {
		return p.err
	}
	s, err := a.store.AllStats(c.Request().Context())
	if err != nil {
		return err
	}
	if !known {
		return writeJSON(c, http.StatusOK, s)
	}
	d, err := a.store.Dashboard(c.Request().Context(), r, a.now(), 0)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, struct {
		worklog.Stats
		Window worklog.Window `json:"window"`
	}{s, windowOf(d, r)})
}

// windowOf is a dashboard as the API shows it.
func windowOf(d *store.Dashboard, r rollup.Range) worklog.Window {
	w := worklog.Window{
		Range: r.Name, From: d.From, To: d.To, StepSeconds: int64(r.Step.Seconds()),
		Before:    worklog.WindowBefore{Entries: d.Before.Entries(), Ended: d.Before.Ended(), Failed: d.Before[worklog.StatusError]},
		Ledger:    worklog.WindowLedger{Counts: d.Ledger, Received: d.Ledger.Received(), Redacted: d.Redacted},
		ToolCount: d.ToolCount, UserCount: d.OwnerCount, BehindSeconds: d.Behind.Seconds(), DatabaseBytes: d.DatabaseSize, ArchiveBytes: d.ArchiveBytes,
		Types: []worklog.WindowCount{}, Tools: []worklog.WindowTool{}, Users: []worklog.WindowCount{},
	}
	for _, b := range d.Bars {
		w.Bars = append(w.Bars, worklog.WindowBar{At: b.At, Entries: b.Entries(), ByStatus: b.Outcomes})
	}
	for _, t := range worklog.Types() {
		if n := d.Types[t]; n.Entries > 0 {
			w.Types = append(w.Types, worklog.WindowCount{Name: string(t), Entries: n.Entries, Failed: n.Failed})
		}
	}
	for _, o := range d.Owners {
		w.Users = append(w.Users, worklog.WindowCount{Name: o.Email, Entries: o.Entries, Failed: o.Failed})
	}
	for _, t := range d.Tools {
		h := t.Durations
		w.Tools = append(w.Tools, worklog.WindowTool{Name: t.Name, Calls: t.Entries, Fails: t.Failed, P50: seconds(h, 0.5), P95: seconds(h, 0.95), P99: seconds(h, 0.99)})
	}
	return w
}

// seconds is a quantile, nil when there is nothing to take it of.
func seconds(h rollup.Histogram, q float64) *float64 {
	if h.Count() == 0 {
		return nil
	}
	s := h.Quantile(q).Seconds()
	return &s
}
