package api

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/worklog"
)

// stream is GET /api/v1/stream: entries as they are stored and change, as server-sent events. Unlike a page's stream it
// refuses with a status, and goes through any gap instead of asking for a reload.
func (a *API) stream(c echo.Context) error {
	p := query(c, "conversation", "conversation_id", "after")
	cursor := max(p.number("after", 0, math.MaxInt64, -1), p.lastEventID(c.Request().Header.Get("Last-Event-ID")))
	s, err := a.scopeOf(c, p)
	if err != nil {
		return err
	}
	if cursor, err = a.startOf(c, s.owner, cursor); err != nil {
		return err
	}
	who := principal(c)
	w := hub.Watch{User: who.User.ID, Owner: s.owner, Conversation: s.conversation, Format: hub.JSON, After: cursor, AsOf: who.CheckedAt}
	if who.Token != nil {
		w.Token, w.Expires = who.Token.ID, who.Token.ExpiresAt
	} else {
		w.Session, w.Expires = who.Session, who.SessionExpires
	}
	tab, end := a.hub.Open(w)
	if end != 0 {
		return refusal(end)
	}
	log := a.log.With("user", who.User.ID, "request_id", c.Response().Header().Get(problem.RequestIDHeader))
	c.Response().Committed, c.Response().Status = true, http.StatusOK
	sse.Serve(c.Response().Writer, c.Request(), a.hub.Go, func(ctx context.Context, out *sse.Writer) { // past Echo's wrapper, which hides the errors of a flush
		serveTab(ctx, tab, out, log)
	})
	return nil
}

// serveTab writes a stream until it ends. It may outlive the request.
func serveTab(ctx context.Context, tab *hub.Tab, out *sse.Writer, log *slog.Logger) {
	defer tab.Close()
	opened := time.Now()
	cursor := tab.Cursor()
	hello := sse.Event{Name: "hello", ID: cursor, Data: strconv.FormatInt(cursor, 10), Retry: 2*time.Second + rand.N(3*time.Second)}
	if err := out.Send(hello); err != nil {
		return // the reader has gone
	}
	end := tab.Serve(ctx, out)
	if end.Terminal() {
		_ = out.Send(sse.Event{Name: "bye", Data: end.String(), NoID: true})
	}
	log.Info("stream ended", "why", end.String(), "open_seconds", time.Since(opened).Seconds(), "bytes", out.Written())
}

// startOf checks a cursor against the feed. None, -1, is the head: such a stream begins now.
func (a *API) startOf(c echo.Context, owner, cursor int64) (int64, error) {
	head, _, err := a.store.Head(c.Request().Context(), owner)
	if err != nil {
		return 0, err
	}
	if cursor > head {
		return 0, malformed("after is ahead of this feed: list the entries again")
	}
	if cursor < 0 {
		return head, nil
	}
	return cursor, nil
}

// lastEventID reads the header that a reconnecting reader sends; -1 when there is none.
func (p *params) lastEventID(header string) int64 {
	if header == "" {
		return -1
	}
	rev, err := strconv.ParseInt(header, 10, 64)
	if err != nil || rev < 0 {
		p.fail("Last-Event-ID", "is not the id of an event of this stream")
	}
	return rev
}

// busyRetry is how long a program waits before it tries a server again that can not take its stream.
const busyRetry = 15 * time.Second

// refusal is why a stream was not opened.
func refusal(end hub.End) error {
	switch end {
	case hub.EndRefused:
		return &worklog.Error{Code: worklog.CodeRateLimited, Message: "too many streams are open already; close one first", RetryAfter: busyRetry}
	case hub.EndSignedOut:
		return worklog.Errorf(worklog.CodeUnauthorized, "this token or session has ended")
	case hub.EndGone:
		return worklog.Errorf(worklog.CodeNotFound, "no such conversation")
	default:
		return &worklog.Error{Code: worklog.CodeUnavailable, Message: "no stream can be opened now; try again", RetryAfter: busyRetry}
	}
}
