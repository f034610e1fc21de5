package apptest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store/storetest"
)

// Shared returns the one program of the test process for tests that neither end it nor need settings of their own. It
// has no limit of entries a minute. Every test has users of its own in it: ada@example.org is another address in each.
//
// Starting a program costs more than most tests that look at one.
func Shared(t testing.TB) *App {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.app == nil {
		shared.app = startShared(t)
	}
	shared.tests++
	base := shared.app
	a := &App{
		URL: base.URL, DSN: base.DSN, DataDir: base.DataDir, t: t, binary: base.binary, env: base.env, log: base.log, users: map[string]bool{},
		tag: fmt.Sprint(shared.tests), at: fmt.Sprintf("10.0.%d.%d", shared.tests/250, 1+shared.tests%250), // else all tests together would look like somebody who guesses passwords
	}
	t.Cleanup(a.showLog)
	return a
}

// startShared starts the program; the caller holds the lock of what is shared.
func startShared(t testing.TB) *App {
	t.Helper()
	dir, err := os.MkdirTemp("", "worklog-shared-")
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(t, dir)
	if a.DSN, err = storetest.Lasting(); err != nil {
		t.Fatal(err)
	}
	a.env["DATABASE_URL"], a.env["WORKLOG_RATE_LIMIT"], a.env["TRUSTED_PROXIES"] = a.DSN, "1000000", "127.0.0.1"
	a.binary = shared.binary(t)
	a.start()
	return a
}

// end stops the shared program after the last test and returns what is wrong with it.
func (a *App) end() string {
	defer func() { _ = os.RemoveAll(a.DataDir) }()
	p := a.take()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	err := errors.New("it took too long")
	select {
	case <-p.ended:
		err = p.err
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	if sign := spoiled(a.log.String()); sign != "" {
		_, after, _ := strings.Cut(a.log.String(), sign)
		return fmt.Sprintf("the log of the shared program holds %q:%.8000s", sign, after)
	}
	if err != nil {
		return fmt.Sprintf("the shared program did not stop well: %v", err)
	}
	return ""
}

// failIfSpoiled fails the test process when the shared program was not in order: no test is there any more that could.
func (r *resources) failIfSpoiled() {
	if r.spoiled != "" {
		panic(r.spoiled)
	}
}

// mustOwn fails a test that would end the program of others.
func (a *App) mustOwn() {
	a.t.Helper()
	if a.tag != "" {
		a.t.Fatal("this program is shared: Start one for a test that ends it")
	}
}

// address is the user that a test calls email.
func (a *App) address(email string) string {
	name, domain, ok := strings.Cut(email, "@")
	if a.tag == "" || !ok {
		return email
	}
	return name + "+" + a.tag + "@" + domain
}
