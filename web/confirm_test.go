package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

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
