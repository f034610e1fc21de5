package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
)

// during runs sql in a transaction that is open while request runs, and commits it when the request waits for it or is
// done: what the request has read before is out of date when it writes.
func (g *gate) during(sql string, request func() *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	g.Helper()
	conn, err := pgx.Connect(g.Context(), g.dsn)
	if err != nil {
		g.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	tx, err := conn.Begin(g.Context())
	if err == nil {
		_, err = tx.Exec(g.Context(), sql)
	}
	if err != nil {
		g.Fatal(err)
	}
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- request() }()
	for {
		select {
		case w := <-answer:
			if err := tx.Commit(g.Context()); err != nil {
				g.Fatal(err)
			}
			return w
		case <-time.After(10 * time.Millisecond):
		}
		if g.query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") != "0" {
			break
		}
	}
	if err := tx.Commit(g.Context()); err != nil {
		g.Fatal(err)
	}
	return <-answer
}

const (
	otherPassword = "UPDATE users SET password_hash = 'other'"
	disabled      = "UPDATE users SET disabled_at = now()"
)

func TestALoginInFlightDoesNotOutliveThePassword(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	_, hash, err := g.store.UserByID(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]string{"another password": otherPassword, "disabled": disabled} {
		b := g.browser()
		w := g.during(change, func() *httptest.ResponseRecorder { return b.login("ada@example.org", password) })
		g.want(name, w, http.StatusUnauthorized)
		if n := g.query("SELECT count(*) FROM sessions"); n != "0" || b.session() != "" {
			t.Errorf("%s: %s sessions, cookie %q", name, n, b.session())
		}
		g.exec("UPDATE users SET disabled_at = NULL, password_hash = '" + hash + "'")
	}
	g.want("the password of before", g.browser().login("ada@example.org", password), http.StatusSeeOther)
}

func TestAPasswordChangeInFlightDoesNotUndoAReset(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("ada@example.org", false))
	w := g.during(otherPassword, func() *httptest.ResponseRecorder {
		return b.post("/settings/password", "current", password, "password", "zwölf grüne Äpfel")
	})
	g.want("changed meanwhile", w, http.StatusUnauthorized)
	if hash := g.query("SELECT password_hash FROM users"); hash != "other" {
		t.Errorf("the reset is undone: %s", hash)
	}
}

func TestALinkInFlightDoesNotLetADisabledUserIn(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	for _, kind := range []account.LinkKind{account.LinkReset, account.LinkDemo} {
		link, b := g.link(kind, u.ID), g.browser()
		w := g.during(disabled, func() *httptest.ResponseRecorder { return b.post(link, "password", "zwölf grüne Äpfel") })
		g.want(string(kind), w, http.StatusNotFound)
		if b.session() != "" || g.query("SELECT count(*) FROM sessions") != "0" {
			t.Errorf("%s: a disabled user is signed in", kind)
		}
		g.exec("UPDATE users SET disabled_at = NULL")
	}
}

func TestADemoLinkOpensAnAccountThatHasAPassword(t *testing.T) {
	g := newGate(t)
	u, b := g.user(account.DemoEmail, false), g.browser()
	g.want("clicking", b.do(http.MethodPost, g.link(account.LinkDemo, u.ID), nil), http.StatusSeeOther, "/")
	g.want("inside", b.get("/settings"), http.StatusOK)
}
