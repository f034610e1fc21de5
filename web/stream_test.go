package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// liveSite is a site with a hub that runs, behind a real HTTP server.
type liveSite struct {
	*site
	hub  *hub.Hub
	http *httptest.Server
}

func newLiveSite(t *testing.T, configure ...func(*http.Server)) *liveSite {
	t.Helper()
	st := storetest.New(t)
	h := hub.New(NewSource(st), hub.Options{})
	s := New(Deps{
		Store: st, Hub: h, API: api.New(api.Deps{Store: st, Hub: h}), Version: "1.0.0",
		Config: config.Config{ListenAddr: "127.0.0.1:8080", SessionLifetime: time.Hour},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	server := httptest.NewUnstartedServer(s.Handler())
	server.Config.RegisterOnShutdown(h.Shutdown)
	for _, f := range configure {
		f(server.Config)
	}
	server.Start()
	t.Cleanup(func() {
		h.Shutdown()
		server.Close()
		cancel()
		running.Wait()
	})
	x := &site{T: t, ctx: t.Context(), store: st, server: s}
	return &liveSite{x.as("ada@example.org"), h, server}
}

// news writes entries and gives the hint.
func (x *liveSite) news(drafts ...worklog.Draft) {
	x.Helper()
	x.write(drafts...)
	x.hub.Hint(x.user.ID)
}

// event is one block of a stream.
type event struct{ id, name, data, retry string }

// listener reads a page's stream.
type listener struct {
	t    testing.TB
	res  *http.Response
	r    *bufio.Reader
	stop context.CancelFunc
}

// listen opens a stream with the cookie of x. Headers are given as name, value.
func (x *liveSite) listen(path string, headers ...string) *listener {
	x.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, time.Minute)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.http.URL+path, nil)
	if err != nil {
		x.Fatal(err)
	}
	req.Header.Set("Cookie", x.cookie)
	req.Header.Set("Accept-Encoding", "gzip")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
	})
	return &listener{x, res, bufio.NewReader(res.Body), cancel}
}

// next returns the next event; a zero one at the end of the stream.
func (l *listener) next() (e event) {
	l.t.Helper()
	for {
		line, err := l.r.ReadString('\n')
		if err != nil {
			return event{}
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "":
			return e
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data += value
		case "retry":
			e.retry = value
		}
	}
}

// want reads the next event, which must have that name.
func (l *listener) want(name string) event {
	l.t.Helper()
	e := l.next()
	if e.name != name {
		l.t.Fatalf("the next event is %+v, want %s", e, name)
	}
	return e
}

// log reads the next event of the entries. How the conversations stand is told when there is time, also in between.
func (l *listener) log() event {
	l.t.Helper()
	e := l.next()
	for e.name == "threads" {
		e = l.next()
	}
	if e.name != "log" {
		l.t.Fatalf("the next event is %+v, want a log", e)
	}
	return e
}

func (l *listener) ended() {
	l.t.Helper()
	if e := l.next(); e != (event{}) {
		l.t.Errorf("after the end comes %+v", e)
	}
}

func TestStreamBeginsWithHelloAndLeavesTheSessionAlone(t *testing.T) {
	t.Parallel()
	const short = 2 * time.Second // and still enough for an ordinary answer of a busy machine
	x := newLiveSite(t, func(s *http.Server) { s.WriteTimeout = short })
	x.write(numbered(3, "c")...)
	before := x.sessionRow()
	l := x.listen("/stream?after=3&tab=abc.0")
	h := l.res.Header
	if l.res.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store, no-transform" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("%d %v", l.res.StatusCode, h)
	}
	if h.Get("Content-Encoding") != "" || h.Get("Set-Cookie") != "" || h.Get("X-Request-Id") == "" || h.Get("Content-Security-Policy") == "" {
		t.Errorf("headers %v", h)
	}
	hello := l.want("hello")
	var said struct{ Version, Epoch string }
	if err := json.Unmarshal([]byte(hello.data), &said); err != nil || said.Version != "1.0.0" || said.Epoch == "" || hello.id != "3" {
		t.Errorf("%+v, %v", hello, err)
	}
	if retry, err := strconv.Atoi(hello.retry); err != nil || retry < 1000 || retry > 2000 {
		t.Errorf("retry %q", hello.retry)
	}
	<-time.After(short + 100*time.Millisecond) // the deadline of an answer passes; it is the kernel's, no bubble moves it
	x.news(worklog.Draft{Title: "later"})
	if e := l.want("log"); e.id != "4" || !strings.HasPrefix(e.data, `<ol hx-swap-oob="afterbegin:#log-list"><li id="entry-`) || !strings.Contains(e.data, "later") {
		t.Errorf("%+v", e)
	}
	if after := x.sessionRow(); after != before {
		t.Errorf("the stream changed its session from %s to %s", before, after)
	}
}

// sessionRow is what is stored of the browser's session.
func (x *site) sessionRow() string {
	x.Helper()
	list, err := x.store.Sessions(x.ctx, x.user.ID)
	if err != nil || len(list) != 1 {
		x.Fatalf("%d sessions, %v", len(list), err)
	}
	return fmt.Sprintf("%+v", list[0])
}

