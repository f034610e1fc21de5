package web

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
)

// S-09: a cookie that somebody else planted is worth nothing after the login.
func TestSigningInMakesANewSession_S09(t *testing.T) {
	g := newGate(t)
	g.user("ada@example.org", false)
	b := g.browser()
	b.cookies["worklog_session"] = "attacker"
	g.want("login", b.login("ada@example.org", password), http.StatusSeeOther, "/")
	first := b.session()
	if first == "attacker" || first == "" {
		t.Fatalf("session %q", first)
	}
	g.want("signed in", b.get("/settings"), http.StatusOK)
	g.want("again", b.login("Ada@Example.ORG ", password), http.StatusSeeOther, "/")
	if b.session() == first {
		t.Error("a second login keeps the session's cookie")
	}
	planted := g.browser()
	planted.cookies["worklog_session"] = "attacker"
	g.want("the planted cookie", planted.get("/settings"), http.StatusSeeOther, "/login?next=%2Fsettings")
	planted.cookies["worklog_session"] = first
	g.want("the replaced cookie", planted.get("/settings"), http.StatusSeeOther, "/login?next=%2Fsettings")
	g.want("the login page of a user who is signed in", b.get("/login?next=/settings"), http.StatusSeeOther, "/settings")
}

func TestSigningOutDeletesTheSession(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	b := g.signedIn(u)
	old := b.session()
	g.want("logout", b.post("/logout"), http.StatusSeeOther, "/login")
	if b.session() != "" || g.query("SELECT count(*) FROM sessions") != "0" {
		t.Error("the session is still there")
	}
	b.cookies["worklog_session"] = old
	g.want("the old cookie", b.get("/settings"), http.StatusSeeOther)
	g.want("the old cookie at the API", b.get("/api/v1/stats"), http.StatusUnauthorized)
	g.want("logout of nobody", g.browser().post("/logout"), http.StatusSeeOther, "/login")
}

func TestAUsedSessionEndsAtItsDeadline(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("ada@example.org", false))
	for day := range 29 {
		g.clock.advance(24 * time.Hour)
		if w := b.get("/settings"); w.Code != http.StatusOK {
			t.Fatalf("day %d: %d", day+1, w.Code)
		}
	}
	g.clock.advance(25 * time.Hour)
	g.want("after SESSION_LIFETIME", b.get("/settings"), http.StatusSeeOther)
}

func TestAnUnusedSessionEndsBeforeItsDeadline(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	b, polled := g.signedIn(u), g.signedIn(u)
	g.want("at first", b.get("/settings"), http.StatusOK)
	g.clock.advance(sessionIdle / 2)
	g.server.mount(at(http.MethodGet, "/test/changes", signedIn(), func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }))
	g.want("a page that polls by itself", polled.get("/test/changes"), http.StatusNoContent)
	g.want("a page that is looked at", b.get("/settings"), http.StatusOK)
	g.clock.advance(sessionIdle/2 + time.Minute)
	g.want("polling kept it alive", polled.get("/settings"), http.StatusSeeOther)
	g.want("looking did not", b.get("/settings"), http.StatusOK)
}

// S-10: nobody learns who has an account.
func TestFailedLoginsLookTheSame_S10(t *testing.T) {
	g := newGate(t)
	g.user("ada@example.org", false)
	gone := g.user("gone@example.org", false)
	if err := g.store.DisableUser(t.Context(), gone.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := g.store.CreateUser(t.Context(), "invited@example.org", "", false); err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{}
	for name, email := range map[string]string{
		"wrong password": "ada@example.org", "unknown": "nobody@example.org", "disabled": "gone@example.org", "invited": "invited@example.org", "no address": "ada",
	} {
		secret := "not the password"
		if name == "disabled" {
			secret = password
		}
		b := g.browser()
		w := b.login(email, secret)
		g.want(name, w, http.StatusUnauthorized)
		if b.session() != "" {
			t.Errorf("%s: signed in", name)
		}
		bodies[strings.ReplaceAll(w.Body.String(), email, "EMAIL")] += name + " "
	}
	if len(bodies) != 1 {
		t.Errorf("%d different answers: %v", len(bodies), bodies)
	}
}

// S-10: the eleventh guess waits, and so does a right one, wherever its form was.
func TestGuessingWaits(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	b := g.browser()
	for i := range 10 {
		if w := b.login("ada@example.org", fmt.Sprintf("guess %d", i)); w.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i+1, w.Code)
		}
	}
	w := b.login("ada@example.org", password)
	g.want("the eleventh", w, http.StatusTooManyRequests)
	if w.Header().Get("Retry-After") == "" || b.session() != "" {
		t.Errorf("Retry-After %q, session %q", w.Header().Get("Retry-After"), b.session())
	}
	g.want("confirming is guessing too", g.signedIn(u).post("/settings/confirm", "password", password), http.StatusTooManyRequests)
	elsewhere := g.browser()
	elsewhere.remote = "198.51.100.9:1"
	g.want("she herself, elsewhere", elsewhere.login("ada@example.org", password), http.StatusSeeOther)
	g.clock.advance(15 * time.Minute)
	g.want("15 minutes later", b.login("ada@example.org", password), http.StatusSeeOther)
}

