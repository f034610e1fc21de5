package apptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	program = "github.com/worklogdev/worklog/cmd/worklog"
	// buildTimeout is for an empty build cache, two cores and the race detector.
	buildTimeout = 15 * time.Minute
)

// shared is what the tests of one process have in common. A test function has no other way to reach it.
var shared resources

type resources struct {
	mu      sync.Mutex
	dir     string // of the program's copy
	built   bool
	path    string
	err     error
	browser *chromium
	app     *App // see Shared
	tests   int  // that share it
	spoiled string
}

func (r *resources) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.app != nil {
		r.spoiled = r.app.end()
	}
	if r.browser != nil {
		r.browser.close()
	}
	if r.dir != "" {
		_ = os.RemoveAll(r.dir)
	}
}

// binary returns the path of the program, built at the first call.
func binary(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	return shared.binary(t)
}

func (r *resources) binary(t testing.TB) string {
	t.Helper()
	if !r.built {
		r.built = true
		r.path, r.err = r.build()
	}
	if r.err != nil {
		t.Fatalf("build worklog: %v", r.err)
	}
	return r.path
}

// build makes the binary where all test processes of this source tree share it: the go command links it anew only when
// something has changed. Each process works with a link or copy of its own.
func (r *resources) build() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cache := filepath.Join(root, ".cache", "apptest")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // held for a build, which has a deadline
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	built := filepath.Join(cache, "worklog")
	if out, err := exec.CommandContext(ctx, "go", "build", "-race", "-o", built, program).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	if r.dir, err = os.MkdirTemp("", "worklog-apptest-"+strconv.Itoa(os.Getpid())+"-"); err != nil {
		return "", err
	}
	path := filepath.Join(r.dir, "worklog")
	if os.Link(built, path) == nil {
		return path, nil
	}
	return path, copyFile(built, path)
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
