package web

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// Source is the database as the hub sees it: changes as frames, in HTML for pages and in JSON for programs.
type Source struct{ store *store.Store }

// NewSource returns the source of a hub.
func NewSource(st *store.Store) *Source { return &Source{st} }

// Frames returns the owner's changes after a rev.
func (s *Source) Frames(ctx context.Context, owner, after int64, conversation string, limit int) ([]*hub.Frame, error) {
	if owner == dashboardOwner {
		return dashboardFrames(after), nil
	}
	rows, err := s.store.Changes(ctx, owner, after, conversation, limit)
	if err != nil {
		return nil, err
	}
	frames := make([]*hub.Frame, len(rows))
	for i := range rows {
		frames[i] = s.frame(store.FilteredChange{Row: rows[i], Matches: true})
	}
	return frames, nil
}

// Heads returns the last rev of each owner.
func (s *Source) Heads(ctx context.Context, owners []int64) (map[int64]int64, error) {
	heads, err := s.store.Heads(ctx, owners)
	if err == nil && slices.Contains(owners, dashboardOwner) {
		heads[dashboardOwner] = dashboardHead()
	}
	return heads, err
}

// Alive returns the sessions and tokens that are still good.
func (s *Source) Alive(ctx context.Context, ids []string) (map[string]time.Time, error) {
	return s.store.Alive(ctx, ids)
}

// frameOverhead is about what a row takes beyond its texts, and metadataWeight what each of its facts does.
const (
	frameOverhead  = 600
	metadataWeight = 100
)

func (s *Source) frame(c store.FilteredChange) *hub.Frame {
	weight := frameOverhead + len(c.Title) + len(c.Details) + metadataWeight*len(c.Metadata)
	return hub.NewFrame(c.Rev, c.ID, c.ConversationID, weight, func(ctx context.Context, f hub.Format) ([]byte, error) {
		if f == hub.JSON {
			return s.entryEvent(ctx, c.Row)
		}
		return rowEvent(ctx, c)
	})
}

// rowEvent is a change for pages: the row as every page shows it, in a fragment that goes beside the list.
func rowEvent(ctx context.Context, c store.FilteredChange) ([]byte, error) {
	var b bytes.Buffer
	if err := view.Updates([]view.Update{updateOf(c)}).Render(ctx, &b); err != nil {
		return nil, err
	}
	return sse.Append(nil, sse.Event{Name: "log", ID: c.Rev, Data: b.String()}), nil
}

func updateOf(c store.FilteredChange) view.Update {
	return view.Update{Row: rowOf(c.Row), Gone: !c.Matches}
}

// entryEvent is a change for programs: the entry with all of its details, which lists leave out.
func (s *Source) entryEvent(ctx context.Context, r store.Row) ([]byte, error) {
	if r.DetailsBytes > len(r.Details) {
		ctx, cancel := context.WithTimeout(ctx, detailsTimeout)
		defer cancel()
		whole, err := s.store.Entry(ctx, r.Owner, r.ID)
		switch worklog.CodeOf(err) {
		case "":
			r.Details = whole.Details
		case worklog.CodeNotFound: // deleted since: the preview is what is left
		default:
			return nil, err
		}
	}
	b, err := json.Marshal(r.Entry)
	if err != nil {
		return nil, err
	}
	return sse.Append(nil, sse.Event{Name: "entry", ID: r.Rev, Data: string(b)}), nil
}

// detailsTimeout bounds the look at one entry.
const detailsTimeout = 5 * time.Second

// filteredFrames returns what a tab with the filter of q reads instead of the feed's frames: the filter is a column, so
// that a row that matches no longer is seen to go.
func (s *Source) filteredFrames(q store.EntryQuery) func(context.Context, int64, int) ([]*hub.Frame, error) {
	return func(ctx context.Context, after int64, limit int) ([]*hub.Frame, error) {
		changes, err := s.store.FilteredChanges(ctx, q.Owner, after, q.Conversation, q.Unfiled, q.Filter, limit)
		if err != nil {
			return nil, err
		}
		frames := make([]*hub.Frame, len(changes))
		for i := range changes {
			frames[i] = s.frame(changes[i])
		}
		return frames, nil
	}
}
