package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// scope is whose entries a request is about, and which of them.
type scope struct {
	owner        int64
	conversation string // id; empty: all
}

// scopeOf resolves conversation and conversation_id. A conversation that the caller may not read is not found.
func (a *API) scopeOf(c echo.Context, p *params) (scope, error) {
	viewer := principal(c).User.ID
	key, id := p.text("conversation", worklog.MaxKeyChars), p.values.Get("conversation_id")
	if key != "" && id != "" {
		p.fail("conversation_id", "can not be combined with conversation")
	}
	if p.err != nil {
		return scope{}, p.err
	}
	var conv store.Conversation
	var err error
	switch {
	case key != "":
		conv, err = a.store.ConversationByKey(c.Request().Context(), viewer, a.ingest.Key(key))
	case id != "":
		conv, err = a.store.Conversation(c.Request().Context(), viewer, id)
	default:
		return scope{owner: viewer}, nil
	}
	return scope{owner: conv.OwnerID, conversation: conv.ID}, err
}

// logs is GET /api/v1/logs: a page of entries, or with after the changes since.
func (a *API) logs(c echo.Context) error {
	p := query(c, "conversation", "conversation_id", "unfiled", "type", "status", "source", "q", "since", "until", "before", "after", "limit")
	q := store.EntryQuery{
		Unfiled: p.flag("unfiled"), Filter: p.filter(), Since: p.time("since"), Until: p.time("until"),
		Before: p.number("before", 1, math.MaxInt64, 0), Limit: int(p.number("limit", 1, store.MaxLimit, store.DefaultLimit)), FullDetails: true,
	}
	after := p.number("after", 0, math.MaxInt64, -1)
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		p.fail("until", "must be later than since")
	}
	if q.Unfiled && (p.has("conversation") || p.has("conversation_id")) {
		p.fail("unfiled", "can not be combined with a conversation")
	}
	if after >= 0 && (p.has("before") || p.has("since") || p.has("until")) {
		p.fail("after", "can not be combined with before, since or until")
	}
	s, err := a.scopeOf(c, p)
	if err != nil {
		return err
	}
	q.Owner, q.Conversation = s.owner, s.conversation
	if after >= 0 {
		return a.changes(c, q, after)
	}
	page, err := a.store.Entries(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return a.writePage(c, page.Rows, page.Next, page.Cursor)
}

// pageBytes ends a page of changes early. The cursor says how far it came.
const pageBytes = 4 << 20

// changes answers with the entries that changed after a rev and match the filter now, oldest change first. The cursor
// goes on from the last change that was looked at; one that stays where it was means that there is nothing more.
func (a *API) changes(c echo.Context, q store.EntryQuery, after int64) error {
	ctx := c.Request().Context()
	head, _, err := a.store.Head(ctx, q.Owner)
	if err != nil {
		return err
	}
	if after > head {
		return malformed("after is ahead of this feed: list the entries again")
	}
	found, err := a.store.FilteredChanges(ctx, q.Owner, after, q.Conversation, q.Unfiled, q.Filter, q.Limit)
	if err != nil {
		return err
	}
	var rows []store.Row
	cursor, size := after, 0
	for i := range found {
		row := found[i].Row
		if found[i].Matches {
			if size += row.DetailsBytes; size > pageBytes && len(rows) > 0 {
				return a.writePage(c, rows, 0, cursor)
			}
			if row, err = a.full(ctx, principal(c).User.ID, row); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		cursor = found[i].Rev
	}
	if len(found) < q.Limit {
		cursor = max(cursor, head) // everything up to head was there to be found
	}
	return a.writePage(c, rows, 0, cursor)
}

// full returns row with all of its details. What has changed in between is newer, and comes again with a later cursor.
func (a *API) full(ctx context.Context, viewer int64, row store.Row) (store.Row, error) {
	if len(row.Details) >= row.DetailsBytes {
		return row, nil
	}
	whole, err := a.store.Entry(ctx, viewer, row.ID)
	if worklog.CodeOf(err) == worklog.CodeNotFound { // deleted since
		return row, nil
	}
	return whole, err
}

func (a *API) writePage(c echo.Context, rows []store.Row, next, cursor int64) error {
	return a.write(c, http.StatusOK, func(b []byte) (_ []byte, err error) {
		b = append(b, `{"entries":[`...)
		for i := range rows {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = rows[i].Entry.AppendJSON(b); err != nil {
				return b, err
			}
		}
		b = append(b, ']')
		if next > 0 {
			b = append(strconv.AppendInt(append(b, `,"next":"`...), next, 10), '"')
		}
		return append(strconv.AppendInt(append(b, `,"cursor":`...), cursor, 10), '}'), nil
	})
}

// entry is GET /api/v1/logs/{id}.
func (a *API) entry(c echo.Context) error {
	if p := query(c); p.err != nil {
		return p.err
	}
	row, err := a.store.Entry(c.Request().Context(), principal(c).User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	if err := a.archive.Fill(c.Request().Context(), &row); err != nil {
		a.log.Warn("an archived payload can not be read", "entry", row.ID, "error", err)
	}
	return a.write(c, http.StatusOK, row.Entry.AppendJSON)
}

// patchEntry is PATCH /api/v1/logs/{id}.
func (a *API) patchEntry(c echo.Context) error {
	var p worklog.EntryPatch
	var status *string
	var ended *time.Time
	err := a.readObject(c, member{"status", &status}, member{"title", &p.Title}, member{"details", &p.Details},
		member{"metadata", &p.Metadata}, member{"ended_at", &ended})
	if err != nil {
		return err
	}
	p.Status, p.EndedAt = (*worklog.Status)(status), ended
	e, err := a.ingest.Patch(c.Request().Context(), principal(c), c.Param("id"), p)
	if err != nil {
		return err
	}
	return a.write(c, http.StatusOK, e.AppendJSON)
}