// S-12
func TestNextLeadsToOwnPagesOnly_S12(t *testing.T) {
	g := newGate(t)
	for next, want := range map[string]string{
		"/conversations?q=a%20b#x": "/conversations?q=a%20b#x", "/logs/1": "/logs/1", "/?q=//x": "/?q=//x",
		"": "/", "//evil": "/", `/\evil`: "/", `\\evil`: "/", "/%09/evil": "/", "https://evil": "/", "/%0d%0aSet-Cookie:x": "/", "javascript:alert(1)": "/",
		"/%5cevil": "/", "/%2fevil": "/", "/\tevil": "/", "evil": "/", "///evil": "/", "/\x00": "/", "http:evil": "/", "//user@evil/": "/",
		"/" + strings.Repeat("a", maxNext): "/", "/%zz": "/", "/\u2028": "/\u2028",
	} {
		if got := safeNext(next); got != want {
			t.Errorf("safeNext(%q) = %q, want %q", next, got, want)
		}
	}
	g.user("ada@example.org", false)
	g.want("login", g.browser().post("/login", "email", "ada@example.org", "password", password, "next", "//evil.example"), http.StatusSeeOther, "/")
	g.want("theme", g.browser().post("/theme", "theme", "dark", "next", `/\evil.example`), http.StatusSeeOther, "/")
	b := g.browser()
	g.want("a good one", b.post("/login", "email", "ada@example.org", "password", password, "next", "/conversations"), http.StatusSeeOther, "/conversations")
	g.want("a user who is signed in", b.get("/login?next=//evil"), http.StatusSeeOther, "/")
}

func TestAThemeIsKeptByTheBrowser(t *testing.T) {
	g := newGate(t)
	b := g.browser()
	g.want("dark", b.post("/theme", "theme", "dark", "next", "/login"), http.StatusSeeOther, "/login")
	if w := b.get("/login"); !strings.Contains(w.Body.String(), `data-theme="dark"`) {
		t.Error("the page is not dark")
	}
	b.post("/theme", "theme", "system")
	if w := b.get("/login"); strings.Contains(w.Body.String(), "data-theme=") {
		t.Error("the page does not follow the system")
	}
	b.cookies["worklog_theme"] = "purple"
	if w := b.get("/login"); strings.Contains(w.Body.String(), "data-theme=") {
		t.Error("an unknown theme is shown")
	}
}

