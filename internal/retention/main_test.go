package retention_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const day = 24 * time.Hour

// world is an installation whose clock the test moves.
type world struct {
	*store.Store
	t       *testing.T
	ctx     context.Context
	dsn     string
	raw     *pgx.Conn
	dir     string // of the archive
	now     time.Time
	sweeper *retention.Sweeper
	archive *archive.Archive
	ann     account.User
	bob     account.User
}

func setup(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return setupAlone(t)
}

// setupAlone is setup for a test that no other runs beside.
func setupAlone(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), dsn: storetest.DSN(t), dir: filepath.Join(t.TempDir(), "archive"), now: time.Now().UTC().Truncate(time.Second)}
	w.Store = storetest.Open(t, w.dsn)
	var err error
	if w.raw, err = pgx.Connect(w.ctx, w.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.raw.Close(context.Background()) })
	for _, u := range []struct {
		email string
		user  *account.User
	}{{"ann@example.org", &w.ann}, {"bob@example.org", &w.bob}} {
		if *u.user, err = w.CreateUser(w.ctx, u.email, "", false); err != nil {
			t.Fatal(err)
		}
	}
	bucket, err := archive.Open("file://"+w.dir, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	w.use(bucket)
	return w
}

// use sweeps with another bucket from here on, as a process that was just started does.
func (w *world) use(b archive.Bucket) {
	w.t.Helper()
	id, err := w.Installation(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	w.archive = archive.New(b, id, w.Store)
	w.sweeper = w.newSweeper()
}

func (w *world) newSweeper() *retention.Sweeper {
	return retention.New(w.Store, w.archive, retention.Settings{
		Hot: 7 * day, Warm: 30 * day, Cold: 90 * day, At: 3 * time.Hour, Now: func() time.Time { return w.now },
	})
}

// log writes entries for a user.
func (w *world) log(user account.User, drafts ...worklog.Draft) (ids []string) {
	w.t.Helper()
	batch := store.Batch{Now: w.now}
	for _, d := range drafts {
		d.Normalize()
		batch.Writes = append(batch.Writes, store.Write{
			Owner: user.ID, EntryID: uuid.Must(uuid.NewV7()).String(), Key: d.Key, Conversation: d.Conversation, Facts: change.Of(&d, w.now),
		})
	}
	results, locked, err := w.Append(w.ctx, batch)
	if err != nil || len(locked) > 0 {
		w.t.Fatalf("append: %v, locked %v", err, locked)
	}
	for _, r := range results {
		ids = append(ids, r.Row.ID)
	}
	return ids
}

// aged is a draft that was logged so many days ago, with output that compresses well.
func (w *world) aged(days float64, title string) worklog.Draft {
	at := w.now.Add(-time.Duration(days * float64(day)))
	return worklog.Draft{
		Title: title, Type: worklog.TypeToolCall, Status: worklog.StatusSuccess, Tool: "Bash", LoggedAt: &at, Conversation: "work",
		Details: "output of " + title + "\n" + strings.Repeat("ok  package\t0.1s\n", 40), Metadata: worklog.Metadata{"title": title, "n": 1},
	}
}

// sweep sweeps once and checks the counters.
func (w *world) sweep() retention.Report {
	w.t.Helper()
	r, err := w.sweeper.Run(w.ctx, retention.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.check()
	return r
}

// statuses tells the storage status of each entry of a user that is left, by title.
func (w *world) statuses(user account.User) string {
	w.t.Helper()
	return one[string](w, `SELECT COALESCE(string_agg(title || ':' || storage_status, ' ' ORDER BY title), '') FROM work_logs WHERE owner_id = $1`, user.ID)
}

func (w *world) want(user account.User, want string) {
	w.t.Helper()
	if got := w.statuses(user); got != want {
		w.t.Errorf("entries are %q, want %q", got, want)
	}
}

// check compares every counter with the rows that it counts.
func (w *world) check() {
	w.t.Helper()
	for claim, query := range map[string]string{
		"counters per storage status": `SELECT count(*) FROM work_log_stats s WHERE (hot, warm, cold, archived) <> (SELECT count(*) FILTER (WHERE storage_status = 'hot'),
			count(*) FILTER (WHERE storage_status = 'warm'), count(*) FILTER (WHERE storage_status = 'cold'), count(*) FILTER (WHERE storage_status = 'archived')
			FROM work_logs w WHERE w.owner_id = s.owner_id)`,
		"counters of bytes": `SELECT count(*) FROM work_log_stats s WHERE bytes <> (SELECT COALESCE(sum(octet_length(title) + octet_length(details) +
			COALESCE(octet_length(details_z), 0) + octet_length(metadata::text)), 0) FROM work_logs w WHERE w.owner_id = s.owner_id)`,
		"counters of bytes per storage status": `SELECT count(*) FROM work_log_stats s WHERE (warm_bytes, cold_bytes, archived_bytes) <> (SELECT
			COALESCE(sum(size) FILTER (WHERE storage_status = 'warm'), 0), COALESCE(sum(size) FILTER (WHERE storage_status = 'cold'), 0),
			COALESCE(sum(size) FILTER (WHERE storage_status = 'archived'), 0) FROM (SELECT w.storage_status, octet_length(title) + octet_length(details) +
			COALESCE(octet_length(details_z), 0) + octet_length(metadata::text) AS size FROM work_logs w WHERE w.owner_id = s.owner_id) w)`,
		"counters of conversations": `SELECT count(*) FROM conversations c WHERE (entry_count, working_count, error_count) <> (SELECT count(*),
			count(*) FILTER (WHERE status = 'working'), count(*) FILTER (WHERE status = 'error') FROM work_logs w WHERE w.owner_id = c.owner_id AND w.conversation_id = c.id)`,
		"rows of archive objects": `SELECT count(*) FROM archive_objects o WHERE rows <> (SELECT count(*) FROM work_logs w WHERE w.archive_url = o.name)`,
		"rows whose object nobody knows": `SELECT count(*) FROM work_logs w WHERE archive_url IS NOT NULL
			AND NOT EXISTS (SELECT FROM archive_objects o WHERE o.name = w.archive_url AND o.owner_id = w.owner_id)`,
		"rows that have two payloads, or none where there was one": `SELECT count(*) FROM work_logs WHERE (archive_url IS NOT NULL AND (details <> '' OR details_z IS NOT NULL OR metadata <> '{}'))
			OR (details_z IS NOT NULL AND details <> '') OR ((details_z IS NOT NULL) <> (compression_level > 0))`,
	} {
		if n := one[int](w, query); n != 0 {
			w.t.Errorf("%d wrong: %s", n, claim)
		}
	}
}

func one[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	if err := w.raw.QueryRow(w.ctx, sql, args...).Scan(&v); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// files lists the objects that lie in the archive.
func (w *world) files() (names []string) {
	w.t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".archive" { // which marks the folder
			name, _ := filepath.Rel(w.dir, path)
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// read reads an entry as its page does.
func (w *world) read(user account.User, id string) store.Row {
	w.t.Helper()
	row, err := w.Entry(w.ctx, user.ID, id)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = w.archive.Fill(w.ctx, &row) // the row says what came of it
	return row
}

// wantWhole fails unless the entry has what a draft had.
func (w *world) wantWhole(user account.User, id string, d worklog.Draft) {
	w.t.Helper()
	d.Normalize()
	row := w.read(user, id)
	if row.Details != d.Details || fmt.Sprint(row.Metadata) != fmt.Sprint(d.Metadata) || row.DetailsBytes != len(d.Details) {
		w.t.Errorf("%s (%s, %s) has %d of %d bytes of details and metadata %v", d.Title, row.StorageStatus, row.Archive, len(row.Details), len(d.Details), row.Metadata)
	}
}

func openFolder(dir string) (archive.Bucket, error) {
	return archive.Open("file://"+dir, archive.Credentials{})
}
