package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestFirstStartMakesAClusterAndLaterOnesKeepIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data dir", "postgres")
	s := start(t, dir)
	query(t, s.DSN(), "CREATE TABLE kept AS SELECT 7 AS n")
	if got := query(t, s.DSN(), "SELECT current_database() || ' ' || current_user || ' ' || pg_encoding_to_char(encoding) || ' ' || datcollate FROM pg_database WHERE datname = current_database()"); got != "worklog worklog UTF8 C" {
		t.Errorf("database, user, encoding and collation are %q", got)
	}
	if got := query(t, s.DSN(), "SELECT lower('ÄÉ')"); got != "äé" {
		t.Errorf("lower('ÄÉ') is %q: the character type does not know letters beyond ASCII", got)
	}
	stop(t, s)
	if err := s.Err(); err != nil {
		t.Errorf("Err after a clean stop: %v", err)
	}

	s = start(t, dir)
	if got := query(t, s.DSN(), "SELECT n::text FROM kept"); got != "7" {
		t.Errorf("after a restart the table holds %q", got)
	}
}

func TestServerListensOnAPrivateSocketOnly(t *testing.T) {
	t.Parallel()
	s := start(t, clusterDir(t))
	if got := query(t, s.DSN(), "SHOW listen_addresses"); got != "" {
		t.Errorf("it listens on TCP: %q", got)
	}
	info, err := os.Stat(s.socket)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the socket's directory has mode %o", mode)
	}
	socket := s.socket
	stop(t, s)
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's directory is left behind: %v", err)
	}
}

func TestSocketFitsHoweverLongTheDirectoryIs(t *testing.T) {
	t.Parallel()
	long := filepath.Join(filepath.Dir(clusterDir(t)), strings.Repeat("long", 40))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(long, "postgres")
	if err := os.Rename(filepath.Join(filepath.Dir(long), "postgres"), dir); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	if path := filepath.Join(s.socket, socketFile); len(path) > maxSocketPath {
		t.Errorf("%d bytes: %s", len(path), path)
	}
	query(t, s.DSN(), "SELECT 'up'")
}

func TestServerIsReachedWhateverItsDirectoryIsCalled(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "a,b", "a+b", "a%41b", "a'b"} {
		base, err := os.MkdirTemp("", "pg") // short, and open to the server's user: the socket lies in it
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(base) })
		within := filepath.Join(base, name)
		if err := errors.Join(os.Chmod(base, 0o711), os.Mkdir(within, 0o711), os.Rename(clusterDir(t), filepath.Join(within, "postgres"))); err != nil {
			t.Fatal(err)
		}
		s := start(t, filepath.Join(within, "postgres"))
		query(t, s.DSN(), "SELECT 'up'")
		stop(t, s)
	}
}

func TestInterruptKeyDoesNotReachTheServer(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	start(t, dir)
	group, err := syscall.Getpgid(postmaster(t, dir))
	if err != nil || group == syscall.Getpgrp() {
		t.Errorf("the server is in the program's process group (%d): %v", group, err)
	}
}

func TestSecondProgramIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	other := run(t, dir, "-")
	_, err := Start(t.Context(), Options{Dir: dir})
	want := fmt.Sprintf("%s is in use by another worklog (process %d)", dir, other.Process.Pid)
	if !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	dsn, err := RunningDSN(dir)
	if err != nil {
		t.Fatalf("the refused start has harmed the other program: %v", err)
	}
	query(t, dsn, "SELECT 'still there'")
}

func TestRunningDSNReachesTheServerOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	if dsn, err := RunningDSN(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before any start: %q, %v", dsn, err)
	}
	other := run(t, dir, "-")
	dsn, err := RunningDSN(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, dsn, "SELECT 'hello'"); got != "hello" {
		t.Errorf("got %q", got)
	}
	other.kill(t)
	eventually(t, "a killed program's server is not running", func() bool {
		_, err := RunningDSN(dir)
		return errors.Is(err, ErrNotRunning)
	})
	stop(t, start(t, dir)) // removes the socket that the killed program has left behind
}

func TestStopDoesNotWaitForOpenTransactions(t *testing.T) {
	t.Parallel()
	s := start(t, clusterDir(t))
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; CREATE TABLE unfinished (n int)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), fastPatience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestStopMayBeCalledAgain(t *testing.T) {
	t.Parallel()
	s := start(t, clusterDir(t))
	stop(t, s)
	stop(t, s)
	select {
	case <-s.Done():
	default:
		t.Error("Done is not closed after Stop")
	}
}

func TestStopReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	s := start(t, clusterDir(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		select {
		case <-s.Done(): // it was that fast
		default:
			t.Errorf("got %v", err)
		}
	}
	stop(t, s)
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	dir := t.TempDir()
	if s, err := Start(ctx, Options{Dir: dir}); err == nil {
		stop(t, s)
		t.Fatal("a cluster was made in 50 ms")
	}
	query(t, start(t, dir).DSN(), "SELECT 'a later start works'")
}

func TestLogHoldsNoContents(t *testing.T) {
	t.Parallel()
	var log messages
	s := startWith(t, Options{Dir: clusterDir(t), Log: log.logger()})
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"CREATE TABLE people (email text PRIMARY KEY)",
		"INSERT INTO people VALUES ('private@example.org')",
		"INSERT INTO people VALUES ('private@example.org')",
		"SELECT 'private@example.org' FROM nowhere",
	} {
		_, _ = conn.Exec(t.Context(), sql)
	}
	_ = conn.Close(t.Context())
	stop(t, s)
	if text := log.String(); strings.Contains(text, "private") || !strings.Contains(text, "people_pkey") {
		t.Errorf("the log should name the constraint and not the value:\n%s", text)
	}
}

func TestSettingsOfTheCallerWinExceptForTheSocket(t *testing.T) {
	t.Parallel()
	s := startWith(t, Options{Dir: clusterDir(t), Settings: map[string]string{"max_connections": "17", "listen_addresses": "*"}})
	if got := query(t, s.DSN(), "SHOW max_connections"); got != "17" {
		t.Errorf("max_connections is %s", got)
	}
	if got := query(t, s.DSN(), "SHOW listen_addresses"); got != "" {
		t.Errorf("listen_addresses is %s", got)
	}
}

func TestWrongSettingIsReportedInTheServersWords(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Dir: clusterDir(t), Settings: map[string]string{"max_connections": "many"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "max_connections": "many"`) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkFirstStart(b *testing.B) {
	for b.Loop() {
		s, err := Start(b.Context(), Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = s.Stop(context.Background())
		b.StartTimer()
	}
}

func BenchmarkLaterStart(b *testing.B) {
	if err := prepare(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Start(b.Context(), Options{Dir: preparedDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = s.Stop(context.Background())
		b.StartTimer()
	}
}
