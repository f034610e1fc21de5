package store_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// commit stores a session under a cookie's value.
func (b *bundle) commit(t *testing.T, cookie string, x account.Session, expires time.Time) {
	t.Helper()
	data, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SessionStore().CommitCtx(b.ctx, cookie, data, expires); err != nil {
		t.Fatal(err)
	}
}

// signIn starts a session of the bundle's user and returns its handle.
func (b *bundle) signIn(t *testing.T, cookie string) string {
	t.Helper()
	at := time.Now().UTC()
	b.commit(t, cookie, account.Session{
		User: b.user, SignedInAt: at, Agent: "Browser/1 " + strings.Repeat("ä", 400), Address: "192.0.2.1", Deadline: at.Add(time.Hour),
	}, at.Add(time.Hour))
	x := b.session(t, cookie)
	if x.ID == "" {
		t.Fatal("the session is not stored")
	}
	return x.ID
}

// session reads the session of a cookie; it is zero if there is none.
func (b *bundle) session(t *testing.T, cookie string) (x account.Session) {
	t.Helper()
	data, found, err := b.SessionStore().FindCtx(b.ctx, cookie)
	if err != nil {
		t.Fatal(err)
	}
	if found {
		if err := json.Unmarshal(data, &x); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func TestSessionsComeWithTheirUserAsOfNow(t *testing.T) {
	b := setup(t)
	id := b.signIn(t, "cookie")
	x := b.session(t, "cookie")
	if x.User != b.user || x.SignedInAt.IsZero() || x.Address != "192.0.2.1" || !strings.HasPrefix(x.Agent, "Browser/1") || len(x.Agent) > 300 || x.Deadline.IsZero() {
		t.Errorf("session %+v", x)
	}
	list, err := b.Sessions(b.ctx, b.user.ID)
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("Sessions = %+v, %v", list, err)
	}
	var plain int
	err = b.raw.QueryRow(b.ctx, "SELECT count(*) FROM sessions s WHERE s::text LIKE '%cookie%'").Scan(&plain)
	if err != nil || plain != 0 {
		t.Errorf("the cookie's value is readable in %d rows, %v", plain, err)
	}
}

// S-09: a request that read its session before the logout and writes it afterwards must not bring it back.
func TestALateCommitDoesNotReviveASession(t *testing.T) {
	b := setup(t)
	id := b.signIn(t, "cookie")
	loaded := b.session(t, "cookie")
	if err := b.SessionStore().DeleteCtx(b.ctx, "cookie"); err != nil {
		t.Fatal(err)
	}
	b.commit(t, "cookie", loaded, time.Now().Add(time.Hour))
	if err := b.TouchSession(b.ctx, id, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if x := b.session(t, "cookie"); x.ID != "" {
		t.Errorf("session %+v is back", x)
	}
	if err := b.SessionStore().Delete("cookie"); err != nil {
		t.Errorf("ending it again: %v", err)
	}
}

func TestTouchingASessionRenewsItsExpiry(t *testing.T) {
	b := setup(t)
	id := b.signIn(t, "cookie")
	later := time.Now().Add(3 * time.Hour).UTC().Truncate(time.Microsecond)
	if err := b.TouchSession(b.ctx, id, later); err != nil {
		t.Fatal(err)
	}
	if x := b.session(t, "cookie"); !x.ExpiresAt.Equal(later) {
		t.Errorf("expires %v, want %v", x.ExpiresAt, later)
	}
	if err := b.TouchSession(b.ctx, id, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if x := b.session(t, "cookie"); x.ID != "" {
		t.Errorf("an expired session opens: %+v", x)
	}
	if err := b.DropExpired(b.ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := b.raw.QueryRow(b.ctx, "SELECT count(*) FROM sessions").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows left, %v", left, err)
	}
}

func TestSessionsEndOneByOneOrAllButOne(t *testing.T) {
	b := setup(t)
	one, two, three := b.signIn(t, "one"), b.signIn(t, "two"), b.signIn(t, "three")
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	got := b.listen(t)
	if err := b.EndSession(b.ctx, bob.ID, one); err != nil {
		t.Fatal(err)
	}
	if b.session(t, "one").ID != one {
		t.Error("somebody else ended it")
	}
	if err := b.EndSession(b.ctx, b.user.ID, one); err != nil {
		t.Fatal(err)
	}
	if c := next(t, got); c != (store.Control{Kind: store.ControlSession, ID: one}) {
		t.Errorf("told %+v", c)
	}
	if err := b.EndSessions(b.ctx, b.user.ID, two); err != nil {
		t.Fatal(err)
	}
	if c := next(t, got); c != (store.Control{Kind: store.ControlSession, ID: three}) {
		t.Errorf("told %+v", c)
	}
	if b.session(t, "one").ID+b.session(t, "three").ID != "" || b.session(t, "two").ID != two {
		t.Error("the wrong sessions are left")
	}
	wantCode(t, "no uuid", b.EndSession(b.ctx, b.user.ID, "x"), worklog.CodeNotFound)
}

func TestOnlyTheNewestLinkWorks(t *testing.T) {
	b := setup(t)
	for _, secret := range []string{"old", "new"} {
		if err := b.CreateLink(b.ctx, account.LinkSetup, 0, account.HashSecret(secret), time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := b.CreateLink(b.ctx, account.LinkReset, b.user.ID, account.HashSecret("reset-"+secret), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range []string{"old", "reset-old", "made up"} {
		_, err := b.Link(b.ctx, account.HashSecret(secret))
		wantCode(t, secret, err, worklog.CodeNotFound)
	}
	link, err := b.Link(b.ctx, account.HashSecret("reset-new"))
	if err != nil || link.Kind != account.LinkReset || link.User != b.user {
		t.Errorf("Link = %+v, %v", link, err)
	}
	if err := b.CreateLink(b.ctx, account.LinkInvite, b.user.ID, account.HashSecret("late"), -time.Second); err != nil {
		t.Fatal(err)
	}
	_, err = b.Link(b.ctx, account.HashSecret("late"))
	wantCode(t, "a link after its time", err, worklog.CodeNotFound)
}

// S-26: two people open the same setup link, or somebody keeps one until there are users.
func TestAtMostOneFirstAdmin(t *testing.T) {
	b := setup(t)
	if _, err := b.raw.Exec(b.ctx, "DELETE FROM users"); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateLink(b.ctx, account.LinkSetup, 0, account.HashSecret("setup"), time.Hour); err != nil {
		t.Fatal(err)
	}
	var made, refused sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			u, _, err := b.ConsumeLink(b.ctx, account.HashSecret("setup"), string(rune('a'+i))+"@example.org", "hash")
			if err == nil {
				made.Store(u.Email, u)
			} else {
				refused.Store(i, worklog.CodeOf(err))
			}
		})
	}
	all.Wait()
	users, err := b.Users(b.ctx)
	if err != nil || len(users) != 1 || !users[0].Admin {
		t.Fatalf("users %+v, %v", users, err)
	}
	if _, ok := made.Load(users[0].Email); !ok {
		t.Errorf("%s was told otherwise", users[0].Email)
	}
	refused.Range(func(_, code any) bool {
		if code != worklog.CodeNotFound {
			t.Errorf("refused with %v", code)
		}
		return true
	})
	if err := b.CreateLink(b.ctx, account.LinkSetup, 0, account.HashSecret("again"), time.Hour); err != nil {
		t.Fatal(err)
	}
	_, _, err = b.ConsumeLink(b.ctx, account.HashSecret("again"), "mallory@example.org", "hash")
	wantCode(t, "a setup link with users", err, worklog.CodeNotFound)
}

func TestAResetLinkSetsThePasswordOnce(t *testing.T) {
	b := setup(t)
	b.signIn(t, "thief")
	if err := b.CreateLink(b.ctx, account.LinkReset, b.user.ID, account.HashSecret("reset"), time.Hour); err != nil {
		t.Fatal(err)
	}
	u, hash, err := b.ConsumeLink(b.ctx, account.HashSecret("reset"), "ignored@example.org", "hash")
	if err != nil || hash != "hash" || u.ID != b.user.ID || u.Email != b.user.Email {
		t.Errorf("ConsumeLink = %+v, %v", u, err)
	}
	if b.session(t, "thief").ID != "" {
		t.Error("old sessions are alive")
	}
	if _, hash, err := b.UserByID(b.ctx, b.user.ID); hash != "hash" || err != nil {
		t.Errorf("hash %q, %v", hash, err)
	}
	_, _, err = b.ConsumeLink(b.ctx, account.HashSecret("reset"), "", "other")
	wantCode(t, "the second time", err, worklog.CodeNotFound)
}

func TestOnlyWhatIsStillGoodIsAlive(t *testing.T) {
	b := setup(t)
	session, ended := b.signIn(t, "one"), b.signIn(t, "two")
	token, _ := b.token(t, "laptop")
	revoked, _ := b.token(t, "lost")
	if err := b.EndSession(b.ctx, b.user.ID, ended); err != nil {
		t.Fatal(err)
	}
	if err := b.RevokeToken(b.ctx, b.user.ID, revoked); err != nil {
		t.Fatal(err)
	}
	ids := []string{session, ended, token, revoked, "00000000-0000-0000-0000-000000000000"}
	alive, err := b.Alive(b.ctx, ids)
	if err != nil || len(alive) != 2 || alive[session].IsZero() || !alive[token].IsZero() {
		t.Errorf("Alive = %v, %v", alive, err)
	}
	if err := b.DisableUser(b.ctx, b.user.ID, true); err != nil {
		t.Fatal(err)
	}
	if alive, err := b.Alive(b.ctx, ids); err != nil || len(alive) != 0 {
		t.Errorf("of a disabled user: %v, %v", alive, err)
	}
	if alive, err := b.Alive(b.ctx, nil); err != nil || len(alive) != 0 {
		t.Errorf("of nothing: %v, %v", alive, err)
	}
}

func TestNoSessionStartsAfterItsWayInWasClosed(t *testing.T) {
	b := setup(t)
	if err := b.SetPassword(b.ctx, b.user.ID, "", "hash", ""); err != nil {
		t.Fatal(err)
	}
	start := func(hash string) error {
		data, err := json.Marshal(account.Session{User: b.user, PasswordHash: hash})
		if err != nil {
			t.Fatal(err)
		}
		return b.SessionStore().CommitCtx(b.ctx, "cookie "+hash, data, time.Now().Add(time.Hour))
	}
	wantCode(t, "by the password of before", start(""), worklog.CodeUnauthorized)
	if err := start("hash"); err != nil {
		t.Errorf("by the password of now: %v", err)
	}
	if x := b.session(t, "cookie hash"); x.ID == "" || x.PasswordHash != "" {
		t.Errorf("session %+v", x)
	}
	if err := b.DisableUser(b.ctx, b.user.ID, true); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "of a disabled user", start("hash"), worklog.CodeUnauthorized)
	if list, err := b.Sessions(b.ctx, b.user.ID); err != nil || len(list) != 0 {
		t.Errorf("Sessions = %+v, %v", list, err)
	}
}