func TestCursorIsTheGreaterOfHeaderAndAddress(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(5, "c")...)
	for _, tt := range []struct{ after, last, hello, first string }{
		{"3", "", "3", "4"}, {"", "3", "3", "4"}, {"3", "4", "4", "5"}, {"4", "3", "4", "5"}, {"", "", "0", "1"},
	} {
		var headers []string
		if tt.last != "" {
			headers = []string{"Last-Event-ID", tt.last}
		}
		l := x.listen("/stream?after="+tt.after, headers...)
		if e := l.want("hello"); e.id != tt.hello {
			t.Errorf("%+v begins at %s", tt, e.id)
		}
		if e := l.want("log"); e.id != tt.first {
			t.Errorf("%+v goes on with %s", tt, e.id)
		}
		l.stop()
	}
}

func TestWhatCanNotBeACursorAsksForThePageAgain(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(5, "c")...)
	for _, tt := range []struct{ query, last string }{
		{"after=x", ""}, {"after=-1", ""}, {"after=99999999999999999999", ""}, {"after=6", ""}, {"after=1", "garbage"}, {"after=1", "1e3"}, {"after=1&epoch=another", ""},
	} {
		var headers []string
		if tt.last != "" {
			headers = []string{"Last-Event-ID", tt.last}
		}
		l := x.listen("/stream?"+tt.query, headers...)
		e := l.next()
		if e.name == "hello" {
			e = l.next()
		}
		if e.name != "reset" || e.id != "" {
			t.Errorf("%+v is answered with %+v", tt, e)
		}
		l.ended()
	}
}

func TestStreamThatMayNotBeSaysByeAndNothingElse(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "mine")...)
	grace := &liveSite{x.as("grace@example.org"), x.hub, x.http}
	grace.write(numbered(1, "hers")...)
	for name, path := range map[string]string{
		"another user's": "/conversations/" + grace.conversation("hers") + "/stream", "unknown": "/conversations/0192a000-0000-7000-8000-000000000000/stream", "no id": "/conversations/x/stream",
	} {
		l := x.listen(path)
		if e := l.next(); l.res.StatusCode != 200 || e != (event{name: "bye", data: "gone"}) {
			t.Errorf("%s: %d %+v", name, l.res.StatusCode, e)
		}
		l.ended()
	}
	stranger := &liveSite{x.site, x.hub, x.http}
	l := stranger.listen("/stream", "Cookie", "worklog_session=nobody")
	if e := l.next(); e != (event{name: "bye", data: "signed-out"}) {
		t.Errorf("a stranger: %+v", e)
	}
	if l := x.listen("/stream", "Sec-Fetch-Site", "cross-site"); l.res.StatusCode != http.StatusForbidden {
		t.Errorf("a request of another site: %d", l.res.StatusCode)
	}
	if n := x.hub.Stats().Opened; n != 0 {
		t.Errorf("%d tabs were opened", n)
	}
}

func TestFourthStreamOfASessionSaysByeToTheFirst(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	var open []*listener
	for i := range 4 {
		l := x.listen(fmt.Sprintf("/stream?after=0&tab=t%d.0", i))
		l.want("hello")
		open = append(open, l)
	}
	if e := open[0].next(); e != (event{name: "bye", data: "evicted"}) {
		t.Errorf("the first hears %+v", e)
	}
	open[0].ended()
	again := x.listen("/stream?after=0&tab=t0.0") // its browser did not hear it
	if e := again.next(); e != (event{name: "bye", data: "evicted"}) {
		t.Errorf("the first hears %+v when it comes back", e)
	}
	resumed := x.listen("/stream?after=0&tab=t0.1")
	resumed.want("hello")
	if e := open[1].next(); e.data != "evicted" {
		t.Errorf("the second hears %+v", e)
	}
}

func TestEndsReachTheStreamsTheyConcern(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "c")...)
	id := x.conversation("c")
	conversation, activity := x.listen("/conversations/"+id+"/stream?after=1"), x.listen("/stream?after=1")
	conversation.want("hello")
	activity.want("hello")
	if w := x.ask(http.MethodPost, "/conversations/"+strings.ToUpper(id)+"/delete", nil, "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusSeeOther {
		t.Fatalf("delete: %d", w.Code)
	}
	if e := conversation.next(); e != (event{name: "bye", data: "gone"}) {
		t.Errorf("the conversation hears %+v", e)
	}
	if e := activity.want("log"); e.id != "2" {
		t.Errorf("the activity hears %+v", e)
	}
	x.hub.CloseSession(x.handle(), hub.EndSignedOut)
	for e := activity.next(); e != (event{name: "bye", data: "signed-out"}); e = activity.next() {
		if e == (event{}) {
			t.Fatal("the stream ended without a word")
		}
	}
	late := x.listen("/stream?after=2") // its session was read before it ended
	if e := late.next(); e != (event{name: "bye", data: "signed-out"}) {
		t.Errorf("a stream of an ended session hears %+v", e)
	}
}

