package faulttest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// backedUp is how many entries a backup has: enough for a kill to meet it at work.
const backedUp = 20_000

// startLarge starts an installation with many entries of one user.
func startLarge(t *testing.T) (app *apptest.App, token string, db *pgx.Conn) {
	t.Helper()
	app = apptest.Start(t)
	token = app.User(apptest.Email)
	client := worklog.New(app.URL, token)
	if _, err := client.Append(t.Context(), worklog.Draft{Title: "the first"}); err != nil {
		t.Fatal(err)
	}
	db = connect(t, app.DSN)
	_, err := db.Exec(t.Context(), `INSERT INTO work_logs (owner_id, seq, rev, id, type, status, title, details, logged_at, created_at, updated_at)
		SELECT w.owner_id, 10 + i, 10 + i, gen_random_uuid(), 'info', 'info', 'entry ' || i, repeat(md5(i::text), 30), now(), now(), now()
		FROM work_logs w, generate_series(1, $1::int) i WHERE w.title = 'the first'`, backedUp)
	if err != nil {
		t.Fatal(err)
	}
	return app, token, db
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	return db
}

// killWhen runs a command and kills it as soon as it is where the test wants to meet it.
func killWhen(t *testing.T, app *apptest.App, there func() bool, args ...string) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	ended := make(chan error, 1)
	go func() {
		_, _, err := app.CommandUntil(ctx, "", args...)
		ended <- err
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !there() {
		select {
		case <-late:
			t.Fatalf("worklog %s is not where it is to be killed", args[0])
		case err := <-ended:
			t.Fatalf("worklog %s ended before it was killed: %v", args[0], err)
		case <-tick.C:
		}
	}
	kill()
	if err := <-ended; err == nil {
		t.Fatalf("worklog %s was done before it was killed", args[0])
	}
}

// holdLoading lets whoever loads entries wait until release. A restore locks their table itself, so that nobody else can.
func holdLoading(t *testing.T, dsn string) (release func()) {
	t.Helper()
	db := connect(t, dsn)
	run := func(sql string) {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END'")
	run("CREATE TRIGGER held BEFORE INSERT ON work_logs EXECUTE FUNCTION held()")
	run("SELECT pg_advisory_lock(7)")
	return func() { run("SELECT pg_advisory_unlock(7)") }
}

func count(t *testing.T, db *pgx.Conn, query string) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKilledBackupLeavesNoFileThatLooksWholeAndTheNextIsWhole(t *testing.T) {
	t.Parallel()
	app, _, db := startLarge(t)
	file := filepath.Join(t.TempDir(), "worklog.backup")
	tx, err := db.Begin(t.Context())
	if err == nil { // so that the users are in the file, and the entries can not be yet
		_, err = tx.Exec(t.Context(), "LOCK TABLE work_logs IN ACCESS EXCLUSIVE MODE")
	}
	if err != nil {
		t.Fatal(err)
	}
	killWhen(t, app, func() bool {
		info, err := os.Stat(file + ".partial")
		return err == nil && info.Size() > 0
	}, "backup", file)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("half a backup has the name of a whole one")
	}
	app.Command("", "backup", file)
	if _, err := os.Stat(file + ".partial"); err == nil {
		t.Error("what the killed one left is still there")
	}
}

func TestKilledRestoreLeavesTheInstallationEmptyAndTheNextFillsIt(t *testing.T) {
	t.Parallel()
	from, token, source := startLarge(t)
	file := filepath.Join(t.TempDir(), "worklog.backup")
	from.Command("", "backup", file)

	dsn := storetest.Empty(t)
	to := apptest.Start(t, apptest.WithEnv("DATABASE_URL", dsn))
	if _, said, err := to.TryCommand("", "restore-backup", file); err == nil || !strings.Contains(said, "stop it first") {
		t.Errorf("restored under a running server: %v, %s", err, said)
	}
	to.Stop()
	target := connect(t, dsn)
	const loading = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY "work_logs"%'`
	release := holdLoading(t, dsn)
	killWhen(t, to, func() bool { return count(t, target, loading) > 0 }, "restore-backup", file)
	release()
	apptest.Eventually(t, "the killed restore is gone", func() bool { return count(t, target, loading) == 0 })
	if n := count(t, target, "SELECT count(*) FROM users"); n > 0 {
		t.Errorf("half a restore left %d users", n)
	}
	to.Command("", "restore-backup", file)
	const sum = "SELECT count(*) + COALESCE(sum(hashtext(w::text)), 0)::bigint FROM work_logs w"
	if got, want := count(t, target, sum), count(t, source, sum); got != want {
		t.Errorf("the entries are not those that were backed up: %d, want %d", got, want)
	}
	const audited = "SELECT count(DISTINCT action) FROM audit WHERE actor = 'command line' AND action IN ('backup.write', 'backup.restore')"
	if n := count(t, target, audited); n != 2 {
		t.Errorf("%d of backup and restore are in the audit list", n)
	}
	to.Restart()
	client := worklog.New(to.URL, token) // which the backup had
	if _, err := client.Append(t.Context(), worklog.Draft{Title: "after the restore"}); err != nil {
		t.Error(err)
	}
}
