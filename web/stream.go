package web

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/internal/store"
)

// maxBehind is how many changes a page is told one by one. It shows no more rows than that, and loading it again is
// cheaper beyond.
const maxBehind = 300

// minRetry and maxRetry are when a page comes back whose stream was cut without a word: before its badge says anything,
// which is after 3 s, and not in step with the others.
const (
	minRetry = time.Second
	maxRetry = 2 * time.Second
)

// activityStream is the stream of "/".
func (s *Server) activityStream(c echo.Context) error {
	return s.serveStream(c, store.EntryQuery{Owner: account.PrincipalFrom(c.Request().Context()).User.ID}, nil)
}

// listStream is the stream of "/conversations": it shows no entries, and hears when there are any.
func (s *Server) listStream(c echo.Context) error {
	return s.serveStream(c, store.EntryQuery{Owner: account.PrincipalFrom(c.Request().Context()).User.ID}, func(w *hub.Watch, st *pageStream) {
		w.Read = func(context.Context, int64, int) ([]*hub.Frame, error) { return nil, nil }
		st.list = true
	})
}

// entryStream is the stream of one entry's page.
func (s *Server) entryStream(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	row, err := s.store.Entry(c.Request().Context(), p.User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	return s.serveStream(c, store.EntryQuery{Owner: row.Owner}, func(w *hub.Watch, _ *pageStream) {
		w.Entry = row.ID
		if row.Owner != p.User.ID { // who may read it only because its conversation is the team's
			w.Conversation = row.ConversationID
		}
	})
}

// conversationStream is the stream of a conversation's page. Whoever may not read it is told that it is gone.
func (s *Server) conversationStream(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	conv, err := s.store.Conversation(c.Request().Context(), p.User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	return s.serveStream(c, store.EntryQuery{Owner: conv.OwnerID, Conversation: conv.ID}, nil)
}

// serveStream serves the feed of q until somebody or something ends the stream; narrow may watch less of it. Whatever
// goes wrong from here on is said in the stream itself.
func (s *Server) serveStream(c echo.Context, q store.EntryQuery, narrow func(*hub.Watch, *pageStream)) (err error) {
	req := c.Request()
	p := account.PrincipalFrom(req.Context())
	token := q.Filter.Token // not the reader's choice
	if q.Filter, err = parseFilter(c.QueryParams()); err != nil {
		return err
	}
	q.Filter.Token = token
	epoch, err := s.store.Epoch(req.Context())
	if err != nil {
		return err
	}
	place, known := parsePlace(req, epoch)
	if place.tab == "" {
		place.tab = rememberlessTab()
	}
	w := hub.Watch{
		User: p.User.ID, Owner: q.Owner, Conversation: q.Conversation, Session: p.Session, TabID: place.tab, Generation: place.generation,
		After: place.cursor, MaxBehind: maxBehind, Expires: p.SessionExpires, AsOf: p.CheckedAt,
	}
	if q.Unfiled || !q.Filter.Zero() {
		w.Read = NewSource(s.store).filteredFrames(q)
	}
	st := &pageStream{s: s, user: p.User.ID, q: q, epoch: epoch, requestID: c.Response().Header().Get(problem.RequestIDHeader)}
	if narrow != nil {
		narrow(&w, st)
	}
	end := hub.EndBehind
	if known {
		st.tab, end = s.hub.Open(w)
	}
	s.startStream(c, func(ctx context.Context, out *sse.Writer) {
		if st.tab != nil {
			end = st.serve(ctx, out)
		}
		farewell(out, end)
	})
	return nil
}

// startStream answers with a stream that body writes. Body may outlive the request, and must not hold on to it.
func (s *Server) startStream(c echo.Context, body func(context.Context, *sse.Writer)) {
	c.Response().Committed, c.Response().Status = true, http.StatusOK
	sse.Serve(c.Response().Writer, c.Request(), s.hub.Go, body) // past Echo's wrapper, which hides the errors of a flush
}

// place is where in its feed a page stands, and which page it is.
type place struct {
	cursor     int64
	tab        string
	generation int
}

// parsePlace reads the place of the page that opens a stream. It is not known when the cursor can not be read, or
// belongs to another epoch: then the page has to be loaded again.
//
// The header is newer than the address after a reconnect of the browser's, the address after one of the script's.
func parsePlace(r *http.Request, epoch string) (p place, known bool) {
	q := r.URL.Query()
	after, ok1 := parseCursor(q.Get("after"))
	last, ok2 := parseCursor(r.Header.Get("Last-Event-ID"))
	p.cursor = max(after, last)
	p.tab, p.generation = parseTab(q)
	e, _ := parseEpoch(q.Get("epoch"))
	return p, ok1 && ok2 && (e == "" || e == epoch)
}

// parseCursor reads a rev; none is 0.
func parseCursor(s string) (int64, bool) {
	if s == "" {
		return 0, true
	}
	rev, err := strconv.ParseInt(s, 10, 64)
	return rev, err == nil && rev >= 0
}

// maxTabID is longer than a UUID.
const maxTabID = 64

// parseTab reads the name of the open document and its generation. A name that is not one of ours is none.
func parseTab(q url.Values) (id string, generation int) {
	id, number, _ := strings.Cut(q.Get("tab"), ".")
	generation, err := strconv.Atoi(number)
	if err != nil || generation < 0 || id == "" || len(id) > maxTabID ||
		strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return "", 0
	}
	return id, generation
}

// rememberlessTab names a page that does not name itself: it counts, and can not come back.
func rememberlessTab() string { return "anonymous-" + strconv.FormatUint(rand.Uint64(), 36) }

// pageStream is a page's stream: its tab, and what of its request it needs.
type pageStream struct {
	*sse.Writer
	s         *Server
	tab       *hub.Tab
	user      int64 // who reads
	q         store.EntryQuery
	epoch     string
	requestID string
	flushed   time.Time // the last frames
	told      time.Time // the last totals of the conversation
	title     string    // of the conversation, as it was told last
	threads   string    // the list of conversations as the page has it; empty: as it was rendered
	list      bool      // it is the page of all conversations
}

// serve writes the stream until it ends, and returns why.
func (st *pageStream) serve(ctx context.Context, out *sse.Writer) hub.End {
	defer st.tab.Close()
	opened := time.Now()
	st.Writer = out
	if err := st.hello(); err != nil {
		return hub.EndLeft
	}
	end := st.tab.Serve(ctx, st)
	st.s.log.Info("stream ended", "why", end.String(), "open_seconds", time.Since(opened).Seconds(), "bytes", out.Written(), "user", st.user, "request_id", st.requestID)
	return end
}

// hello is the first event: where the stream begins, and what the page compares itself with.
func (st *pageStream) hello() error {
	b, err := json.Marshal(map[string]string{"version": st.s.version, "epoch": st.epoch, "now": st.s.now().UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return err
	}
	return st.Send(sse.Event{Name: "hello", ID: st.tab.Cursor(), Data: string(b), Retry: between(minRetry, maxRetry)})
}

// Flush sends the batch.
func (st *pageStream) Flush() error {
	st.flushed = time.Now()
	return st.Writer.Flush()
}

// farewell ends a stream. Terminal ends are said and stay, "reset" asks for the page again; after every other end the
// browser comes back by itself, soon or, to a busy server, later, and never in step with the others.
func farewell(w *sse.Writer, end hub.End) {
	e := sse.Event{Name: "ping", Data: "1", NoID: true}
	switch end {
	case hub.EndBehind:
		e.Name, e.Data = "reset", end.String()
	case hub.EndAged, hub.EndReplaced, hub.EndRecheck:
		e.Retry = between(100*time.Millisecond, time.Second)
	case hub.EndStopping:
		e.Retry = between(500*time.Millisecond, 3*time.Second)
	case hub.EndFailed:
		e.Retry = between(2*time.Second, 8*time.Second)
	case hub.EndBusy:
		e.Retry = between(15*time.Second, 30*time.Second)
	case hub.EndSlow, hub.EndLeft:
		return
	default:
		e.Name, e.Data = "bye", end.String()
	}
	_ = w.Send(e) // whoever has gone needs no farewell
}

func between(least, most time.Duration) time.Duration { return least + rand.N(most-least) }
