package store_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
)

func TestAliveKnowsWhichSessionsAndTokensAreStillGood(t *testing.T) {
	b := setup(t)
	session := b.signIn(t, "cookie")
	over := time.Now().Add(-time.Minute)
	b.commit(t, "old", account.Session{User: b.user, Deadline: over}, over)
	token := func(expires time.Time) string {
		t.Helper()
		id := uuid.NewString()
		err := b.CreateToken(b.ctx, account.Token{ID: id, OwnerID: b.user.ID, Name: "t", Prefix: "wlg_", Scopes: account.Scopes(), ExpiresAt: expires}, account.HashSecret(id))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	soon := time.Now().Add(time.Hour)
	forever, expiring, expired, revoked := token(time.Time{}), token(soon), token(over), token(time.Time{})
	if err := b.RevokeToken(b.ctx, b.user.ID, revoked); err != nil {
		t.Fatal(err)
	}
	alive := func() map[string]time.Time {
		t.Helper()
		got, err := b.Alive(b.ctx, []string{session, forever, expiring, expired, revoked, uuid.NewString(), "no id", ""})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := alive()
	if len(got) != 3 || !got[forever].IsZero() || got[expiring].Sub(soon).Abs() > time.Millisecond || time.Until(got[session]) < 50*time.Minute {
		t.Errorf("alive are %v", got)
	}
	if err := b.DisableUser(b.ctx, b.user.ID, true); err != nil {
		t.Fatal(err)
	}
	if got := alive(); len(got) != 0 {
		t.Errorf("of a disabled user %v are alive", slices.Collect(maps.Keys(got)))
	}
}
