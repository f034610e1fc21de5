package api

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/worklog"
)

// stream is GET /api/v1/stream: entries as they are stored and change, as server-sent events. Unlike a page's stream it
// refuses with a status, and goes through any gap instead of asking for a reload.
func (a *API) stream(c echo.Context) error {
	asOf := time.Now()
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
	w := hub.Watch{User: who.User.ID, Owner: s.owner, Conversation: s.conversation, Format: hub.JSON, After: cursor, AsOf: asOf}
	if who.Token != nil {
		w.Token, w.Expires = who.Token.ID, who.Token.ExpiresAt
	} else {
		w.Session, w.Expires = who.Session, who.SessionExpires
	}
	tab, end := a.hub.Open(w)
	if end != 0 {
		return refusal(end)
	}
	defer tab.Close()
	res := c.Response()
	res.Committed, res.Status = true, http.StatusOK
	out := sse.Start(res.Writer) // past Echo's wrapper, which hides the errors of a flush
	defer func() { res.Size = out.Written() }()
	hello := sse.Event{Name: "hello", ID: cursor, Data: strconv.FormatInt(cursor, 10), Retry: 2*time.Second + rand.N(3*time.Second)}
	if err := out.Send(hello); err != nil {
		return nil // the reader has gone
	}
	if end := tab.Serve(c.Request().Context(), out); end.Terminal() {
		_ = out.Send(sse.Event{Name: "bye", Data: end.String(), NoID: true})
	}
	return nil
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
