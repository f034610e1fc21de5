package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// listen collects control messages until the test ends.
func (b *bundle) listen(t *testing.T) <-chan store.Control {
	t.Helper()
	got := make(chan store.Control, 100)
	done := make(chan struct{})
	ready := make(chan struct{})
	var once sync.Once
	go func() {
		defer close(done)
		_ = b.Listen(t.Context(), func(c store.Control) {
			once.Do(func() { close(ready) })
			got <- c
		})
	}()
	t.Cleanup(func() { <-done })
	for { // a message that arrives proves that LISTEN is in force
		if err := b.NotifyControl(b.ctx, store.Control{Kind: "test"}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ready:
			return got
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// next returns the next control message that is not the test's own.
func next(t *testing.T, got <-chan store.Control) store.Control {
	t.Helper()
	for {
		select {
		case c := <-got:
			if c.Kind != "test" {
				return c
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no control message")
		}
	}
}

func wantCode(t *testing.T, what string, err error, want worklog.Code) {
	t.Helper()
	if got := worklog.CodeOf(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

func TestAddressesAreUniqueWithoutRegardToCase(t *testing.T) {
	b := setup(t)
	_, err := b.CreateUser(b.ctx, "ANN@Example.org", "", false)
	wantCode(t, "the same address in capitals", err, worklog.CodeConflict)
	admin, err := b.CreateUser(b.ctx, "Bob@Example.org", "hash", true)
	if err != nil {
		t.Fatal(err)
	}
	u, hash, err := b.UserByEmail(b.ctx, "bob@EXAMPLE.org")
	if err != nil || u != admin || hash != "hash" || !u.Admin || !u.HasPassword || u.Email != "Bob@Example.org" {
		t.Errorf("UserByEmail = %+v, %q, %v", u, hash, err)
	}
	_, _, err = b.UserByEmail(b.ctx, "nobody@example.org")
	wantCode(t, "an unknown address", err, worklog.CodeNotFound)
	_, err = b.CreateUser(b.ctx, "x", "", false)
	wantCode(t, "too short", err, worklog.CodeInvalid)
	if n, err := b.CountUsers(b.ctx); n != 2 || err != nil {
		t.Errorf("CountUsers = %d, %v", n, err)
	}
	if list, err := b.Users(b.ctx); err != nil || len(list) != 2 || list[0].Email != "ann@example.org" {
		t.Errorf("Users = %+v, %v", list, err)
	}
}

func TestADisabledUserLosesSessionsAndLinksAtOnce(t *testing.T) {
	b := setup(t)
	id := b.signIn(t, "cookie")
	if err := b.CreateLink(b.ctx, account.LinkInvite, b.user.ID, account.HashSecret("link"), time.Hour); err != nil {
		t.Fatal(err)
	}
	got := b.listen(t)
	if err := b.DisableUser(b.ctx, b.user.ID, true); err != nil {
		t.Fatal(err)
	}
	if c := next(t, got); c.Kind != store.ControlUser {
		t.Errorf("told %+v", c)
	}
	if b.session(t, "cookie").ID != "" {
		t.Errorf("session %s is alive", id)
	}
	_, err := b.Link(b.ctx, account.HashSecret("link"))
	wantCode(t, "the link", err, worklog.CodeNotFound)
	if u, _, err := b.UserByID(b.ctx, b.user.ID); err != nil || !u.Disabled {
		t.Errorf("UserByID = %+v, %v", u, err)
	}
	if err := b.DisableUser(b.ctx, b.user.ID, false); err != nil {
		t.Fatal(err)
	}
	if u, _, err := b.UserByID(b.ctx, b.user.ID); err != nil || u.Disabled {
		t.Errorf("let in again: %+v, %v", u, err)
	}
	wantCode(t, "nobody", b.DisableUser(b.ctx, 4711, true), worklog.CodeNotFound)
}

func TestANewPasswordEndsOtherSessionsAndOldLinks(t *testing.T) {
	b := setup(t)
	keep, lose := b.signIn(t, "keep"), b.signIn(t, "lose")
	if err := b.CreateLink(b.ctx, account.LinkReset, b.user.ID, account.HashSecret("link"), time.Hour); err != nil {
		t.Fatal(err)
	}
	got := b.listen(t)
	if err := b.SetPassword(b.ctx, b.user.ID, "", "hash", keep); err != nil {
		t.Fatal(err)
	}
	if c := next(t, got); c != (store.Control{Kind: store.ControlSession, ID: lose}) {
		t.Errorf("told %+v", c)
	}
	if b.session(t, "keep").ID != keep || b.session(t, "lose").ID != "" {
		t.Error("the wrong session ended")
	}
	_, err := b.Link(b.ctx, account.HashSecret("link"))
	wantCode(t, "the old link", err, worklog.CodeNotFound)
	wantCode(t, "nobody's password", b.SetPassword(b.ctx, 4711, "", "hash", ""), worklog.CodeNotFound)
	wantCode(t, "a password that another one replaced", b.SetPassword(b.ctx, b.user.ID, "", "late", ""), worklog.CodeUnauthorized)
}

// token creates a token of the bundle's user and returns its id and hash.
func (b *bundle) token(t *testing.T, name string) (string, []byte) {
	t.Helper()
	tok := account.Token{ID: uuid.NewString(), OwnerID: b.user.ID, Name: name, Prefix: "wlg_abcd", Scopes: []account.Scope{account.ScopeWrite, account.ScopeWriteAny}, Limit: 7}
	hash := account.HashSecret(name)
	if err := b.CreateToken(b.ctx, tok, hash); err != nil {
		t.Fatal(err)
	}
	return tok.ID, hash
}

func TestTokensAreFoundByHashUntilRevoked(t *testing.T) {
	b := setup(t)
	id, hash := b.token(t, "laptop")
	tok, u, err := b.TokenByHash(b.ctx, hash)
	if err != nil || u != b.user || tok.ID != id || tok.Limit != 7 || len(tok.Scopes) != 2 || tok.Scopes[1] != account.ScopeWriteAny ||
		!tok.ExpiresAt.IsZero() || !tok.LastUsed.IsZero() || !tok.RevokedAt.IsZero() {
		t.Errorf("TokenByHash = %+v, %+v, %v", tok, u, err)
	}
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "somebody else revokes", b.RevokeToken(b.ctx, bob.ID, id), worklog.CodeNotFound)
	wantCode(t, "no uuid", b.RevokeToken(b.ctx, b.user.ID, "x"), worklog.CodeNotFound)
	got := b.listen(t)
	if err := b.RevokeToken(b.ctx, b.user.ID, strings.ToUpper(id)); err != nil {
		t.Fatal(err)
	}
	if c := next(t, got); c != (store.Control{Kind: store.ControlToken, ID: id}) {
		t.Errorf("told %+v", c)
	}
	_, _, err = b.TokenByHash(b.ctx, hash)
	wantCode(t, "a revoked token", err, worklog.CodeNotFound)
	wantCode(t, "revoking twice", b.RevokeToken(b.ctx, 0, id), worklog.CodeNotFound)
	if list, err := b.Tokens(b.ctx, b.user.ID); err != nil || len(list) != 0 {
		t.Errorf("Tokens = %+v, %v", list, err)
	}
	if tok, err := b.TokenByID(b.ctx, b.user.ID, id); err != nil || tok.RevokedAt.IsZero() {
		t.Errorf("entries can not name their token: %+v, %v", tok, err)
	}
}

func TestLastUseNeverMovesBack(t *testing.T) {
	b := setup(t)
	one, _ := b.token(t, "one")
	two, _ := b.token(t, "two")
	late := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, used := range []map[string]time.Time{nil, {one: late, two: late}, {one: late.Add(-time.Hour), two: late.Add(time.Hour)}} {
		if err := b.TouchTokens(b.ctx, used); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]time.Time{one: late, two: late.Add(time.Hour)} {
		if tok, err := b.TokenByID(b.ctx, b.user.ID, id); err != nil || !tok.LastUsed.Equal(want) {
			t.Errorf("last used %v, %v; want %v", tok.LastUsed, err, want)
		}
	}
}
