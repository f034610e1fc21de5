package web

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// A page whose stream a proxy eats asks for changes instead: often while there is news, less and less while there is
// none.
const (
	pollConversation = time.Second
	pollActivity     = 3 * time.Second
	maxPoll          = 10 * time.Second
	pollGrowth       = 1.5
	// pollAgain is when a page asks again whose last question had no answer.
	pollAgain = 15 * time.Second
	// maxIdle is more than it takes to reach maxPoll.
	maxIdle = 10
)

// activityChanges is the polling of "/".
func (s *Server) activityChanges(c echo.Context) error {
	poll, err := s.changes(c, store.EntryQuery{Owner: account.PrincipalFrom(c.Request().Context()).User.ID}, "/")
	if err != nil {
		return err
	}
	return s.answer(c, poll, pollActivity)
}

// conversationChanges is the polling of a conversation's page. Its facts are read after the rows that it is told: they
// are not older.
func (s *Server) conversationChanges(c echo.Context) error {
	ctx := c.Request().Context()
	reader := account.PrincipalFrom(ctx).User.ID
	conv, err := s.store.Conversation(ctx, reader, c.Param("id"))
	if err != nil {
		return err
	}
	poll, err := s.changes(c, store.EntryQuery{Owner: conv.OwnerID, Conversation: conv.ID}, conversationPath(conv.ID))
	if err != nil {
		return err
	}
	if len(poll.Updates) > 0 {
		if conv, err = s.store.Conversation(ctx, reader, conv.ID); err != nil {
			return err
		}
		facts := conversationOf(conv, reader, s.now())
		poll.Facts = &facts
	}
	return s.answer(c, poll, pollConversation)
}

// listChanges is the polling of "/conversations": it only says that there is news.
func (s *Server) listChanges(c echo.Context) error {
	head, epoch, err := s.store.Head(c.Request().Context(), account.PrincipalFrom(c.Request().Context()).User.ID)
	if err != nil {
		return err
	}
	return s.answer(c, nextQuestion(c, "/conversations/all", head, epoch), pollActivity)
}

// entryChanges is the polling of one entry's page.
func (s *Server) entryChanges(c echo.Context) error {
	ctx := c.Request().Context()
	row, head, epoch, err := s.readEntry(ctx, account.PrincipalFrom(ctx).User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	poll := nextQuestion(c, "/logs/"+row.ID, head, epoch)
	if place, _ := parsePlace(c.Request(), epoch); !poll.Reset && row.Rev > place.cursor {
		row.Details = worklog.Cut(row.Details, store.PreviewBytes)
		poll.Updates = append(poll.Updates, updateOf(store.FilteredChange{Row: row, Matches: true}))
	}
	return s.answer(c, poll, pollConversation)
}

// nextQuestion is the answer to a polling page that shows everything up to head.
func nextQuestion(c echo.Context, path string, head int64, epoch string) view.Poll {
	poll := view.Poll{Path: path, Cursor: head, Epoch: epoch, Again: pollAgain}
	place, known := parsePlace(c.Request(), epoch)
	poll.Reset = !known || place.cursor > head
	if place.cursor == head {
		poll.Idle = min(parseIdle(c.QueryParams())+1, maxIdle)
	}
	return poll
}

// answer says when to ask again.
func (s *Server) answer(c echo.Context, poll view.Poll, interval time.Duration) error {
	poll.Wait = min(time.Duration(float64(interval)*math.Pow(pollGrowth, float64(poll.Idle))), maxPoll)
	return s.render(c, http.StatusOK, view.Poller(poll))
}

// changes is what has changed for a polling page. Whoever asked knows when to ask again.
func (s *Server) changes(c echo.Context, q store.EntryQuery, path string) (poll view.Poll, err error) {
	ctx, params := c.Request().Context(), c.QueryParams()
	token := q.Filter.Token // not the reader's choice
	if q.Filter, err = parseFilter(params); err != nil {
		return poll, err
	}
	q.Filter.Token = token
	head, epoch, err := s.store.Head(ctx, q.Owner)
	if err != nil {
		return poll, err
	}
	poll = view.Poll{Path: path, Filter: view.Filter{Type: q.Filter.Type, Status: q.Filter.Status, Text: q.Filter.Query}, Cursor: head, Epoch: epoch, Again: pollAgain}
	place, known := parsePlace(c.Request(), epoch)
	switch {
	case !known || place.cursor > head:
		poll.Reset = true
	case place.cursor < head:
		if err := s.catchUp(ctx, q, place.cursor, &poll); err != nil {
			return poll, err
		}
	}
	if len(poll.Updates) == 0 {
		poll.Idle = min(parseIdle(params)+1, maxIdle)
	}
	return poll, nil
}

// catchUp adds what changed after a cursor. The head was read before, so a cursor there misses nothing that the filter
// or the conversation leaves out.
func (s *Server) catchUp(ctx context.Context, q store.EntryQuery, after int64, poll *view.Poll) error {
	changes, err := s.store.FilteredChanges(ctx, q.Owner, after, q.Conversation, q.Unfiled, q.Filter, maxBehind+1)
	if err != nil {
		return err
	}
	if len(changes) > maxBehind {
		poll.Reset = true
		return nil
	}
	for _, ch := range changes {
		poll.Updates = append(poll.Updates, updateOf(ch))
		poll.Cursor = max(poll.Cursor, ch.Rev)
	}
	return nil
}

// parseIdle reads how many questions in a row found nothing.
func parseIdle(q url.Values) int {
	idle, err := strconv.Atoi(q.Get("idle"))
	if err != nil {
		return 0
	}
	return min(max(idle, 0), maxIdle)
}
