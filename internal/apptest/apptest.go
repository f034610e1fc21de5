// Package apptest runs the whole program as users do: the real binary, built with the race detector, as a process of its
// own, on a fresh database of a real PostgreSQL, and with a real Chromium where a test wants one.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { apptest.Main(m) }
//
// Tests that neither end the program nor change its settings share one, see [Shared].
package apptest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store/storetest"
)

const (
	// startTimeout bounds a start. All packages' tests share the machine, and the race detector makes the program slow.
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
	// keptLog bounds how much of the program's log is kept for a test that fails.
	keptLog = 1 << 20
	// shownLog is how much of it such a test prints.
	shownLog = 16 << 10
)

// Main runs the tests, and ends the database, the browser and all that the package started.
func Main(m *testing.M) {
	defer shared.failIfSpoiled()
	storetest.Main(m, shared.close)
}

// Option changes how the program is started.
type Option func(*App)

// WithEnv sets an environment variable of the program. An empty value removes it.
func WithEnv(name, value string) Option {
	return func(a *App) { a.env[name] = value }
}

// WithArgs adds arguments to "worklog serve".
func WithArgs(args ...string) Option {
	return func(a *App) { a.args = append(a.args, args...) }
}

// WithPrivatePostgres lets the program manage its own PostgreSQL in DataDir instead of using a database of the test's.
func WithPrivatePostgres() Option { return WithEnv("DATABASE_URL", "") }

// App is a running worklog.
type App struct {
	URL     string // without a trailing slash; it stays the same over restarts
	DSN     string // of its database; empty with WithPrivatePostgres
	DataDir string

	t      testing.TB
	binary string
	args   []string
	env    map[string]string
	log    *logBuffer
	users  map[string]bool
	tag    string // in the addresses of a test that shares the program
	at     string // what a proxy would say where its logins come from

	mu      sync.Mutex
	process *process // nil: not running
}

// Start starts the program and waits until it listens. It is stopped, and its log checked, when the test ends.
func Start(t testing.TB, opts ...Option) *App {
	t.Helper()
	a := newApp(t, t.TempDir())
	for _, o := range opts {
		o(a)
	}
	if _, given := a.env["DATABASE_URL"]; !given {
		a.DSN = storetest.DSN(t)
		a.env["DATABASE_URL"] = a.DSN
	}
	a.binary = binary(t)
	t.Cleanup(a.finish)
	a.start()
	return a
}

func newApp(t testing.TB, dir string) *App {
	return &App{t: t, DataDir: dir, args: []string{"serve"}, log: &logBuffer{}, users: map[string]bool{}, env: map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": dir, "DATA_DIR": dir,
		"LISTEN_ADDR": "127.0.0.1:0", "LOG_FORMAT": "json", "LOG_LEVEL": "debug",
		"WORKLOG_CLEANUP_AT": time.Now().UTC().Add(12 * time.Hour).Format("15:04"), // no test meets a sweep that it did not ask for
		"GORACE":             "atexit_sleep_ms=0",                                  // it waits a second at each exit for reports of other goroutines
	}}
}

// Kill ends the program with SIGKILL.
func (a *App) Kill() {
	a.t.Helper()
	a.mustOwn()
	if p := a.take(); p != nil {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// Stop ends the program with SIGTERM, as a service manager does. The test fails if it does not end well.
func (a *App) Stop() {
	a.t.Helper()
	a.mustOwn()
	p := a.take()
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		if p.err != nil {
			a.t.Errorf("worklog did not stop well: %v", p.err)
		}
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.ended
		a.t.Errorf("worklog did not stop within %s", stopTimeout)
	}
}

// Restart starts the program again, at the same address. One that is running is stopped first. Somebody else may have got
// the address meanwhile, for a connection: then it waits.
func (a *App) Restart() {
	a.t.Helper()
	a.Stop()
	a.env["LISTEN_ADDR"] = strings.TrimPrefix(a.URL, "http://")
	a.start()
}

// Binary is the path of the program.
func (a *App) Binary() string { return a.binary }

// PID is the process id of the running program.
func (a *App) PID() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process == nil {
		return 0
	}
	return a.process.cmd.Process.Pid
}

