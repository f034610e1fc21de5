package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5"
)

func TestKillOfTheProgramEndsItsServerAndLosesNothing(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	other := run(t, dir, "-")
	dsn, err := RunningDSN(dir)
	if err != nil {
		t.Fatal(err)
	}
	query(t, dsn, "CREATE TABLE kept AS SELECT 7 AS n")
	server := postmaster(t, dir)
	other.kill(t)
	s := start(t, dir) // at once, while the old server may still be shutting down
	if works(server, dir) {
		t.Errorf("the server of the killed program (process %d) is still there", server)
	}
	if got := query(t, s.DSN(), "SELECT n::text FROM kept"); got != "7" {
		t.Errorf("the table holds %q", got)
	}
}

func TestOrphanedServerIsStopped(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	other := run(t, dir, "outlive")
	dsn, err := RunningDSN(dir)
	if err != nil {
		t.Fatal(err)
	}
	query(t, dsn, "CREATE TABLE kept AS SELECT 7 AS n")
	orphan := postmaster(t, dir)
	other.kill(t)
	if !works(orphan, dir) {
		t.Fatal("the server did not outlive its program")
	}
	s := start(t, dir)
	if works(orphan, dir) {
		t.Error("the orphan is still there")
	}
	if got := query(t, s.DSN(), "SELECT n::text FROM kept"); got != "7" {
		t.Errorf("the table holds %q", got)
	}
}

func TestKilledServerIsStartedAgainOnTheSameSocket(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	s := start(t, dir)
	query(t, s.DSN(), "CREATE TABLE kept AS SELECT 7 AS n")
	dsn := s.DSN()
	for range 3 {
		killed := postmaster(t, dir)
		if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another server runs", func() bool {
			lines := pidFile(filepath.Join(dir, "data"))
			return len(lines) > 0 && lines[0] != strconv.Itoa(killed)
		})
		if got := query(t, dsn, "SELECT n::text FROM kept"); got != "7" {
			t.Errorf("the table holds %q", got)
		}
	}
	select {
	case <-s.Done():
		t.Errorf("the server counts as down: %v", s.Err())
	default:
	}
}

func TestBusyBackendOfAKilledServerDoesNotBlockTheNext(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	s := start(t, dir)
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		// It computes without ever waiting, so nothing tells it that its postmaster is gone.
		_, err := conn.Exec(context.WithoutCancel(t.Context()), "SELECT count(*) FROM generate_series(1, 1000000000000) a")
		ended <- err
	}()
	eventually(t, "the query runs", func() bool {
		return query(t, s.DSN(), "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1000000000000%' AND pid <> pg_backend_pid()") == "1"
	})
	if err := syscall.Kill(postmaster(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the query of the killed server has ended well")
	}
	query(t, s.DSN(), "SELECT 'up'")
}

func TestLeftoversOfADeadServerDoNotStopTheNext(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	// After a reboot the recorded process id can belong to anybody: here to this test.
	leftover := strconv.Itoa(os.Getpid()) + "\n" + filepath.Join(dir, "data") + "\n1\n5432\n/tmp\n\n 1 1\nready   \n"
	if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(leftover), 0o600); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), socketPrefix+"old")
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(dir, "socket"): old + "\n", filepath.Join(old, socketFile): "", filepath.Join(old, socketFile+".lock"): leftover,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	query(t, start(t, dir).DSN(), "SELECT 'up'")
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old socket's directory is still there: %v", err)
	}
}

func TestForgedSocketRecordRemovesNothingElse(t *testing.T) {
	t.Parallel()
	dir, precious := clusterDir(t), t.TempDir()
	file := filepath.Join(precious, "file")
	for path, text := range map[string]string{file: "", filepath.Join(dir, "socket"): precious} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, dir)
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestDiscardRemovesWhatNobodyUses(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	other := run(t, dir, "outlive")
	if err := Discard(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("while a program runs: %v", err)
	}
	server := postmaster(t, dir)
	socket, err := recordedSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	other.kill(t)
	if err := Discard(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("while its server runs: %v", err)
	}
	if err := syscall.Kill(server, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it can be discarded", func() bool { return Discard(dir) == nil })
	for _, path := range []string{dir, socket} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func TestInterruptedCreationIsBegunAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	other := begin(t, dir, "-")
	eventually(t, "initdb is at work", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data.new", "base"))
		return err == nil
	})
	other.kill(t)
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("half a cluster looks like a whole one: %v", err)
	}
	query(t, start(t, dir).DSN(), "SELECT 'up'")
	if _, err := os.Stat(filepath.Join(dir, "data.new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished cluster is still there: %v", err)
	}
}

func TestDataOfAnotherMajorIsRefusedWithItsPackage(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	version := filepath.Join(dir, "data", "PG_VERSION")
	original, err := os.ReadFile(version)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(version, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "belongs to PostgreSQL 99") || !strings.Contains(err.Error(), "postgresql-99") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(version, original, 0o600); err != nil {
		t.Fatal(err)
	}
	query(t, start(t, dir).DSN(), "SELECT 'the data is untouched'")
}

func TestDirectoryThatIsNotAClusterIsNotTouched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "data", "thesis.txt")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "is not a PostgreSQL data directory") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestServerThatCannotStartIsGivenUpAfterAMinute(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log messages
		s := &Server{cluster: cluster{dir: dir, bin: "/nonexistent"}, socket: filepath.Join(dir, "socket"), log: log.logger()}
		failures := 0
		_, err := s.relaunch(t.Context(), &failures)
		if err == nil || !strings.Contains(err.Error(), "given up after 10 attempts") || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		if attempts := strings.Count(log.String(), "does not start"); attempts != maxRestarts {
			t.Errorf("%d attempts were logged", attempts)
		}
	})
}