// handle is the public handle of the browser's session.
func (x *site) handle() string {
	x.Helper()
	list, err := x.store.Sessions(x.ctx, x.user.ID)
	if err != nil || len(list) != 1 {
		x.Fatalf("%d sessions, %v", len(list), err)
	}
	return list[0].ID
}

func TestShutdownEndsHundredsOfStreamsAtOnce(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	var open []*listener
	for i := range 200 {
		reader := x
		if i%3 == 0 {
			reader = &liveSite{x.as(fmt.Sprintf("reader%d@example.org", i)), x.hub, x.http}
		}
		l := reader.listen(fmt.Sprintf("/stream?tab=t%d.0", i))
		l.want("hello")
		open = append(open, l)
	}
	streams := x.hub.Stats().Open
	began := time.Now()
	if err := x.http.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	ended := 0
	for _, l := range open {
		for e := l.next(); e != (event{}); e = l.next() {
			if e.name == "ping" && e.retry != "" {
				ended++
			}
		}
	}
	if took := time.Since(began); took > 20*time.Second { // the machine may be busy; without RegisterOnShutdown it never ends
		t.Errorf("the shutdown took %v", took)
	}
	if ended != streams {
		t.Errorf("%d of %d streams were told when to come back", ended, streams)
	}
}

func TestFilteredStreamTellsWhatNoLongerMatches(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusWorking})
	l := x.listen("/stream?after=1&status=working")
	l.want("hello")
	x.news(worklog.Draft{Title: "other", Status: worklog.StatusWorking})
	if e := l.log(); e.id != "2" || strings.Contains(e.data, "data-gone") {
		t.Errorf("what matches: %+v", e)
	}
	x.news(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusSuccess})
	if e := l.log(); e.id != "3" || !strings.Contains(e.data, "data-gone") || strings.Contains(e.data, "npm test") {
		t.Errorf("what matches no longer: %+v", e)
	}
}

func TestConversationPageHearsItsTotals(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "c")...)
	l := x.listen("/conversations/" + x.conversation("c") + "/stream?after=1")
	l.want("hello")
	x.news(worklog.Draft{Title: "running", Conversation: "c", Status: worklog.StatusWorking})
	l.want("log")
	if e := l.want("stats"); e.id != "" || !strings.Contains(e.data, `id="log-facts"`) || !strings.Contains(e.data, "2 steps") || !strings.Contains(e.data, "1 running") {
		t.Errorf("%+v", e)
	}
}

func fragmentOf(t *testing.T, text string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestConversationPageHearsItsTitleWhenThatIsAnotherOne(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "c")...)
	l := x.listen("/conversations/" + x.conversation("c") + "/stream?after=1")
	l.want("hello")
	x.news(worklog.Draft{Title: "prompt", Conversation: "c", ConversationTitle: "Mend <the> \"build\""})
	l.want("log")
	doc := fragmentOf(t, l.want("stats").data)
	if title := texts(doc, "#log-title[hx-swap-oob]"); !slices.Equal(title, []string{`Mend <the> "build"`}) || attr(doc, "#log-title", "data-title") != title[0]+" · Worklog" {
		t.Errorf("the title is %q, the tab's %q", title, attr(doc, "#log-title", "data-title"))
	}
	l.want("threads")
	x.news(worklog.Draft{Title: "step", Conversation: "c"})
	l.want("log")
	if doc = fragmentOf(t, l.want("stats").data); texts(doc, "#log-title") != nil || texts(doc, "#log-facts") == nil {
		t.Error("the title is told again, or the facts are not")
	}
}

func TestTotalsAreAskedForOncePerNews(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "c")...)
	c, before := readConversation{x.user.ID, x.conversation("c")}, time.Now()
	totals := atOnce(x.server.newTotals())
	if first := answer(t, totals, c, before); first.EntryCount != 1 {
		t.Fatalf("%+v", first)
	}
	x.write(worklog.Draft{Title: "more", Conversation: "c"})
	if again := answer(t, totals, c, before); again.EntryCount != 1 {
		t.Errorf("for the same news it asked again: %d", again.EntryCount)
	}
	if later := answer(t, totals, c, time.Now()); later.EntryCount != 2 {
		t.Errorf("after more news it says %d", later.EntryCount)
	}
}

func TestTabNamesAreOursOrNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query string
		id    string
		gen   int
	}{
		{"tab=abc-123.7", "abc-123", 7}, {"tab=abc.0", "abc", 0}, {"", "", 0}, {"tab=abc", "", 0}, {"tab=.1", "", 0}, {"tab=a.-1", "", 0}, {"tab=a%0ab.1", "", 0},
		{"tab=" + strings.Repeat("a", 65) + ".1", "", 0}, {"tab=a.99999999999999999999", "", 0},
	} {
		r := httptest.NewRequest(http.MethodGet, "/stream?"+tt.query, nil)
		if p, _ := parsePlace(r, "e"); p.tab != tt.id || p.generation != tt.gen {
			t.Errorf("%q is read as %q generation %d", tt.query, p.tab, p.generation)
		}
	}
	if a, b := rememberlessTab(), rememberlessTab(); a == b || !slices.Contains([]string{a[:10]}, "anonymous-") {
		t.Errorf("pages without a name are called %q and %q", a, b)
	}
}
