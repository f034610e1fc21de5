package web

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
)

// conversations lists what the user may read: the own ones, those of the team, or the archived ones. Open pages ask for
// the same page again under a path of its own, which does not keep a session alive.
func (s *Server) conversations(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	q, err := parseConversations(c.QueryParams())
	if err != nil {
		return err
	}
	q.Viewer = p.User.ID
	head, epoch, err := s.store.Head(c.Request().Context(), p.User.ID) // before the list: what comes in between is told again
	if err != nil {
		return err
	}
	list, next, err := s.store.Conversations(c.Request().Context(), q)
	if err != nil {
		return err
	}
	sh, err := s.page(c, "Conversations", "")
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, view.ConversationsPage(view.Conversations{
		Shell: sh, List: conversationsOf(list, p.User.ID, s.now()), Cursor: head, Epoch: epoch, Query: q.Query, Archived: q.Archived, Team: q.Team, Next: next, Setup: s.setup(c, ""),
	}))
}

func parseConversations(params url.Values) (q store.ConversationQuery, err error) {
	if q.Query, err = parseText(params); err != nil {
		return q, err
	}
	if q.Archived, err = parseFlag(params, "archived"); err != nil {
		return q, err
	}
	if q.Team, err = parseFlag(params, "team"); err != nil {
		return q, err
	}
	q.Before = params.Get("before") // the store reads its own cursors
	return q, nil
}
