package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// hanging sends all of a body but its last byte, so that the handler has been let in and waits for the rest.
func (b *browser) hanging(path, kind, body string, headers ...string) (finish func() *httptest.ResponseRecorder) {
	r, w := io.Pipe()
	req := httptest.NewRequestWithContext(b.g.Context(), http.MethodPost, path, r)
	req.Host, req.RemoteAddr = b.host, b.remote
	req.Header.Set("Content-Type", kind)
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- b.send(req, headers...) }()
	if _, err := io.WriteString(w, body[:len(body)-1]); err != nil {
		b.g.Fatal(err)
	}
	return func() *httptest.ResponseRecorder {
		_, _ = io.WriteString(w, body[len(body)-1:])
		_ = w.Close()
		return <-answer
	}
}

func (b *browser) hangingForm(path string, pairs ...string) (finish func() *httptest.ResponseRecorder) {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.hanging(path, "application/x-www-form-urlencoded", form.Encode())
}

func TestRightsThatEndWhileABodyIsOnItsWayAreEnded(t *testing.T) {
	g := newGate(t)
	g.user("boss@example.org", true)
	mallory, bob := g.user("mallory@example.org", true), g.user("bob@example.org", false)
	token, secret := g.token(bob, time.Hour, account.ScopeWrite, account.ScopeRead)
	g.server.trusted = 0
	finish := []func() *httptest.ResponseRecorder{
		g.signedIn(mallory).hangingForm("/admin/users", "email", "heir@example.org", "admin", "true"),
		g.signedIn(bob).hangingForm("/settings/tokens", "name", "thief", "scope", "read"),
		g.browser().hanging("/api/v1/conversations", "application/json", `{"title":"late"}`, "Authorization", "Bearer "+secret),
	}
	for _, err := range []error{
		g.store.By(account.CommandLine()).Disable(t.Context(), mallory.ID, true, "left"), g.store.EndSessions(t.Context(), bob.ID, ""),
		g.store.RevokeToken(t.Context(), bob.ID, token.ID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	g.server.tokens = newTokenCache() // as NOTIFY does within 2 s
	for i, end := range finish {
		if w := end(); w.Code < 300 || strings.Contains(w.Body.String(), "/enter/") || strings.Contains(w.Body.String(), "wlg_") {
			t.Errorf("request %d: %d %s", i, w.Code, w.Body)
		}
	}
	if n := g.query("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM tokens) + (SELECT count(*) FROM conversations)"); n != "4" {
		t.Errorf("%s users, tokens and conversations, want 4", n)
	}
}

func TestAnExportEndsWithTheRightsOfItsReader(t *testing.T) {
	t.Parallel()
	ended := worklog.Errorf(worklog.CodeUnauthorized, "sign in")
	var refused error
	w := httptest.NewRecorder()
	p := &patientWriter{w: w, rc: http.NewResponseController(w), again: func() error { return refused }}
	if _, err := p.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	refused = ended
	if _, err := p.Write([]byte("b")); err != nil {
		t.Errorf("asked again at once: %v", err)
	}
	p.checked = p.checked.Add(-2 * exportCheck)
	if _, err := p.Write([]byte("c")); !errors.Is(err, ended) || w.Body.String() != "ab" {
		t.Errorf("%v, %q is written", err, w.Body)
	}
}

func TestWithTheRoleGoTheTokensThatOnlyAnAdministratorMakes(t *testing.T) {
	g := newGate(t)
	boss, solo := g.user("boss@example.org", true), g.user("solo@example.org", true)
	b := g.signedIn(solo)
	for _, scope := range []string{"write", "write:any", "admin"} {
		g.want(scope, b.post("/settings/tokens", "name", scope, "scope", scope), http.StatusOK)
	}
	acts := func() string {
		return g.query("SELECT string_agg(action, ' ' ORDER BY action, at) FROM audit WHERE subject_id = " + strconv.FormatInt(solo.ID, 10))
	}
	if got := acts(); got != "token.create token.create" {
		t.Errorf("written down: %s", got)
	}
	if err := g.store.By(account.Actor{User: boss.ID}).SetAdmin(t.Context(), solo.ID, false); err != nil {
		t.Fatal(err)
	}
	left, err := g.store.Tokens(t.Context(), solo.ID)
	if err != nil || len(left) != 1 || left[0].Name != "write" {
		t.Errorf("left are %v, %v", left, err)
	}
	if got := acts(); got != "token.create token.create token.revoke token.revoke user.demote" {
		t.Errorf("written down: %s", got)
	}
}

func TestTheLastAdministratorWhoCanSignInStays(t *testing.T) {
	g := newGate(t)
	boss := g.user("boss@example.org", true)
	by := g.store.By(account.Actor{User: boss.ID})
	invited, err := by.Invite(t.Context(), "new@example.org", true, account.HashSecret("x"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := by.SetAdmin(t.Context(), boss.ID, false); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("the only one with a password: %v", err)
	}
	if err := by.SetAdmin(t.Context(), invited.ID, false); err != nil {
		t.Errorf("the invited one: %v", err)
	}
}

func TestACursorOfAListThatIsNoneOfOursIsRefused(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("boss@example.org", true))
	for _, path := range []string{"/admin/users?after=0.%00", "/admin/tokens?before=2026-11-26T00:00:00Z_%00" + strings.Repeat("a", 35)} {
		g.want(path, b.get(path), http.StatusBadRequest)
	}
}
