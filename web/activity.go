package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
)

// activity is "/": everything of the user, newest first.
func (s *Server) activity(c echo.Context) error {
	return s.ownFeed(c, "/", "Activity", store.EntryQuery{})
}

func (s *Server) ownFeed(c echo.Context, path, title string, q store.EntryQuery) error {
	q.Owner = account.PrincipalFrom(c.Request().Context()).User.ID
	at := s.hub.Now()
	feed, err := s.readFeed(c, q, path, false)
	if err != nil {
		return err
	}
	if q.Unfiled {
		feed.Epoch = epochAt(feed.Epoch, at)
	}
	if wantsOlder(c.Request(), feed) {
		return s.render(c, http.StatusOK, view.OlderRows(feed))
	}
	sh, err := s.page(c, title, "")
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, view.ActivityPage(view.Activity{Shell: sh, Feed: feed, Unfiled: q.Unfiled, Setup: s.setup(c, "")}))
}
