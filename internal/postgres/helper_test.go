package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience bounds every wait of a test. A machine that runs all packages' tests at once is slow.
const patience = time.Minute

// TestMain lets the test binary play a whole program that a test can kill.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "hold" {
		hold(os.Args[2], os.Args[3] == "outlive")
		return
	}
	defer func() { _ = os.RemoveAll(preparedDir()) }()
	m.Run()
}

// hold runs a server on dir until standard input ends, and says on standard output when it is up.
func hold(dir string, outlive bool) {
	s, err := Start(context.Background(), Options{Dir: dir, Outlive: outlive})
	fmt.Println("up", err)
	if err != nil {
		return
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	_ = s.Stop(context.Background())
}

// preparedDir is named after the process, so that no variable has to be shared with TestMain.
func preparedDir() string {
	return filepath.Join(os.TempDir(), "worklog-postgres-test-"+strconv.Itoa(os.Getpid()))
}

var prepare = sync.OnceValue(func() error {
	s, err := Start(context.Background(), Options{Dir: preparedDir()})
	if err != nil {
		return err
	}
	return s.Stop(context.Background())
})

// clusterDir returns a directory with a cluster that was stopped cleanly: a copy, because initdb takes two seconds.
func clusterDir(t *testing.T) string {
	t.Helper()
	if err := prepare(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "postgres")
	if out, err := exec.Command("cp", "-a", preparedDir(), dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the cluster: %v: %s", err, out)
	}
	return dir
}

// start runs a server on dir for the time of the test.
func start(t *testing.T, dir string) *Server {
	t.Helper()
	return startWith(t, Options{Dir: dir})
}

func startWith(t *testing.T, o Options) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// program is another process that runs a server.
type program struct {
	*exec.Cmd
	lines *bufio.Scanner
}

// run starts another program on dir and waits until its server is up.
func run(t *testing.T, dir, mode string) *program {
	t.Helper()
	p := begin(t, dir, mode)
	if line := p.line(); line != "up <nil>" {
		t.Fatalf("the other program says %q", line)
	}
	return p
}

// begin starts another program on dir. Its environment is hostile.
func begin(t *testing.T, dir, mode string) *program {
	t.Helper()
	cmd := exec.Command(os.Args[0], "hold", dir, mode)
	cmd.Env = append(os.Environ(), "PGDATA=/nonexistent", "PGPORT=1", "PGOPTIONS=-c search_path=nowhere", "PGSSLMODE=verify-full")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return &program{Cmd: cmd, lines: bufio.NewScanner(stdout)}
}

func (p *program) line() string {
	p.lines.Scan()
	return p.lines.Text()
}

// kill ends the program without any chance to clean up.
func (p *program) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
}

// postmaster returns the id of the server process.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.Join(pidFile(filepath.Join(dir, "data"))[:1], ""))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// works reports whether the process works on the data in dir. A zombie that nobody has waited for does not.
func works(pid int, dir string) bool {
	return slices.Contains(serverProcesses(filepath.Join(dir, "data")), pid)
}

// query runs one statement and returns its only value as text. It connects anew until the server lets it.
func query(t *testing.T, dsn, sql string) (value string) {
	t.Helper()
	eventually(t, "the server answers", func() bool {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close(t.Context()) }()
		if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatalf("%s: %v", sql, err)
		}
		return true
	})
	return value
}

func eventually(t *testing.T, claim string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not true within %s: %s", patience, claim)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// messages collects what is logged.
type messages struct {
	mu   sync.Mutex
	text strings.Builder
}

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(p)
}

func (m *messages) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

func (m *messages) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(m, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
