package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/static"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// feedLimit is how many entries a page begins with, and how many each step back in time adds.
	feedLimit = 100
	// sidebarLimit is how many conversations stand beside a page. Those that asked for their user within pressingWithin do in
	// any case, and the last that failed: tabs say by this list who needs somebody.
	sidebarLimit   = 30
	pressingWithin = 24 * time.Hour
)

// readFeed reads the part of a feed that the request asks for. q says whose and which; the request adds filter and place.
func (s *Server) readFeed(c echo.Context, q store.EntryQuery, path string, oldestFirst bool) (view.Feed, error) {
	params := c.QueryParams()
	filter, err := parseFilter(params)
	if err != nil {
		return view.Feed{}, err
	}
	if q.Before, err = parseBefore(params); err != nil {
		return view.Feed{}, err
	}
	q.Filter, q.Limit = filter, feedLimit
	page, err := s.store.Entries(c.Request().Context(), q)
	if err != nil {
		return view.Feed{}, err
	}
	feed := view.Feed{
		Path: path, Filter: view.Filter{Type: filter.Type, Status: filter.Status, Text: filter.Query}, Oldest: oldestFirst,
		Rows: rowsOf(page.Rows), Cursor: page.Cursor, Epoch: page.Epoch, Older: page.Next, Before: q.Before,
	}
	if oldestFirst {
		slices.Reverse(feed.Rows)
	}
	return feed, nil
}

// rowsOf is what of entries their rows show.
func rowsOf(rows []store.Row) []view.Row {
	out := make([]view.Row, len(rows))
	for i, r := range rows {
		out[i] = rowOf(r)
	}
	return out
}

func rowOf(r store.Row) view.Row {
	return view.Row{Entry: r.Entry, DetailsBytes: r.DetailsBytes, Inferred: r.Inferred, AskedAt: r.AskedAt, SilentAfter: r.SilentAfter, Redacted: r.Redacted}
}

// wantsOlder reports whether htmx asks for the rows before the ones it has, and not for a page.
func wantsOlder(r *http.Request, f view.Feed) bool {
	return f.Before > 0 && r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-Target") == "log-list"
}

// page is the shell of a signed-in user's page with the conversations beside it.
func (s *Server) page(c echo.Context, title, conversation string) (view.Shell, error) {
	sh := s.shell(c, title)
	p := account.PrincipalFrom(c.Request().Context())
	list, err := s.beside(c.Request().Context(), p.User.ID)
	if err != nil {
		return sh, err
	}
	sh.Sidebar = view.Sidebar{Conversations: conversationsOf(list, p.User.ID, s.now()), Current: conversation}
	return sh, nil
}

// beside are the conversations that stand beside the pages of a user.
func (s *Server) beside(ctx context.Context, user int64) ([]store.Conversation, error) {
	list, _, err := s.store.Conversations(ctx, store.ConversationQuery{Viewer: user, Limit: sidebarLimit, PressingSince: s.now().Add(-pressingWithin)})
	return list, err
}

func conversationsOf(list []store.Conversation, viewer int64, now time.Time) []view.Conversation {
	out := make([]view.Conversation, len(list))
	for i, x := range list {
		out[i] = conversationOf(x, viewer, now)
	}
	return out
}

func conversationOf(x store.Conversation, viewer int64, now time.Time) view.Conversation {
	return view.Conversation{Conversation: x.Conversation, Mine: x.OwnerID == viewer, Failed: x.ErrorCount, State: x.State(now), SilentAt: x.SilentAt}
}

// setup is what an empty page tells a newcomer.
func (s *Server) setup(c echo.Context, key string) view.Setup {
	return view.Setup{BaseURL: s.publicURL(c.Request()), Key: key}
}

// serveStatic answers for the files that pages load.
func (s *Server) serveStatic(c echo.Context) error {
	if static.Serve(c.Response(), c.Request()) {
		return nil
	}
	return worklog.Errorf(worklog.CodeNotFound, "there is no such file")
}
