package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// defaultRange is what "/admin" shows.
	defaultRange = "24h"
	// dashboardPace is how often an open dashboard is brought up to date at most.
	dashboardPace = time.Second
	// dashboardOwner stands for the dashboard where the hub wants the owner of a feed. Users begin at 1.
	dashboardOwner = 0
)

// The dashboard is a feed of the hub like any other: its tabs count, are evicted, rotated and signed out as all tabs
// are. Its revs are milliseconds. Run hints at it once a second while somebody looks; the tabs of a range then share one
// look at the database and one rendering, and are sent only the pieces of the page that have changed.

// dashboard is "/admin".
func (s *Server) dashboard(c echo.Context) error {
	r, err := rangeOf(c)
	if err != nil {
		return err
	}
	s.countNow()
	b, err := s.boards.of(r).whole(c.Request().Context(), s, r)
	if err != nil {
		return err
	}
	sh := s.adminPage(c, "Dashboard")
	sh.Dashboard = true
	return s.render(c, http.StatusOK, view.DashboardPage(view.Dashboard{Shell: sh, Board: b}))
}

func rangeOf(c echo.Context) (rollup.Range, error) {
	name := c.QueryParam("range")
	if name == "" {
		name = defaultRange
	}
	r, ok := rollup.RangeNamed(name)
	if !ok {
		return r, &worklog.Error{Code: worklog.CodeMalformed, Message: "this range is not known", Fields: []worklog.FieldError{{Field: "range", Message: "must be 1h, 24h, 7d or 90d"}}}
	}
	return r, nil
}

// countNow has what was committed counted soon: somebody looks.
func (s *Server) countNow() {
	if s.counter != nil {
		s.counter()
	}
}

// dashboardStream is the stream of "/admin".
func (s *Server) dashboardStream(c echo.Context) error {
	r, err := rangeOf(c)
	if err != nil {
		return err
	}
	req := c.Request()
	p := account.PrincipalFrom(req.Context())
	place, known := parsePlace(req, "")
	if place.tab == "" {
		place.tab = rememberlessTab()
	}
	st := &boardStream{s: s, user: p.User.ID, requestID: c.Response().Header().Get(problem.RequestIDHeader)}
	end := hub.EndBehind
	if known {
		st.tab, end = s.hub.Open(hub.Watch{
			User: p.User.ID, Owner: dashboardOwner, Session: p.Session, TabID: place.tab, Generation: place.generation, After: place.cursor,
			Expires: p.SessionExpires, AsOf: s.now(), Read: s.boards.reader(s, r),
		})
	}
	s.startStream(c, func(ctx context.Context, out *sse.Writer) {
		if st.tab != nil {
			end = st.serve(ctx, out)
		}
		farewell(out, end)
	})
	return nil
}

// dashboardChanges is the polling of "/admin".
func (s *Server) dashboardChanges(c echo.Context) error {
	r, err := rangeOf(c)
	if err != nil {
		return err
	}
	place, known := parsePlace(c.Request(), "")
	s.countNow()
	parts, rev, err := s.boards.of(r).after(c.Request().Context(), s, r, place.cursor)
	if err != nil {
		return err
	}
	poll := view.Poll{Path: "/admin", Range: r.Name, Cursor: max(rev, place.cursor), Reset: !known, Wait: pollActivity, Again: pollAgain}
	return s.render(c, http.StatusOK, templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if err := view.Poller(poll).Render(ctx, w); err != nil {
			return err
		}
		_, err := w.Write(parts)
		return err
	}))
}

// boardStream is a dashboard's stream.
type boardStream struct {
	*sse.Writer
	s         *Server
	tab       *hub.Tab
	user      int64
	requestID string
}

func (st *boardStream) serve(ctx context.Context, out *sse.Writer) hub.End {
	defer st.tab.Close()
	opened := time.Now()
	st.Writer = out
	b, err := json.Marshal(map[string]string{"version": st.s.version, "epoch": ""})
	if err == nil {
		err = st.Send(sse.Event{Name: "hello", ID: st.tab.Cursor(), Data: string(b), Retry: between(2*time.Second, 5*time.Second)})
	}
	if err != nil {
		return hub.EndLeft
	}
	end := st.tab.Serve(ctx, st)
	st.s.log.Info("stream ended", "why", end.String(), "open_seconds", time.Since(opened).Seconds(), "bytes", out.Written(), "user", st.user, "request_id", st.requestID)
	return end
}

