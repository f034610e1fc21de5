package faulttest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// wire stands between the program and its database, and can be cut.
type wire struct {
	dsn      string // for the program
	from, to string // sockets

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

const socketName = ".s.PGSQL.5432"

func newWire(t *testing.T, dsn string) *wire {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "wire-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	w := &wire{from: filepath.Join(dir, socketName), to: filepath.Join(q.Get("host"), socketName), conns: make(map[net.Conn]bool)}
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	w.dsn = u.String()
	t.Cleanup(func() {
		w.cut()
		_ = os.RemoveAll(dir)
	})
	w.mend(t)
	return w
}

// mend lets connections through.
func (w *wire) mend(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", w.from)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.listener = l
	w.mu.Unlock()
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.carry(c) })
		}
	})
}

// cut ends all connections and refuses new ones.
func (w *wire) cut() {
	w.mu.Lock()
	_ = w.listener.Close()
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

func (w *wire) carry(client net.Conn) {
	server, err := net.Dial("unix", w.to)
	if err != nil {
		_ = client.Close()
		return
	}
	w.mu.Lock()
	w.conns[client], w.conns[server] = true, true
	w.mu.Unlock()
	var both sync.WaitGroup
	for _, c := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(c[0], c[1])
			_ = c[0].Close()
			_ = c[1].Close()
		})
	}
	both.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, client)
	delete(w.conns, server)
}

// post sends one draft without a client that would try again.
func post(t *testing.T, app *apptest.App, token, body string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.URL+"/api/v1/logs", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestWritersAreToldThatTheDatabaseIsAwayAndStoredWhenItIsBack_S23(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	w := newWire(t, dsn)
	app := apptest.Start(t, apptest.WithEnv("DATABASE_URL", w.dsn))
	token := app.User(apptest.Email)
	if res := post(t, app, token, `{"title":"before","key":"before"}`); res.StatusCode != http.StatusCreated {
		t.Fatalf("before: %s", res.Status)
	}

	w.cut()
	for _, key := range []string{"away-1", "away-2"} {
		res := post(t, app, token, `{"title":"while the database is away","key":"`+key+`"}`)
		if res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %s, want 503", key, res.Status)
		}
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || s < 1 {
			t.Errorf("%s: Retry-After %q", key, res.Header.Get("Retry-After"))
		}
		if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") {
			t.Errorf("%s: content type %q", key, got)
		}
	}
	wantStatus(t, app.URL+"/readyz", http.StatusServiceUnavailable)
	wantStatus(t, app.URL+"/healthz", http.StatusOK)

	w.mend(t)
	client := worklog.New(app.URL, token, worklog.WithTimeout(time.Minute))
	for _, key := range []string{"before", "away-1", "away-2"} {
		title := "while the database is away"
		want := worklog.OutcomeStored
		if key == "before" {
			title, want = "before", worklog.OutcomeUnchanged
		}
		receipts, err := client.Append(t.Context(), worklog.Draft{Title: title, Key: key})
		if err != nil || receipts[0].Outcome != want {
			t.Errorf("%s: %v, %v, want %s", key, receipts, err, want)
		}
	}
	wantStatus(t, app.URL+"/readyz", http.StatusOK)
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	checkCounters(t, db)
}

func wantStatus(t *testing.T, url string, want int) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != want {
		t.Errorf("%s: %s, want %d", url, res.Status, want)
	}
}

func TestNothingAcknowledgedIsLostWhenEveryConnectionIsCutAgainAndAgain_S23(t *testing.T) {
	t.Parallel()
	wire := newWire(t, storetest.DSN(t))
	app := apptest.Start(t, apptest.WithEnv("DATABASE_URL", wire.dsn), apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))
	w := startWriters(t, app)
	for range 10 {
		w.progress(t, between/2)
		wire.cut()
		wire.mend(t)
	}
	w.progress(t, between)
	w.check(t, wire.dsn)
}

func TestNothingAcknowledgedIsLostInAStormOfTerminatedBackends_S23(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))
	w := startWriters(t, app)
	db, err := pgx.Connect(t.Context(), app.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	ended := 0
	for range 20 {
		w.progress(t, between/4)
		var n int
		err := db.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		ended += n
	}
	if ended < 20 {
		t.Errorf("only %d backends were ended: nothing is proven", ended)
	}
	w.progress(t, between)
	w.check(t, app.DSN)
}
