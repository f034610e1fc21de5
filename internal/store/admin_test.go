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

// admin creates an administrator and returns the store in its hands.
func (b *bundle) admin(t *testing.T, email string) (account.User, store.Admin) {
	t.Helper()
	u, err := b.CreateUser(b.ctx, email, "hash", true)
	if err != nil {
		t.Fatal(err)
	}
	return u, b.By(account.Actor{User: u.ID, Address: "192.0.2.9"})
}

// acts is what the audit list says about a user, oldest first.
func (b *bundle) acts(t *testing.T, about int64) string {
	t.Helper()
	lines, _, err := b.Audit(b.ctx, store.AuditQuery{About: about})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for i := range lines {
		words = append([]string{string(lines[i].Action)}, words...)
	}
	return strings.Join(words, " ")
}

func TestEveryActOfAnAdminIsWrittenDownWithIt(t *testing.T) {
	b := setup(t)
	root, by := b.admin(t, "root@example.org")
	session := b.signIn(t, "cookie")
	token, _ := b.token(t, "laptop")
	conv := b.append(t, worklog.Draft{Title: "x", Conversation: "c"})[0].Row.ConversationID
	invited, err := by.Invite(b.ctx, "carl@example.org", false, account.HashSecret("carl"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		by.CreateLink(b.ctx, account.LinkReset, b.user.ID, account.HashSecret("ann"), time.Hour),
		by.SetPassword(b.ctx, b.user.ID, "other"),
		by.SetLimit(b.ctx, b.user.ID, 120),
		secondN(by.RevokeToken(b.ctx, token)),
		by.Hold(b.ctx, conv, true, "court order 7"),
		by.Hold(b.ctx, conv, false, "settled"),
		by.SetAdmin(b.ctx, b.user.ID, true),
		by.SetAdmin(b.ctx, b.user.ID, false),
		by.EndSession(b.ctx, b.user.ID, ""),
		by.Disable(b.ctx, b.user.ID, true, "left the company"),
		by.Disable(b.ctx, b.user.ID, false, "came back"),
		by.CreateToken(b.ctx, account.Token{ID: uuid.NewString(), OwnerID: b.user.ID, Name: "n", Scopes: []account.Scope{account.ScopeRead}}, account.HashSecret("t")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "user.link user.password user.limit token.revoke conversation.hold conversation.release user.promote user.demote user.sign_out user.disable user.enable token.create"
	if got := b.acts(t, b.user.ID); got != want {
		t.Errorf("written down: %s\nwant %s", got, want)
	}
	if got := b.acts(t, invited.ID); got != "user.create user.link" {
		t.Errorf("about the invited user: %s", got)
	}
	lines, next, err := b.Audit(b.ctx, store.AuditQuery{Action: account.ActHold})
	if err != nil || next != 0 || len(lines) != 1 {
		t.Fatalf("%d lines, next %d, %v", len(lines), next, err)
	}
	l := lines[0]
	if l.ActorName != "root@example.org" || l.Actor.User != root.ID || l.Actor.Address != "192.0.2.9" || l.SubjectName != "ann@example.org" ||
		l.Object != conv || l.Reason != "court order 7" || time.Since(l.At) > time.Minute {
		t.Errorf("the line says %+v", l)
	}
	if x := b.session(t, "cookie"); x.ID == session {
		t.Error("the session is alive")
	}
}

func TestWhatIsRefusedIsNotWrittenDown(t *testing.T) {
	b := setup(t)
	root, by := b.admin(t, "root@example.org")
	for name, tc := range map[string]struct {
		err  error
		want worklog.Code
	}{
		"an address that is taken":      {second(by.Invite(b.ctx, "ANN@example.org", false, account.HashSecret("a"), time.Hour)), worklog.CodeConflict},
		"a link for nobody":             {by.CreateLink(b.ctx, account.LinkReset, 4711, account.HashSecret("b"), time.Hour), worklog.CodeNotFound},
		"nobody's password":             {by.SetPassword(b.ctx, 4711, "x"), worklog.CodeNotFound},
		"a negative limit":              {by.SetLimit(b.ctx, b.user.ID, -1), worklog.CodeInvalid},
		"nobody's limit":                {by.SetLimit(b.ctx, 4711, 1), worklog.CodeNotFound},
		"a token that is not there":     {secondN(by.RevokeToken(b.ctx, uuid.NewString())), worklog.CodeNotFound},
		"a token's id that is none":     {secondN(by.RevokeToken(b.ctx, "x")), worklog.CodeNotFound},
		"a hold on nothing":             {by.Hold(b.ctx, uuid.NewString(), true, "why"), worklog.CodeNotFound},
		"a hold on a word":              {by.Hold(b.ctx, "c", true, "why"), worklog.CodeNotFound},
		"a session that has ended":      {by.EndSession(b.ctx, b.user.ID, uuid.NewString()), worklog.CodeNotFound},
		"a session's id that is none":   {by.EndSession(b.ctx, b.user.ID, "x"), worklog.CodeNotFound},
		"the last admin disabled":       {by.Disable(b.ctx, root.ID, true, "me"), worklog.CodeConflict},
		"the last admin demoted":        {by.SetAdmin(b.ctx, root.ID, false), worklog.CodeConflict},
		"the last admin erased":         {by.BeginErasure(b.ctx, root.ID, "me"), worklog.CodeConflict},
		"a user made what one is":       {by.SetAdmin(b.ctx, b.user.ID, false), worklog.CodeConflict},
		"nobody erased":                 {by.BeginErasure(b.ctx, 4711, "why"), worklog.CodeNotFound},
		"reading one's own":             {by.GrantReading(b.ctx, uuid.NewString(), root.ID, "me"), worklog.CodeConflict},
		"reading without a session":     {by.GrantReading(b.ctx, uuid.NewString(), b.user.ID, "why"), worklog.CodeNotFound},
		"ending a reading never begun":  {by.EndReading(b.ctx, uuid.NewString(), b.user.ID), worklog.CodeNotFound},
		"releasing what is not held":    {by.Hold(b.ctx, b.append(t, worklog.Draft{Title: "x", Conversation: "c"})[0].Row.ConversationID, false, "why"), worklog.CodeConflict},
		"finishing what has not begun":  {b.FinishErasure(b.ctx, b.user.ID), worklog.CodeConflict},
		"erasing what was not ordered":  {third(b.EraseSome(b.ctx, b.user.ID, 0)), worklog.CodeConflict},
		"letting in who does not exist": {by.Disable(b.ctx, 4711, false, ""), worklog.CodeNotFound},
	} {
		wantCode(t, name, tc.err, tc.want)
	}
	if n := one[int](t, b, "SELECT count(*) FROM audit"); n != 0 {
		t.Errorf("%d lines: %s", n, b.acts(t, root.ID))
	}
}

func second(_ account.User, err error) error { return err }
func secondN(_ int64, err error) error       { return err }
func third(_, _ int64, err error) error      { return err }

func TestOfTwoAdminsWhoTakeEachOtherOneStays(t *testing.T) {
	b := setup(t)
	ids := [2]int64{}
	acts := [2]store.Admin{}
	for i, email := range []string{"root@example.org", "other@example.org"} {
		u, by := b.admin(t, email)
		ids[i], acts[i] = u.ID, by
	}
	for round, take := range []func(i int) error{
		func(i int) error { return acts[i].Disable(b.ctx, ids[1-i], true, "") },
		func(i int) error { return acts[i].SetAdmin(b.ctx, ids[1-i], false) },
		func(i int) error { return acts[i].BeginErasure(b.ctx, ids[1-i], "") },
	} {
		var errs [2]error
		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() { errs[i] = take(i) })
		}
		both.Wait()
		if n := one[int](t, b, "SELECT count(*) FROM users WHERE admin AND disabled_at IS NULL"); n != 1 {
			t.Fatalf("round %d: %d admins are left: %v, %v", round, n, errs[0], errs[1])
		}
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("round %d: %v, %v", round, errs[0], errs[1])
		}
		if _, err := b.raw.Exec(b.ctx, "UPDATE users SET admin = true, disabled_at = NULL WHERE erasing_at IS NULL AND id = ANY($1)", ids[:]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheAuditListOnlyGrows(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	if err := by.Record(b.ctx, account.Act{Action: account.ActSweep, Subject: b.user.ID, Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"DELETE FROM audit", "TRUNCATE audit", "UPDATE audit SET action = 'x'", "UPDATE audit SET at = now()", "UPDATE audit SET address = '192.0.2.66'"} {
		if _, err := b.raw.Exec(b.ctx, sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestTheAuditListIsReadInPages(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	for range 7 {
		if err := by.Record(b.ctx, account.Act{Action: account.ActSweep}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[int64]bool{}
	pages := 0
	for before := int64(0); ; pages++ {
		lines, next, err := b.Audit(b.ctx, store.AuditQuery{Before: before, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			seen[l.ID] = true
		}
		if before = next; next == 0 {
			break
		}
	}
	if len(seen) != 7 || pages != 2 {
		t.Errorf("%d lines on %d pages", len(seen), pages+1)
	}
}

// sessionOf signs a user in and returns the handle of the session.
func (b *bundle) sessionOf(t *testing.T, u account.User, cookie string) string {
	t.Helper()
	_, hash, err := b.UserByID(b.ctx, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	ends := time.Now().Add(time.Hour)
	b.commit(t, cookie, account.Session{User: u, PasswordHash: hash, Deadline: ends}, ends)
	return b.session(t, cookie).ID
}

func TestAReasonOpensOneUserToOneSessionForAWhile(t *testing.T) {
	b := setup(t)
	root, by := b.admin(t, "root@example.org")
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	conv := b.append(t, worklog.Draft{Title: "private", Conversation: "c"})[0].Row.ConversationID
	session, other := b.sessionOf(t, root, "one"), b.sessionOf(t, root, "two")
	may := func(v store.Viewer, owner int64) bool {
		_, _, err := b.ReadEntries(b.ctx, v, store.EntryQuery{Owner: owner})
		_, err2 := b.ReadConversation(b.ctx, v, owner, conv)
		list, err3 := b.ReadConversations(b.ctx, v, owner)
		read := err == nil
		if owner == b.user.ID && (read != (err2 == nil) || read != (err3 == nil && len(list) == 1)) {
			t.Errorf("entries: %v, conversation: %v, conversations: %d, %v", err, err2, len(list), err3)
		}
		if !read && worklog.CodeOf(err) != worklog.CodeNotFound {
			t.Errorf("refused with %v", err)
		}
		return read
	}
	v := store.Viewer{User: root.ID, Session: session}
	if may(v, b.user.ID) {
		t.Fatal("an admin reads without a reason")
	}
	if err := by.GrantReading(b.ctx, session, b.user.ID, "a support case"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		v     store.Viewer
		owner int64
		want  bool
	}{
		"that session":              {v, b.user.ID, true},
		"the admin's other session": {store.Viewer{User: root.ID, Session: other}, b.user.ID, false},
		"no session":                {store.Viewer{User: root.ID}, b.user.ID, false},
		"another user":              {v, bob.ID, false},
	} {
		if may(tc.v, tc.owner) != tc.want {
			t.Errorf("%s may: %v", name, !tc.want)
		}
	}
	if _, err := b.Conversation(b.ctx, root.ID, conv); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("the ordinary page: %v", err)
	}
	if err := by.EndReading(b.ctx, session, b.user.ID); err != nil || may(v, b.user.ID) {
		t.Errorf("ended: %v", err)
	}
	if got := b.acts(t, b.user.ID); got != "entries.read entries.read_end" {
		t.Errorf("written down: %s", got)
	}
}

func TestALapsedOrDemotedReaderReadsNothing(t *testing.T) {
	b := setup(t)
	for name, spoil := range map[string]string{
		"time":     "UPDATE readings SET expires_at = now()",
		"the role": "UPDATE users SET admin = false WHERE id = $1",
		"the user": "UPDATE users SET disabled_at = now() WHERE id = $1",
		"logout":   "DELETE FROM sessions WHERE user_id = $1",
	} {
		root, by := b.admin(t, strings.ReplaceAll(name, " ", "")+"@example.org")
		v := store.Viewer{User: root.ID, Session: b.sessionOf(t, root, name)}
		if err := by.GrantReading(b.ctx, v.Session, b.user.ID, "a case"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Reading(b.ctx, v, b.user.ID); err != nil {
			t.Fatal(err)
		}
		args := []any{root.ID}
		if !strings.Contains(spoil, "$1") {
			args = nil
		}
		if _, err := b.raw.Exec(b.ctx, spoil, args...); err != nil {
			t.Fatal(err)
		}
		_, err := b.Reading(b.ctx, v, b.user.ID)
		wantCode(t, name, err, worklog.CodeNotFound)
	}
}

func TestHoldsAreListedWithTheirReason(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	conv := b.append(t, worklog.Draft{Title: "x", Conversation: "c", ConversationTitle: "a secret plan"})[0].Row.ConversationID
	if err := by.Hold(b.ctx, conv, true, "court order 7"); err != nil {
		t.Fatal(err)
	}
	list, err := b.Holds(b.ctx, 0)
	if err != nil || len(list) != 1 || list[0].ID != conv || list[0].Owner != "ann@example.org" || list[0].By != "root@example.org" ||
		list[0].Reason != "court order 7" || list[0].EntryCount != 1 || time.Since(list[0].Since) > time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := b.Holds(b.ctx, 4711); err != nil || len(list) != 0 {
		t.Errorf("of another: %+v, %v", list, err)
	}
	wantCode(t, "deleting it", b.DeleteConversation(b.ctx, b.user.ID, conv), worklog.CodeConflict)
	wantCode(t, "erasing its owner", by.BeginErasure(b.ctx, b.user.ID, "asked"), worklog.CodeConflict)
	if u, _, err := b.UserByID(b.ctx, b.user.ID); err != nil || u.Disabled || u.Email != "ann@example.org" {
		t.Errorf("half erased: %+v, %v", u, err)
	}
}
