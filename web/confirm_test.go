package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"

	"github.com/worklogdev/worklog/internal/account"
)

// without is an account without a password, and a browser in which it signed in a while ago.
func (g *gate) without(email string) *browser {
	g.Helper()
	u, err := g.store.CreateUser(g.Context(), email, "", true)
	if err != nil {
		g.Fatal(err)
	}
	b := g.signedIn(u)
	g.clock.advance(recentLogin + time.Second)
	return b
}

func TestAnAccountWithoutAPasswordIsToldWhatToDo(t *testing.T) {
	g := newGate(t)
	b := g.without("ann@example.org")
	page := b.get("/settings/confirm?next=/admin/users/new").Body.String()
	if !strings.Contains(page, "worklog user link ann@example.org") || strings.Contains(page, `type="password"`) || strings.Contains(page, `action="/settings/confirm"`) {
		t.Errorf("the page: %.900s", page)
	}
	g.want("a click", b.post("/settings/confirm", "next", "/admin/users/new"), http.StatusUnauthorized)
	g.want("still not", b.get("/admin/users/new"), http.StatusSeeOther, "/settings/confirm?next=%2Fadmin%2Fusers%2Fnew")
}

func TestOnlyTheDemosOwnAccountConfirmsWithAClick(t *testing.T) {
	g := newGate(t, func(d *Deps) { d.Demo = true })
	demo, other := g.without(account.DemoEmail), g.without("ann@example.org")
	g.clock.advance(recentLogin)
	if page := demo.get("/settings/confirm?next=/admin/users/new").Body.String(); strings.Contains(page, `type="password"`) || !strings.Contains(page, `action="/settings/confirm"`) {
		t.Errorf("the page: %.900s", page)
	}
	g.want("the demo's account", demo.post("/settings/confirm", "next", "/admin/users/new"), http.StatusSeeOther, "/admin/users/new")
	g.want("and on", demo.get("/admin/users/new"), http.StatusOK)
	g.want("another account", other.post("/settings/confirm", "next", "/admin/users/new"), http.StatusUnauthorized)
	g.user("bob@example.org", false)
	g.exec("UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email = 'bob@example.org')")
	g.clock.advance(recentLogin + time.Second)
	g.want("once it has a password", demo.post("/settings/confirm", "next", "/admin/users/new"), http.StatusUnauthorized)
}

// keptForm is what the form of the page that asks for the password would send, as a browser without scripts does.
func (g *gate) keptForm(w *httptest.ResponseRecorder, typed string) url.Values {
	g.Helper()
	doc, values := parse(g, w), url.Values{}
	for _, n := range cascadia.QueryAll(doc, cascadia.MustCompile(`form[action="/settings/confirm"] input[name]`)) {
		values.Add(attrOf(n, "name"), attrOf(n, "value"))
	}
	if !values.Has("password") {
		g.Fatalf("the page does not ask for the password: %d %s", w.Code, w.Header().Get("Location"))
	}
	values.Set("password", typed)
	return values
}

// again sends a form once more where an answer sends it, with the same method and the same body, as browsers do.
func (b *browser) again(w *httptest.ResponseRecorder, form url.Values) *httptest.ResponseRecorder {
	b.g.Helper()
	if w.Code != http.StatusTemporaryRedirect {
		b.g.Fatalf("the form is not sent on: %d %q\n%.300s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return b.do(http.MethodPost, w.Header().Get("Location"), form)
}

func TestWhatWasAskedForIsDoneAfterTheConfirmation(t *testing.T) {
	for name, make := range recipes() {
		if make == nil || name == "POST /admin/users/:id/read/end" { // giving back needs nothing
			continue
		}
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			path, form := make(o)
			before := o.lines()
			o.clock.advance(recentLogin + time.Second)
			asked := o.admin.post(path, form...)
			o.want("asking", asked, http.StatusOK)
			wrong := o.admin.do(http.MethodPost, "/settings/confirm", o.keptForm(asked, "not the password"))
			o.want("a wrong password", wrong, http.StatusUnauthorized)
			kept := o.keptForm(wrong, password)
			done := o.admin.again(o.admin.do(http.MethodPost, "/settings/confirm", kept), kept)
			if done.Code >= 400 || strings.HasPrefix(done.Header().Get("Location"), "/settings/confirm") {
				t.Errorf("%d %q\n%.300s", done.Code, done.Header().Get("Location"), done.Body)
			}
			if after := o.lines(); after == before {
				t.Error("it was not done")
			}
		})
	}
}

func TestATokenIsMadeAsItWasAskedForAfterTheConfirmation(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("ada@example.org", false))
	g.clock.advance(recentLogin + time.Second)
	typed := url.Values{"name": {`a "<name>"`}, "scope": {"read", "write"}, "limit": {"7"}, "password": {"typed elsewhere"}, "current": {"typed elsewhere"}}
	asked := b.do(http.MethodPost, "/settings/tokens", typed)
	if strings.Contains(asked.Body.String(), "typed elsewhere") {
		t.Error("a password is on the page")
	}
	kept := g.keptForm(asked, password)
	if !slices.Equal(kept["scope"], typed["scope"]) {
		t.Errorf("the rights that are kept: %q", kept["scope"])
	}
	g.want("making it", b.again(b.do(http.MethodPost, "/settings/confirm", kept), kept), http.StatusOK)
	if got := g.query("SELECT name || rate_limit || scopes::text FROM tokens"); got != `a "<name>"7{read,write}` {
		t.Errorf("made %s", got)
	}
}

func TestNothingElseIsDoneAfterAConfirmation(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("ada@example.org", true))
	for _, action := range []string{
		"https://evil.example/admin/retention/run", "//evil.example/admin/retention/run", `/\evil.example/`, "/admin/retention/run?x=1", "/admin/retention/run#x", "admin/retention/run",
		"/logout", "/settings/tokens/new", "/settings/confirm", "/nowhere", "/admin/users/1", "/admin/../admin/retention/run", "/admin/users/%2e%2e/link", "javascript:alert(1)",
	} {
		w := b.post("/settings/confirm", "password", password, "next", "/admin", "action", action)
		g.want(action, w, http.StatusBadRequest)
		if location := w.Header().Get("Location"); location != "" {
			t.Errorf("%s leads to %s", action, location)
		}
	}
	if page := b.get("/settings/confirm?next=/admin&action=/admin/retention/run").Body.String(); strings.Contains(page, "retention/run\"/>") {
		t.Error("a link can say what is done after the password")
	}
	g.clock.advance(recentLogin + time.Second)
	g.want("a form that is too long", b.post("/admin/users", "email", strings.Repeat("x", maxKeptBytes)), http.StatusRequestEntityTooLarge)
	g.want("a form of too many fields", b.do(http.MethodPost, "/settings/tokens", url.Values{"scope": make([]string, maxKept+1)}), http.StatusRequestEntityTooLarge)
}