// Logs returns what the program has logged so far, over all starts; of a long log only the end.
func (a *App) Logs() string { return a.log.String() }

func (a *App) take() *process {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.process
	a.process = nil
	return p
}

func (a *App) environ() []string {
	var env []string
	for name, value := range a.env {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// process is one run of the program.
type process struct {
	cmd   *exec.Cmd
	url   chan string   // what it listens at
	ended chan struct{} // closed after err and inUse are written
	err   error
	inUse bool // another process has the address
}

func (a *App) start() {
	a.t.Helper()
	for deadline := time.Now().Add(startTimeout); !a.tryStart(time.Now().After(deadline)); {
		<-time.After(100 * time.Millisecond)
	}
}

// tryStart starts the program; false: its address is in use, and that is not the last try.
func (a *App) tryStart(last bool) bool {
	a.t.Helper()
	p := &process{cmd: exec.Command(a.binary, a.args...), url: make(chan string, 1), ended: make(chan struct{})}
	p.cmd.Env = a.environ()
	p.cmd.Stdout = a.log
	dieWithParent(p.cmd)
	started := make(chan error)
	go p.run(a.log, started)
	if err := <-started; err != nil {
		a.t.Fatalf("start worklog: %v", err)
	}
	a.mu.Lock()
	a.process = p
	a.mu.Unlock()
	select {
	case a.URL = <-p.url:
	case <-p.ended:
		if a.take(); p.inUse && !last {
			return false
		}
		a.t.Fatalf("worklog ended at its start: %v", p.err)
	case <-time.After(startTimeout):
		a.t.Fatalf("worklog does not listen after %s", startTimeout)
	}
	return true
}

// run starts the process and stays with it to its end, on one thread: the process dies with that thread.
func (p *process) run(log io.Writer, started chan<- error) {
	defer close(p.ended)
	runtime.LockOSThread()
	stderr, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}
	p.read(stderr, log)
	p.err = p.cmd.Wait()
}

// read copies the log and finds the line that says where the program listens.
func (p *process) read(r io.Reader, log io.Writer) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		_, _ = log.Write(line)
		p.inUse = p.inUse || bytes.Contains(line, []byte(syscall.EADDRINUSE.Error()))
		var said struct{ Msg, URL string }
		if bytes.Contains(line, []byte(`"listening"`)) && json.Unmarshal(line, &said) == nil && said.Msg == "listening" {
			select {
			case p.url <- said.URL:
			default: // only the first counts
			}
		}
		if err != nil {
			return
		}
	}
}

// finish stops the program at the end of the test, and looks for what must never be in its log.
func (a *App) finish() {
	a.Stop()
	if sign := spoiled(a.log.String()); sign != "" {
		a.t.Errorf("the log holds %q", sign)
	}
	a.showLog()
}

// spoiled returns what must never be in a log and is.
func spoiled(text string) string {
	for _, sign := range []string{"WARNING: DATA RACE", "panic:"} {
		if strings.Contains(text, sign) {
			return sign
		}
	}
	return ""
}

// showLog prints the end of the log with a test that has failed.
func (a *App) showLog() {
	if !a.t.Failed() {
		return
	}
	text := a.log.String()
	if len(text) > shownLog {
		text = "[...]" + text[len(text)-shownLog:]
	}
	a.t.Logf("the program's log:\n%s", text)
}

// logBuffer keeps the end of what is written to it.
type logBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	if len(b.text) > 2*keptLog {
		b.text = append([]byte(nil), b.text[len(b.text)-keptLog:]...)
	}
	return len(p), nil
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

// Eventually fails the test unless holds becomes true within a time that is long for a person and enough for a busy machine.
func Eventually(t testing.TB, claim string, holds func() bool) {
	t.Helper()
	const patience, pause = 30 * time.Second, 20 * time.Millisecond
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not true within %s: %s", patience, claim)
		case <-time.After(pause):
		}
	}
}
