package web

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store"
)

// openStream opens a stream over a real connection and returns its lines once it says hello.
func (b *browser) openStream(server *httptest.Server, path string) <-chan string {
	b.g.Helper()
	ctx, cancel := context.WithCancel(b.g.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		b.g.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: b.g.server.sessions.Cookie.Name, Value: b.session()})
	resp, err := server.Client().Do(r)
	if err != nil {
		b.g.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Set-Cookie") != "" {
		b.g.Fatalf("stream: %s %v", resp.Status, resp.Header)
	}
	lines, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	b.g.Cleanup(func() { cancel(); _ = resp.Body.Close(); <-done })
	return lines
}

// wantBye fails unless the stream ends with bye.
func (g *gate) wantBye(what string, lines <-chan string, reason string) {
	g.Helper()
	var seen []string
	deadline := time.After(patience)
	for {
		select {
		case line, open := <-lines:
			if open {
				seen = append(seen, line)
				continue
			}
			if text := strings.Join(seen, "\n"); !strings.Contains(text, "event: bye") || !strings.Contains(text, "data: "+reason) {
				g.Errorf("%s: the stream ended with\n%s", what, text)
			}
		case <-deadline:
			g.Errorf("%s: still open after %v\n%s", what, patience, strings.Join(seen, "\n"))
		}
		return
	}
}

// S-09: whoever is out sees nothing more, in the tabs that are open as well.
func TestOpenStreamsEndWithTheirSession(t *testing.T) {
	g := newGate(t)
	g.listen()
	server := httptest.NewServer(g.server.Handler())
	t.Cleanup(server.Close)
	elsewhere, err := store.Open(t.Context(), g.dsn, g.server.log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(elsewhere.Close)
	for name, out := range map[string]func(b *browser, session string, user int64) error{
		"signing out": func(b *browser, _ string, _ int64) error { b.post("/logout"); return nil },
		"a new password": func(b *browser, _ string, _ int64) error {
			b.post("/settings/password", "current", password, "password", "zwölf grüne Äpfel")
			return nil
		},
		"signing in anew": func(b *browser, _ string, _ int64) error {
			b.login("signing.in.anew@example.org", password)
			return nil
		},
		"ended in another place": func(_ *browser, session string, user int64) error {
			return elsewhere.EndSession(context.Background(), user, session)
		},
		"disabled by an admin": func(_ *browser, _ string, user int64) error {
			return elsewhere.DisableUser(context.Background(), user, true)
		},
	} {
		u := g.user(strings.ReplaceAll(name, " ", ".")+"@example.org", false)
		b, other := g.signedIn(u), g.signedIn(g.user("other."+strings.ReplaceAll(name, " ", ".")+"@example.org", false))
		lines, others := b.openStream(server, "/stream"), other.openStream(server, "/stream")
		list, err := g.store.Sessions(t.Context(), u.ID)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d sessions, %v", len(list), err)
		}
		if err := out(b, list[0].ID, u.ID); err != nil {
			t.Fatal(err)
		}
		g.wantBye(name, lines, "signed-out")
		select {
		case _, open := <-others:
			for open && len(others) > 0 {
				_, open = <-others
			}
			if !open {
				t.Errorf("%s: somebody else's stream ended", name)
			}
		default:
		}
	}
}

// S-08, S-20: a stream is refused across sites, and tells a stranger's page why it ends.
func TestStreamsOfStrangersEndInWords(t *testing.T) {
	g := newGate(t)
	w := g.browser().get("/stream")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "event: bye\n") || !strings.Contains(w.Body.String(), "signed-out") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, header := range []string{"Content-Security-Policy", "X-Content-Type-Options"} {
		if w.Header().Get(header) == "" {
			t.Errorf("the stream has no %s", header)
		}
	}
	b := g.signedIn(g.user("ada@example.org", false))
	for _, path := range []string{"/stream", "/api/v1/stream"} {
		for _, site := range []string{"cross-site", "same-site"} {
			g.want(path+" "+site, b.get(path, "Sec-Fetch-Site", site), http.StatusForbidden)
		}
	}
}

// A page stays open while somebody else signs in in the same browser. What it asks then must not be answered with what
// belongs to the other.
func TestPageOfAnotherUserIsToldThatItsUserIsSignedOut(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	grace := &liveSite{x.as("grace@example.org"), x.hub, x.http}
	grace.write(numbered(feedLimit+2, "hers")...)
	hers, ada := grace.conversation("hers"), fmt.Sprint(x.user.ID)
	for _, path := range []string{
		"/stream?after=1", "/unfiled/stream?after=1", "/conversations/all/stream", "/conversations/" + hers + "/stream?after=1", "/admin/stream", "/settings/connect/codex/stream",
	} {
		sep := "?"
		if strings.Contains(path, sep) {
			sep = "&"
		}
		l := grace.listen(path + sep + "user=" + ada)
		if e := l.next(); l.res.StatusCode != http.StatusOK || e != (event{name: "bye", data: "signed-out"}) {
			t.Errorf("%s: %d %+v", path, l.res.StatusCode, e)
		}
		l.ended()
	}
	for _, path := range []string{
		"/changes?after=1", "/unfiled/changes?after=1", "/conversations/all/changes", "/conversations/" + hers + "/changes?after=1", "/conversations/changes", "/", "/?before=50", "/admin/changes",
	} {
		for _, of := range []string{ada, "x"} {
			if w := grace.ask(http.MethodGet, path, nil, "Worklog-User", of); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "step 0") {
				t.Errorf("%s of the page of %s: %d %s", path, of, w.Code, w.Body)
			}
		}
	}
	if n := x.hub.Stats().Opened; n != 0 {
		t.Errorf("%d tabs were opened", n)
	}
}

func TestPageSaysWhoseItIsInWhateverItAsks(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(feedLimit+2, "c")...)
	doc, ada := x.see("/"), fmt.Sprint(x.user.ID)
	if got := attr(doc, "body", "data-user"); got != ada {
		t.Errorf("the page is of %q", got)
	}
	x.listen("/stream?after=1&user=" + ada).want("hello")
	for _, path := range []string{"/changes?after=1", "/?before=50", "/conversations/changes"} {
		if w := x.ask(http.MethodGet, path, nil, "Worklog-User", ada); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if login := x.ask(http.MethodGet, "/login", nil, "Cookie", ""); strings.Contains(login.Body.String(), "data-user") {
		t.Error("a page of nobody is somebody's")
	}
}
