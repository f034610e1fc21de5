// Package livetest proves the live path in a real browser against the real program: whatever happens on the way, an
// open page ends up showing what a fresh page shows.
package livetest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// atOnce is how many of these tests run at the same time: most of what they do is waiting.
const atOnce = "6"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil { // what the command line says comes later, and wins
		panic(err)
	}
	apptest.Main(m)
}

// planned is what a browser writes to its console when a stream ends or a server is away: every drop, also the harmless
// ones, and a failed question of a page that polls.
func planned() []string {
	return []string{"ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE", "ERR_NETWORK", "ERR_SOCKET", "503", "htmx:responseError", "htmx:sendError", "htmx:afterRequest"}
}

// site is a running program with one user, and what stands between it and the browser.
type site struct {
	*apptest.App
	t      *testing.T
	client *worklog.Client
	http   *http.Client
	proxy  *proxy
}

// newSite is the package's program, for a user of the test's own. With settings (name, value) it is one of the test's
// own, see newOwnSite.
func newSite(t *testing.T, env ...string) *site {
	t.Helper()
	if len(env) > 0 {
		return newOwnSite(t, env...)
	}
	return siteOf(t, apptest.Shared(t))
}

// newOwnSite starts a program, without a limit and with the given settings, for a test that ends it or changes it.
func newOwnSite(t *testing.T, env ...string) *site {
	t.Helper()
	options := []apptest.Option{apptest.WithEnv("WORKLOG_RATE_LIMIT", "1000000")}
	for i := 0; i+1 < len(env); i += 2 {
		options = append(options, apptest.WithEnv(env[i], env[i+1]))
	}
	return siteOf(t, apptest.Start(t, options...))
}

func siteOf(t *testing.T, app *apptest.App) *site {
	t.Helper()
	s := &site{App: app, t: t, client: app.Client(), http: app.Login(apptest.Email)}
	s.proxy = newProxy(t, app.URL)
	return s
}

// write appends entries in one request and returns their ids.
func (s *site) write(drafts ...worklog.Draft) []string {
	s.t.Helper()
	receipts, err := s.client.Append(s.t.Context(), drafts...)
	if err != nil {
		s.t.Fatal(err)
	}
	ids := make([]string, len(receipts))
	for i, r := range receipts {
		if r.Entry == nil || r.Entry.ID == "" {
			s.t.Fatalf("draft %d became %+v", i, r)
		}
		ids[i] = r.Entry.ID
	}
	return ids
}

// numbered returns n drafts of a conversation with their numbers as titles.
func numbered(conversation string, first, n int) []worklog.Draft {
	drafts := make([]worklog.Draft, n)
	for i := range drafts {
		drafts[i] = worklog.Draft{Title: fmt.Sprintf("step %d", first+i), Conversation: conversation, Type: worklog.TypeToolCall, Status: worklog.StatusSuccess}
	}
	return drafts
}

