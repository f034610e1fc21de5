package web

import (
	"bufio"
	"context"
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
