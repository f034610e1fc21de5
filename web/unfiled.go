package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/store"
)

// What belongs to no conversation grows also when one is deleted, and that gives its entries no rev. So the page says in
// its epoch when it was read: one that was read before has to be loaded again, whether it streams, asks or was away.

// epochAt is the epoch of a page that was read at a time.
func epochAt(epoch string, at time.Time) string {
	return epoch + "." + strconv.FormatInt(at.UnixMicro(), 10)
}

// parseEpoch reads what a page says of its epoch; at is zero when it does not say when it was read.
func parseEpoch(s string) (epoch string, at time.Time) {
	epoch, micros, ok := strings.Cut(s, ".")
	if n, err := strconv.ParseInt(micros, 10, 64); ok && err == nil {
		at = time.UnixMicro(n)
	}
	return epoch, at
}

// unfiled is what of the user's entries belongs to no conversation.
func (s *Server) unfiled(c echo.Context) error {
	return s.ownFeed(c, "/unfiled", "Unfiled", store.EntryQuery{Unfiled: true})
}

// unfiledStream is the stream of "/unfiled".
func (s *Server) unfiledStream(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	return s.serveStream(c, store.EntryQuery{Owner: p.User.ID, Unfiled: true}, func(w *hub.Watch, _ *pageStream) {
		if _, w.UnfiledAt = parseEpoch(c.QueryParam("epoch")); w.UnfiledAt.IsZero() {
			w.UnfiledAt = p.CheckedAt
		}
	})
}

// unfiledChanges is the polling of "/unfiled".
func (s *Server) unfiledChanges(c echo.Context) error {
	owner := account.PrincipalFrom(c.Request().Context()).User.ID
	poll, err := s.changes(c, store.EntryQuery{Owner: owner, Unfiled: true}, "/unfiled")
	if err != nil {
		return err
	}
	if _, at := parseEpoch(c.QueryParam("epoch")); !at.IsZero() {
		poll.Epoch = epochAt(poll.Epoch, at)
		poll.Reset = poll.Reset || s.hub.UnfiledSince(owner, at)
	}
	return s.answer(c, poll, pollActivity)
}
