package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

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
	return b.Restore(t.Context(), to.Store, to.bucket, nil)
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
		if err != nil || n != want {
			t.Errorf("replay %d ended %d, %v", i+1, n, err)
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
			if err != nil || n != 0 {
				t.Errorf("%s: the replay ended %d, %v", order, n, err)
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

func TestDamagedBackupIsRefusedAndLoadsNothing(t *testing.T) {
	t.Parallel()
	from := lived(t)
	raw, err := os.ReadFile(from.backup())
	from.must(err)
	flipped := bytes.Clone(raw)
	member := bytes.Index(flipped, []byte("rows/work_logs/"))
	flipped[member+512+50] ^= 0xff // behind the head of the member
	for what, damaged := range map[string]struct {
		data []byte
		want string
	}{
		"cut in the middle":  {raw[:len(raw)/2], "not whole"},
		"without its end":    {raw[:len(raw)-8192], "not whole"},
		"with a changed bit": {flipped, "rows/work_logs/"},
		"something else":     {bytes.Repeat([]byte("no backup "), 1000), "no backup of worklog"},
		"empty":              {nil, "not whole"},
		"of a later format":  {withManifest(t, raw, func(m map[string]any) { m["format"] = 2 }), "format 2"},
		"with a foreign object": {withManifest(t, raw, func(m map[string]any) {
			m["installation"] = uuid.NewString()
		}), "not an object of this installation"},
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "damaged")
			if err := os.WriteFile(path, damaged.data, 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := backup.Open(t.Context(), path)
			if err == nil {
				_ = b.Close()
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), damaged.want) {
				t.Errorf("got %q, want something of %q", err, damaged.want)
			}
		})
	}
}

// withManifest changes the manifest of a backup.
func withManifest(t *testing.T, raw []byte, change func(map[string]any)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		data, readErr := io.ReadAll(r)
		if err = errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		if head.Name == "manifest.json" {
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			change(m)
			if data, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			head.Size = int64(len(data))
		}
		if err := errors.Join(w.WriteHeader(head), func() error { _, err := w.Write(data); return err }()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestMissingObjectIsNamedAndTheRestIsBackedUp(t *testing.T) {
	t.Parallel()
	from := lived(t)
	name := from.one("SELECT name FROM archive_objects LIMIT 1")
	from.must(from.bucket.Delete(t.Context(), name))
	path := filepath.Join(t.TempDir(), "worklog.backup")
	m, err := backup.Write(t.Context(), path, from.Store, from.bucket, backup.Options{Now: time.Now})
	from.must(err)
	if len(m.Missing) != 1 || m.Missing[0].Object != name {
		t.Errorf("missing: %+v", m.Missing)
	}
	to := newSite(t, storetest.Empty(t))
	to.must(restore(t, path, to))
	if got, want := to.tables()["work_logs"], from.tables()["work_logs"]; got != want {
		t.Error("entries are not those that were backed up")
	}
}

func TestBackupThatFailsLeavesTheLastOne(t *testing.T) {
	t.Parallel()
	from := lived(t)
	path := from.backup()
	before, err := os.ReadFile(path)
	from.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = backup.Write(ctx, path, from.Store, from.bucket, backup.Options{Now: time.Now, Progress: func(backup.Progress) { cancel() }})
	if err == nil {
		t.Fatal("a backup that was stopped says that it is whole")
	}
	after, err := os.ReadFile(path)
	from.must(err)
	if !bytes.Equal(before, after) {
		t.Error("the last backup is gone")
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABackupThatIsNotOnDiskDoesNotReplaceTheLastOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b")
	for name, text := range map[string]string{path: "the last one", path + ".partial": "not on disk"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path + ".partial")
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close() // so that it can not be synced
	if err := backup.Publish(f, path); err == nil {
		t.Error("a file that could not be synced counts as whole")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "the last one" {
		t.Errorf("the last backup is %q, %v", text, err)
	}
	if _, err := os.Stat(path + ".partial"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the other one is left behind: %v", err)
	}
}

// away is an archive that does not answer.
type away struct{ archive.Bucket }

func (away) Get(context.Context, string, int64) ([]byte, error) {
	return nil, errors.New("dial tcp: connection refused")
}

func TestABackupWithoutTheArchiveLeavesTheLastOne(t *testing.T) {
	t.Parallel()
	from := lived(t)
	path := from.backup()
	before, err := os.ReadFile(path)
	from.must(err)
	unmounted, err := archive.Open("file://"+t.TempDir(), archive.Credentials{})
	from.must(err)
	for what, bucket := range map[string]archive.Bucket{"away": away{from.bucket}, "not mounted": unmounted} {
		if _, err := backup.Write(t.Context(), path, from.Store, bucket, backup.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "archive") {
			t.Errorf("%s: %v", what, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the last backup is gone, %v", what, err)
		}
	}
}

func TestNothingIsSweptWhileABackupRuns(t *testing.T) {
	t.Parallel()
	from := lived(t)
	swept := false
	_, err := backup.Write(t.Context(), filepath.Join(t.TempDir(), "b"), from.Store, from.bucket, backup.Options{Now: time.Now, Progress: func(backup.Progress) {
		if swept {
			return
		}
		swept = true
		if _, release, err := from.LockRetention(t.Context()); worklog.CodeOf(err) != worklog.CodeConflict {
			t.Errorf("a sweep could begin: %v", err)
			release()
		}
	}})
	from.must(err)
	if !swept {
		t.Error("nothing was tried")
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("got %q, want %q", g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// tables is every table of the schema as text.
func (s *site) tables() map[string]string {
	s.t.Helper()
	tables := map[string]string{}
	for name := range strings.FieldsSeq(s.one("SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = current_schema()")) {
		switch name {
		case "bun_migrations", "bun_migration_locks", "installation": // when it was installed, and what is compared on its own
		default:
			tables[name] = s.one("SELECT COALESCE(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM " + name + " t")
		}
	}
	return tables
}

// one returns the text that a query gives.
func (s *site) one(query string) (text string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.dsn)
	s.must(err)
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	s.must(conn.QueryRow(s.t.Context(), query).Scan(&text))
	return text
}