// followDashboards hints at the dashboard's feed once a second while somebody looks, until ctx ends.
func (s *Server) followDashboards(ctx context.Context) {
	tick := time.NewTicker(dashboardPace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.hub.Watches(dashboardOwner) {
				s.countNow()
				s.hub.Hint(dashboardOwner)
			}
		}
	}
}

// boards is what the open dashboards of each range share.
type boards struct {
	mu      sync.Mutex
	byRange map[string]*sharedBoard // as many as there are ranges
}

// sharedBoard is a range's dashboard as it was rendered last, piece by piece. Whoever has its turn may touch it.
type sharedBoard struct {
	turn  chan struct{} // of one slot
	at    time.Time     // when it was read; zero: never
	board view.Board
	rev   int64 // of the newest piece
	parts []boardPart
}

type boardPart struct {
	html []byte
	rev  int64 // when it began to look like this
}

func (b *boards) of(r rollup.Range) *sharedBoard {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byRange == nil {
		b.byRange = map[string]*sharedBoard{}
	}
	x := b.byRange[r.Name]
	if x == nil {
		x = &sharedBoard{turn: make(chan struct{}, 1)}
		b.byRange[r.Name] = x
	}
	return x
}

// reader is what a tab of the range reads: one frame with the pieces that have changed.
func (b *boards) reader(s *Server, r rollup.Range) func(context.Context, int64, int) ([]*hub.Frame, error) {
	shared := b.of(r)
	return func(ctx context.Context, after int64, _ int) ([]*hub.Frame, error) {
		parts, rev, err := shared.after(ctx, s, r, after)
		if err != nil || len(parts) == 0 {
			return nil, err
		}
		return []*hub.Frame{hub.NewFrame(rev, "", "", len(parts), func(context.Context, hub.Format) ([]byte, error) {
			return sse.Append(nil, sse.Event{Name: "board", ID: rev, Data: string(parts)}), nil
		})}, nil
	}
}

// after returns the pieces that look different since after, and the rev that they bring a page to. However many pages
// ask, the database is asked once a second.
func (x *sharedBoard) after(ctx context.Context, s *Server, r rollup.Range, after int64) (parts []byte, rev int64, err error) {
	if err := x.take(ctx); err != nil {
		return nil, 0, err
	}
	defer x.give()
	if err := x.refresh(ctx, s, r); err != nil {
		return nil, 0, err
	}
	for _, p := range x.parts {
		if p.rev > after {
			parts = append(parts, p.html...)
		}
	}
	return parts, x.rev, nil
}

// whole returns the board for a page that is just being opened.
func (x *sharedBoard) whole(ctx context.Context, s *Server, r rollup.Range) (view.Board, error) {
	if err := x.take(ctx); err != nil {
		return view.Board{}, err
	}
	defer x.give()
	err := x.refresh(ctx, s, r)
	b := x.board
	b.Cursor = x.rev
	return b, err
}

// take waits for the turn. While the database is slow, one that has given up must not be in the line.
func (x *sharedBoard) take(ctx context.Context) error {
	select {
	case x.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *sharedBoard) give() { <-x.turn }

// refresh reads and renders the board again, unless that was just done.
func (x *sharedBoard) refresh(ctx context.Context, s *Server, r rollup.Range) error {
	if now := s.now(); !now.Before(x.at) && now.Sub(x.at) < dashboardPace*9/10 {
		return nil
	}
	b, err := s.board(ctx, r)
	if err != nil {
		return err
	}
	x.at, x.board = s.now(), b
	for i, p := range view.BoardParts(b) {
		var html bytes.Buffer
		if err := p.Component.Render(ctx, &html); err != nil {
			return err
		}
		switch {
		case i == len(x.parts):
			x.parts = append(x.parts, boardPart{html.Bytes(), b.Cursor})
		case !bytes.Equal(x.parts[i].html, html.Bytes()):
			x.parts[i] = boardPart{html.Bytes(), b.Cursor}
		default:
			continue
		}
		x.rev = b.Cursor
	}
	return nil
}