// S-26: the first admin, once.
func TestTheSetupLinkMakesOneAdmin_S26(t *testing.T) {
	g := newGate(t)
	old, link := g.link(account.LinkSetup, 0), g.link(account.LinkSetup, 0)
	g.want("an older link", g.browser().get(old), http.StatusNotFound)
	for range 3 { // a mail scanner, a preview, the human
		g.want("looking", g.browser().get(link), http.StatusOK)
	}
	for name, form := range map[string][]string{
		"no e-mail":         {"email", "", "password", password},
		"no address":        {"email", "ada", "password", password},
		"14 characters":     {"email", "ada@example.org", "password", "vQ8#kd!mzp2&Lw"},
		"2 KiB":             {"email", "ada@example.org", "password", strings.Repeat("vQ8#kd!m", 256)},
		"known from a leak": {"email", "ada@example.org", "password", "passwordpassword"},
	} {
		w := g.browser().post(link, form...)
		g.want(name, w, http.StatusUnprocessableEntity)
		if !strings.Contains(w.Body.String(), `role="alert"`) || strings.Contains(w.Body.String(), form[3]) && form[3] != "" {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
	var all sync.WaitGroup
	codes := make([]int, 6)
	browsers := make([]*browser, len(codes))
	for i := range codes {
		browsers[i] = g.browser()
		all.Go(func() {
			for codes[i] = http.StatusServiceUnavailable; codes[i] == http.StatusServiceUnavailable && t.Context().Err() == nil; { // hashing queues; who waited too long is to try again
				codes[i] = browsers[i].post(link, "email", fmt.Sprintf("admin%d@example.org", i), "password", password).Code
			}
		})
	}
	all.Wait()
	won := 0
	for i, code := range codes {
		switch code {
		case http.StatusSeeOther:
			won++
			g.want("the admin", browsers[i].get("/metrics"), http.StatusNotFound) // admitted; there are none here
		case http.StatusNotFound:
		default:
			t.Errorf("caller %d: %d", i, code)
		}
	}
	if n := g.query("SELECT count(*) || ' ' || count(*) FILTER (WHERE admin) FROM users"); won != 1 || n != "1 1" {
		t.Errorf("%d were let in, users and admins: %s", won, n)
	}
	g.want("the link afterwards", g.browser().get(link), http.StatusNotFound)
	g.want("and posting to it", g.browser().post(link, "email", "x@example.org", "password", password), http.StatusNotFound)
	g.want("another setup link", g.browser().post(g.link(account.LinkSetup, 0), "email", "x@example.org", "password", password), http.StatusNotFound)
}

func TestInvitationsAndResetsSetAPassword(t *testing.T) {
	g := newGate(t)
	invited, err := g.store.CreateUser(t.Context(), "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	thief := g.signedIn(invited)
	for i, kind := range []account.LinkKind{account.LinkInvite, account.LinkReset} {
		link, secret := g.link(kind, invited.ID), fmt.Sprintf("zwölf grüne Äpfel %d", i)
		w := g.browser().get(link)
		if !strings.Contains(w.Body.String(), "bob@example.org") {
			t.Errorf("%s: the page does not say whose password it is", kind)
		}
		b := g.browser()
		g.want("entering", b.post(link, "email", "mallory@example.org", "password", secret), http.StatusSeeOther, "/")
		g.want("signed in", b.get("/settings"), http.StatusOK)
		g.want("twice", g.browser().post(link, "password", secret), http.StatusNotFound)
		g.want("login", g.browser().login("bob@example.org", secret), http.StatusSeeOther)
	}
	g.want("sessions of before", thief.get("/settings"), http.StatusSeeOther)
	if g.query("SELECT count(*) FROM users") != "1" {
		t.Error("the form's e-mail made a user")
	}
	link := g.link(account.LinkReset, invited.ID)
	if err := g.store.DisableUser(t.Context(), invited.ID, true); err != nil {
		t.Fatal(err)
	}
	g.want("a disabled user's link", g.browser().get(link), http.StatusNotFound)
}

func TestTheDemoLinkSignsInWithOneClick(t *testing.T) {
	g := newGate(t)
	demo, err := g.store.CreateUser(t.Context(), "demo@localhost", "", false)
	if err != nil {
		t.Fatal(err)
	}
	link, b := g.link(account.LinkDemo, demo.ID), g.browser()
	g.want("looking", b.get(link), http.StatusOK)
	g.want("clicking", b.do(http.MethodPost, link, nil), http.StatusSeeOther, "/")
	g.want("inside", b.get("/settings"), http.StatusOK)
	g.want("once", g.browser().do(http.MethodPost, link, nil), http.StatusNotFound)
}

func TestAPasswordChangeEndsEveryOtherSession(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	b, other := g.signedIn(u), g.signedIn(u)
	old := b.session()
	const fresh = "zwölf grüne Äpfel"
	g.want("wrong present password", b.post("/settings/password", "current", "wrong", "password", fresh), http.StatusUnauthorized)
	g.want("weak new password", b.post("/settings/password", "current", password, "password", "short"), http.StatusUnprocessableEntity)
	g.want("other session so far", other.get("/settings"), http.StatusOK)
	g.want("changed", b.post("/settings/password", "current", password, "password", fresh), http.StatusSeeOther, "/settings?saved=password")
	g.want("this session", b.get("/settings?saved=password"), http.StatusOK)
	g.want("the other session", other.get("/settings"), http.StatusSeeOther)
	if b.session() == old {
		t.Error("the cookie did not change")
	}
	g.want("old password", g.browser().login("ada@example.org", password), http.StatusUnauthorized)
	g.want("new password", g.browser().login("ada@example.org", fresh), http.StatusSeeOther)
}

func TestAUserEndsOwnSessionsOnly(t *testing.T) {
	g := newGate(t)
	ada, bob := g.user("ada@example.org", false), g.user("bob@example.org", false)
	one, two, three, foreign := g.signedIn(ada), g.signedIn(ada), g.signedIn(ada), g.signedIn(bob)
	list := one.get("/settings/sessions")
	ids := regexp.MustCompile(`/settings/sessions/([0-9a-f-]{36})/end`).FindAllStringSubmatch(list.Body.String(), -1)
	if len(ids) != 3 || !strings.Contains(list.Body.String(), "this one") {
		t.Fatalf("%d sessions listed: %s", len(ids), list.Body)
	}
	for _, id := range ids {
		g.want("somebody else", foreign.post("/settings/sessions/"+id[1]+"/end"), http.StatusSeeOther)
	}
	g.want("still there", two.get("/settings"), http.StatusOK)
	g.want("end others", one.post("/settings/sessions/end-others"), http.StatusSeeOther, "/settings/sessions")
	g.want("this one", one.get("/settings"), http.StatusOK)
	g.want("the second", two.get("/settings"), http.StatusSeeOther)
	g.want("the third", three.get("/settings"), http.StatusSeeOther)
	g.want("bob's", foreign.get("/settings"), http.StatusOK)
}
