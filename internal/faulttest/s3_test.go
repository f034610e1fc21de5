package faulttest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// objectStore is a server that speaks S3, and can keep whoever asks waiting.
type objectStore struct {
	url  string
	trap atomic.Pointer[trap]
}

// trap answers no request from the one on that it waits for.
type trap struct {
	method string
	left   atomic.Int64  // requests that are answered before
	shut   chan struct{} // closed when one waits
	open   chan struct{} // closed when whoever waits has been killed
}

func startObjectStore(t *testing.T) *objectStore {
	t.Helper()
	backend := s3mem.New()
	for _, bucket := range []string{"first", "second"} {
		if err := backend.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
	}
	s, answer := &objectStore{}, gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := s.trap.Load()
		if x == nil || r.Method != x.method || !strings.HasSuffix(r.URL.Path, ".zst") {
			answer.ServeHTTP(w, r)
			return
		}
		switch left := x.left.Add(-1); {
		case left >= 0:
			answer.ServeHTTP(w, r)
			return
		case left == -1:
			close(x.shut)
		}
		<-x.open
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// in has a program keep its archive in a bucket.
func (s *objectStore) in(bucket string) []apptest.Option {
	return []apptest.Option{
		apptest.WithEnv("WORKLOG_ARCHIVE_URL", "s3://"+bucket+"/some/prefix?region=us-east-1&endpoint="+s.url),
		apptest.WithEnv("AWS_ACCESS_KEY_ID", "key"), apptest.WithEnv("AWS_SECRET_ACCESS_KEY", "secret"),
	}
}

// killAt runs a command and kills it while it waits for an object after so many.
func (s *objectStore) killAt(t *testing.T, app *apptest.App, method string, after int64, args ...string) {
	t.Helper()
	x := &trap{method: method, shut: make(chan struct{}), open: make(chan struct{})}
	defer close(x.open)
	x.left.Store(after)
	s.trap.Store(x)
	killWhen(t, app, func() bool {
		select {
		case <-x.shut:
			return true
		default:
			return false
		}
	}, args...)
	s.trap.Store(nil)
}

func TestAnArchiveInAnObjectStoreGivesEverythingBackWhateverIsKilled(t *testing.T) {
	t.Parallel()
	s := startObjectStore(t)
	w := startAged(t, s.in("first")...)
	s.killAt(t, w.app, http.MethodPut, 1, "cleanup")
	w.checkRows()
	s.killAt(t, w.app, http.MethodGet, 1, "cleanup") // an object is written and not yet verified
	w.checkRows()
	w.app.Command("", "cleanup")
	w.checkRows()
	for name, age := range ages() {
		if n := w.count(name, age.status); n != each {
			t.Errorf("%s: %d of %d entries are %q", name, n, each, age.status)
		}
	}
	w.checkPayloads()
	if out := w.app.Command("", "archive", "verify"); strings.Contains(out, "orphan") || strings.HasPrefix(out, "0 objects") {
		t.Errorf("after the sweep:\n%s", out)
	}
	s.backUp(t, w)
	for _, name := range []string{"kept", "cold"} {
		s.killAt(t, w.app, http.MethodGet, 1, "restore", "--conversation", name)
		w.checkRows()
		w.app.Command("", "restore", "--conversation", name)
		w.checkRows()
		if n := w.count(name, worklog.StorageHot); n != each {
			t.Errorf("%s: %d of %d entries are hot after the restore", name, n, each)
		}
	}
	w.checkPayloads()
	w.app.Command("", "archive", "verify", "--prune")
	if out := w.app.Command("", "archive", "verify"); !strings.HasPrefix(out, "0 objects, 0 bytes") {
		t.Errorf("nothing is cold, and the archive has:\n%s", out)
	}
}

// backUp backs the installation up and restores it elsewhere, both killed while they are at the objects.
func (s *objectStore) backUp(t *testing.T, w *aged) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "worklog.backup")
	s.killAt(t, w.app, http.MethodGet, 2, "backup", file)
	if _, err := os.Stat(file); err == nil {
		t.Error("half a backup has the name of a whole one")
	}
	w.app.Command("", "backup", file)
	dsn := storetest.Empty(t)
	to := apptest.Start(t, append(s.in("second"), apptest.WithEnv("DATABASE_URL", dsn))...)
	to.Stop()
	target := connect(t, dsn)
	s.killAt(t, to, http.MethodPut, 2, "restore-backup", file)
	if n := count(t, target, "SELECT count(*) FROM users"); n > 0 {
		t.Errorf("half a restore left %d users", n)
	}
	to.Command("", "restore-backup", file)
	const sum = "SELECT count(*) + COALESCE(sum(hashtext(w::text)), 0)::bigint FROM work_logs w"
	if got, want := count(t, target, sum), count(t, w.db, sum); got != want {
		t.Errorf("the entries are not those that were backed up: %d, want %d", got, want)
	}
	if out := to.Command("", "archive", "verify"); strings.Contains(out, "orphan") || strings.HasPrefix(out, "0 objects") {
		t.Errorf("the restored archive:\n%s", out)
	}
}
