package backup_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/backup"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/ledger"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// site is an installation with its archive.
type site struct {
	*store.Store
	t      *testing.T
	dsn    string
	dir    string // of the archive
	bucket archive.Bucket
}

func newSite(t *testing.T, dsn string) *site {
	t.Helper()
	s := &site{Store: storetest.Open(t, dsn), t: t, dsn: dsn, dir: t.TempDir()}
	var err error
	if s.bucket, err = archive.Open("file://"+s.dir, archive.Credentials{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// lived is an installation in which everything has happened that a backup has to keep.
func lived(t *testing.T) *site {
	t.Helper()
	s := newSite(t, storetest.DSN(t))
	s.admin("root@example.org")
	ann, bob := s.user("ann@example.org"), s.user("bob@example.org")
	s.token(ann)
	s.log(ann, 100,
		worklog.Draft{Title: "running", Status: worklog.StatusWorking, Conversation: "work", Key: "a/1", Tool: "Bash"},
		worklog.Draft{Title: "tab\there, \\N, \\. and \"quotes\"", Details: "line\nline\r\n\\backslash", Conversation: "work", Metadata: worklog.Metadata{"a": "b\\n", "n": 1.5}},
		worklog.Draft{Title: "unfiled", Status: worklog.StatusError, Type: worklog.TypeError},
	)
	s.log(bob, 3, worklog.Draft{Title: "of Bob", Conversation: "his"})
	for _, days := range []int{8, 31, 89} {
		at := time.Now().Add(-time.Duration(days) * 24 * time.Hour)
		s.log(ann, 5, worklog.Draft{Title: fmt.Sprint(days, " days"), Conversation: "old", LoggedAt: &at, Details: strings.Repeat("output\n", 100), Metadata: worklog.Metadata{"days": days}})
	}
	c, err := s.ConversationByKey(t.Context(), ann.ID, "old")
	s.must(err)
	keep := true
	_, err = s.UpdateConversation(t.Context(), ann.ID, c.ID, worklog.ConversationPatch{Keep: &keep})
	s.must(err)
	id, err := s.Installation(t.Context())
	s.must(err)
	sweeper := retention.New(s.Store, archive.New(s.bucket, id, s.Store), retention.Settings{Hot: 7 * 24 * time.Hour, Warm: 30 * 24 * time.Hour, Cold: 90 * 24 * time.Hour})
	_, err = sweeper.Run(t.Context(), retention.Options{})
	s.must(err)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) user(email string) account.User {
	s.t.Helper()
	u, err := s.CreateUser(s.t.Context(), email, "hash of "+email, false)
	s.must(err)
	return u
}

func (s *site) admin(email string) account.User {
	s.t.Helper()
	u, err := s.CreateUser(s.t.Context(), email, "hash", true)
	s.must(err)
	return u
}

func (s *site) token(u account.User) string {
	s.t.Helper()
	id, secret := uuid.NewString(), account.NewSecret()
	s.must(s.CreateToken(s.t.Context(), account.Token{
		ID: id, OwnerID: u.ID, Name: "laptop", Prefix: secret[:account.ShownPrefix], Scopes: []account.Scope{account.ScopeWrite}, CreatedAt: time.Now(),
	}, account.HashSecret(secret)))
	return id
}

// log writes each draft n times.
func (s *site) log(u account.User, n int, drafts ...worklog.Draft) {
	s.t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	b := store.Batch{Now: now}
	for i := range n {
		for _, d := range drafts {
			if d.Key != "" {
				d.Key = fmt.Sprint(d.Key, "/", i)
			}
			d.Normalize()
			b.Writes = append(b.Writes, store.Write{
				Owner: u.ID, EntryID: uuid.Must(uuid.NewV7()).String(), Key: d.Key, Conversation: d.Conversation, Facts: change.Of(&d, now),
			})
		}
	}
	_, _, err := s.Append(s.t.Context(), b)
	s.must(err)
}

func (s *site) backup() string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "worklog.backup")
	_, err := backup.Write(s.t.Context(), path, s.Store, s.bucket, backup.Options{Version: "test", Now: time.Now})
	s.must(err)
	return path
}

func restore(t *testing.T, path string, to *site) error {
	t.Helper()
	b, err := backup.Open(t.Context(), path)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Restore(t.Context(), to.Store, to.bucket, backup.RestoreOptions{})
}

func TestRestoredInstallationIsTheOneThatWasBackedUpRowByRow(t *testing.T) {
	t.Parallel()
	from := lived(t)
	before := from.tables()
	to := newSite(t, storetest.Empty(t))
	if err := restore(t, from.backup(), to); err != nil {
		t.Fatal(err)
	}
	after := to.tables()
	for name, rows := range before {
		if after[name] != rows {
			t.Errorf("%s is not the same: %s", name, firstDifference(after[name], rows))
		}
	}
	if len(before["archive_objects"]) == 0 || !strings.Contains(before["work_logs"], "warm") || !strings.Contains(before["work_logs"], "cold") {
		t.Error("the test has nothing warm or cold")
	}
	if after["sessions"]+after["links"] != "" {
		t.Error("somebody is still signed in")
	}
	if from.one("SELECT id::text FROM installation") != to.one("SELECT id::text FROM installation") {
		t.Error("it is another installation")
	}
	if from.one("SELECT epoch::text FROM installation") == to.one("SELECT epoch::text FROM installation") {
		t.Error("open pages would go on as if nothing had happened")
	}
}

func TestRestoredInstallationGoesOn(t *testing.T) {
	t.Parallel()
	from := lived(t)
	to := newSite(t, storetest.Empty(t))
	if err := restore(t, from.backup(), to); err != nil {
		t.Fatal(err)
	}
	ann, _, err := to.UserByEmail(t.Context(), "ann@example.org")
	to.must(err)
	if u := to.user("new@example.org"); u.ID <= ann.ID {
		t.Errorf("a new user got the id %d", u.ID)
	}
	head := func() string {
		return to.one(fmt.Sprintf("SELECT last_rev::text FROM work_log_stats WHERE owner_id = %d", ann.ID))
	}
	rev := head()
	to.log(ann, 1, worklog.Draft{Title: "after the restore", Conversation: "work"})
	if head() == rev {
		t.Error("the new entry has no rev of its own")
	}
	row, err := to.Entry(t.Context(), ann.ID, to.one("SELECT id::text FROM work_logs WHERE storage_status = 'cold' LIMIT 1"))
	to.must(err)
	id, err := to.Installation(t.Context())
	to.must(err)
	to.must(archive.New(to.bucket, id, to.Store).Fill(t.Context(), &row))
	if !strings.HasPrefix(row.Details, "output\n") {
		t.Errorf("details of a cold entry: %q", row.Details)
	}
}

func TestWhatEndedAfterTheBackupEndsAgain(t *testing.T) {
	t.Parallel()
	from := newSite(t, storetest.DSN(t))
	root, ann, bob := from.admin("root@example.org"), from.user("ann@example.org"), from.user("bob@example.org")
	lost, kept := from.token(bob), from.token(bob)
	from.log(ann, 3, worklog.Draft{Title: "personal"})
	path := from.backup()
	id, err := from.Installation(t.Context())
	from.must(err)
	file := ledger.In(t.TempDir())
	_, err = file.Sync([]ledger.Record{
		{At: time.Now(), Installation: id, Kind: ledger.Erased, ID: fmt.Sprint(ann.ID)},
		{At: time.Now(), Installation: id, Kind: ledger.Revoked, ID: lost},
		{At: time.Now(), Installation: uuid.NewString(), Kind: ledger.Erased, ID: fmt.Sprint(root.ID)}, // of another installation
		{At: time.Now(), Installation: id, Kind: ledger.Erased, ID: "4711"},                            // came and went after the backup
	})
	from.must(err)
	to := newSite(t, storetest.Empty(t))
	to.must(restore(t, path, to))
	for i, want := range []int{2, 0} { // the second time there is nothing left
		n, err := backup.ReplayLedger(t.Context(), file, id, to.Store)
		if err != nil || n.Ended != want {
			t.Errorf("replay %d ended %+v, %v", i+1, n, err)
		}
	}
	got := to.one("SELECT string_agg(email, ' ' ORDER BY id) FROM users") + "; revoked: " + to.one("SELECT string_agg(id::text, ' ') FROM tokens WHERE revoked_at IS NOT NULL")
	if want := "root@example.org " + store.ErasedName(ann.ID) + " bob@example.org; revoked: " + lost; got != want {
		t.Errorf("got %q, want %q (token %s stays)", got, want, kept)
	}
	if ids, err := to.Erasing(t.Context()); err != nil || len(ids) != 1 || ids[0] != ann.ID {
		t.Errorf("being erased: %v, %v", ids, err)
	}
}

// The number of who was erased after the backup must not become the sentence of who comes next.
func TestWhoComesAfterARestoreIsNotErasedForWhoWasErasedBefore(t *testing.T) {
	t.Parallel()
	from := newSite(t, storetest.DSN(t))
	root := from.admin("root@example.org")
	path := from.backup()
	gone := from.user("gone@example.org") // after the backup, with the next number
	id, err := from.Installation(t.Context())
	from.must(err)
	file := ledger.In(t.TempDir())
	_, err = file.Sync([]ledger.Record{{At: time.Now().Add(-time.Hour), Installation: id, Kind: ledger.Erased, ID: fmt.Sprint(gone.ID)}})
	from.must(err)
	for order, replayFirst := range map[string]bool{"replayed at once": true, "somebody comes before the replay": false} {
		to := newSite(t, storetest.Empty(t))
		to.must(restore(t, path, to))
		replay := func() {
			n, err := backup.ReplayLedger(t.Context(), file, id, to.Store)
			if err != nil || n.Ended != 0 {
				t.Errorf("%s: the replay ended %+v, %v", order, n, err)
			}
		}
		if replayFirst {
			replay()
		}
		colleague := to.user("colleague@example.org")
		if replayFirst && colleague.ID <= gone.ID {
			t.Errorf("%s: the number %d was given away a second time", order, colleague.ID)
		}
		replay()
		replay() // as every start does
		next := to.user("next@example.org")
		if next.ID <= gone.ID || next.ID <= colleague.ID {
			t.Errorf("%s: the next user got the number %d", order, next.ID)
		}
		if ids, err := to.Erasing(t.Context()); err != nil || len(ids) > 0 {
			t.Errorf("%s: being erased: %v, %v; root is %d, the colleague %d", order, ids, err, root.ID, colleague.ID)
		}
	}
}