// conversation returns the path of the page of the conversation with that key.
func (s *site) conversation(key string) string {
	s.t.Helper()
	page, err := s.client.Conversations(s.t.Context(), worklog.ConversationQuery{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range page.Conversations {
		if c.Key == key {
			return "/conversations/" + c.ID
		}
	}
	s.t.Fatalf("no conversation %q", key)
	return ""
}

// row is what a test compares of a row: everything that the server says about it.
type row struct {
	ID, Rev, Order, Status, Title string
	Open                          bool
}

func (r row) String() string { return fmt.Sprintf("%s@%s %s %q", r.Order, r.Rev, r.Status, r.Title) }

// fresh returns the rows of a page that is loaded now.
func (s *site) fresh(path string) []row {
	s.t.Helper()
	p := s.Get(s.http, path)
	if p.Status != http.StatusOK {
		s.t.Fatalf("GET %s: %d", path, p.Status)
	}
	var rows []row
	for _, n := range p.Find("#log-list > li") {
		r := row{ID: apptest.Attr(n, "id"), Rev: apptest.Attr(n, "data-rev"), Order: apptest.Attr(n, "data-order")}
		for _, class := range strings.Fields(apptest.Attr(n, "class")) {
			if status, ok := strings.CutPrefix(class, "s-"); ok {
				r.Status = status
			}
		}
		for d := range n.Descendants() {
			if slices.Contains(strings.Fields(apptest.Attr(d, "class")), "title") {
				r.Title = apptest.Text(d)
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// tab is an open page of the browser.
type tab struct {
	t    *testing.T
	s    *site
	ctx  context.Context
	path string
}

// open loads a page in a new browser of the user, past the proxy or through it, and waits until it is live.
func (s *site) open(base, path string) *tab {
	s.t.Helper()
	ctx := apptest.Browser(s.t, planned()...)
	s.SignIn(ctx, apptest.Email)
	return s.load(ctx, base, path)
}

// another loads a page in another tab of the same browser.
func (b *tab) another(path string) *tab {
	b.t.Helper()
	return b.s.load(b.ctxOfAnotherTab(), b.s.URL, path)
}

func (s *site) load(ctx context.Context, base, path string) *tab {
	s.t.Helper()
	b := &tab{t: s.t, s: s, ctx: ctx, path: path}
	if err := chromedp.Do(ctx, chromedp.Navigate(base+path)); err != nil {
		s.t.Fatalf("open %s: %v", path, err)
	}
	b.state("live")
	return b
}

// ctxOfAnotherTab is a tab of the same browser in which nothing is loaded yet.
func (b *tab) ctxOfAnotherTab() context.Context {
	b.t.Helper()
	return apptest.Tab(b.t, b.ctx, planned()...)
}

// eval runs a script in the page.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

func (b *tab) do(script string) {
	b.t.Helper()
	eval[bool](b, "(() => { "+script+"; return true })()")
}

// wait waits until an expression is true in the page. A page that is just being replaced has no answer yet.
func (b *tab) wait(claim, expression string) {
	b.t.Helper()
	script := "(() => { try { return Boolean(" + expression + ") } catch { return false } })()"
	apptest.Eventually(b.t, claim+": "+expression, func() bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](script))
		return err == nil && is
	})
}

// state waits until the badge says so.
func (b *tab) state(want string) {
	b.t.Helper()
	b.wait("the badge says "+want, fmt.Sprintf("document.getElementById('live-status')?.dataset.state === %q", want))
}

func (b *tab) rows() []row {
	b.t.Helper()
	rows, err := b.tryRows()
	if err != nil {
		b.t.Fatal(err)
	}
	return rows
}

// tryRows is rows of a page that may just be replaced.
func (b *tab) tryRows() (rows []row, err error) {
	const script = `JSON.stringify([...document.querySelectorAll('#log-list > li')].map((li) => ({
		ID: li.id, Rev: li.dataset.rev, Order: li.dataset.order, Status: li.className.match(/\bs-(\w+)/)?.[1] ?? '',
		Title: li.querySelector('.title').textContent.trim().replace(/\s+/g, ' '), Open: li.querySelector('details')?.open ?? false })))`
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		return nil, err
	}
	return rows, json.Unmarshal([]byte(text), &rows)
}

// equalsFresh waits until the page shows what a fresh page shows: no gap, no repetition, no other order.
func (b *tab) equalsFresh() {
	b.t.Helper()
	var got, want []row
	same := func() bool {
		var err error
		want = b.s.fresh(b.path)
		if got, err = b.tryRows(); err != nil {
			return false
		}
		for i := range got {
			got[i].Open = false
		}
		if len(got) > len(want) && len(want) == 100 { // a page begins with 100 entries, and keeps more
			if b.oldestFirst() {
				got = got[len(got)-len(want):]
			} else {
				got = got[:len(want)]
			}
		}
		return slices.Equal(got, want)
	}
	defer func() {
		if b.t.Failed() {
			b.t.Logf("the page shows %d rows: %v\nfresh: %d rows: %v", len(got), got, len(want), want)
		}
	}()
	apptest.Eventually(b.t, "the page equals a fresh one", same)
	ids := map[string]bool{}
	for _, r := range b.rows() {
		if ids[r.ID] {
			b.t.Errorf("row %s is shown twice", r.ID)
		}
		ids[r.ID] = true
	}
}

func (b *tab) oldestFirst() bool { return strings.HasPrefix(b.path, "/conversations/") }

// mode is what the proxy does to requests.
type mode int32

const (
	pass    mode = iota
	refuse       // answers 503, and cuts what is open
	swallow      // streams get no answer
	hold         // streams get their headers, and nothing else
	deny         // streams are answered 503
	hangUp       // streams get their headers, and end
)

// proxy stands between browser and program.
type proxy struct {
	url  string
	mode atomic.Int32
	cuts atomic.Pointer[context.CancelFunc]
	ctx  atomic.Pointer[context.Context]
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	p.cut()
	forward := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.Host = r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusServiceUnavailable) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, forward) }))
	t.Cleanup(func() {
		p.cut()
		server.Close()
	})
	p.url = server.URL
	return p
}

// set changes what the proxy does, and cuts what is open.
func (p *proxy) set(m mode) {
	p.mode.Store(int32(m))
	p.cut()
}

// cut ends every open connection of a stream.
func (p *proxy) cut() {
	ctx, cancel := context.WithCancel(context.Background())
	p.ctx.Store(&ctx)
	if old := p.cuts.Swap(&cancel); old != nil {
		(*old)()
	}
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	stream := strings.HasSuffix(r.URL.Path, "/stream")
	cut := *p.ctx.Load()
	switch m := mode(p.mode.Load()); {
	case m == refuse:
		w.WriteHeader(http.StatusServiceUnavailable)
	case stream && m == deny:
		w.WriteHeader(http.StatusServiceUnavailable)
	case stream && m != pass:
		if m == hold || m == hangUp {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
		}
		if m == hangUp {
			return
		}
		select {
		case <-r.Context().Done():
		case <-cut.Done():
		}
	case stream:
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(cut, cancel)()
		forward.ServeHTTP(w, r.WithContext(ctx))
	default:
		forward.ServeHTTP(w, r)
	}
}
