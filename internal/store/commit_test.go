package store_test

import (
	"bytes"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// cutter is a connection to PostgreSQL that breaks in the moment of a commit.
type cutter struct {
	backend string // the server's socket
	// arm makes the next COMMIT lose its answer: with forward it reached the server, without it did not.
	arm, forward atomic.Bool
	// fatal ends the connection in the server's words.
	fatal atomic.Bool
	// answered is how many bytes the server has sent.
	answered atomic.Int64
}

// serve proxies until the listener closes.
func (c *cutter) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go c.proxy(client)
	}
}

func (c *cutter) proxy(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", c.backend)
	if err != nil {
		return
	}
	defer server.Close()
	var cut atomic.Bool
	answered := make(chan struct{})
	go func() { // answers
		defer close(answered)
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			c.answered.Add(int64(n))
			if cut.Load() {
				if bytes.Contains(buf[:n], []byte("COMMIT\x00")) { // the command tag: it is committed
					if c.fatal.Load() {
						bye := pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01", Message: "terminating connection due to administrator command"}
						wire, _ := bye.Encode(nil)
						_, _ = client.Write(wire)
					}
					client.Close()
					return
				}
				continue
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("COMMIT\x00")) && c.arm.CompareAndSwap(true, false) {
			if !c.forward.Load() {
				return
			}
			cut.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if cut.Load() {
			<-answered
			return
		}
	}
}

// setupCut returns a bundle whose store reaches the server through a cutter.
func setupCut(t *testing.T) (*bundle, *cutter) {
	t.Helper()
	dsn := storetest.DSN(t)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{backend: filepath.Join(config.Host, ".s.PGSQL.5432")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go c.serve(l)
	through := url.URL{Scheme: "postgres", User: url.User(config.User), Host: l.Addr().String(), Path: "/" + config.Database, RawQuery: "sslmode=disable"}
	b := &bundle{Store: storetest.Open(t, through.String()), ctx: t.Context(), dsn: dsn}
	b.raw = b.connect(t)
	b.user, err = b.CreateUser(b.ctx, "ann@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

func TestACommitWhoseAnswerWasLostIsReadBack(t *testing.T) {
	t.Parallel()
	b, c := setupCut(t)
	b.append(t, worklog.Draft{Title: "before"})
	c.forward.Store(true)
	for _, fatal := range []bool{false, true} {
		c.fatal.Store(fatal)
		c.arm.Store(true)
		r := b.append(t, worklog.Draft{Title: "in doubt", Metadata: worklog.Metadata{"fatal": fatal}})[0]
		wantOutcome(t, r, worklog.OutcomeStored)
		if n := one[int](t, b, "SELECT count(*) FROM work_logs WHERE id = $1", r.Row.ID); n != 1 || c.arm.Load() {
			t.Errorf("%d rows, still armed: %v", n, c.arm.Load())
		}
	}
}

func TestACommitThatNeverArrivedIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	b, c := setupCut(t)
	b.append(t, worklog.Draft{Title: "before"})
	c.arm.Store(true)
	w := b.write(worklog.Draft{Title: "lost"})
	_, _, err := b.Append(b.ctx, store.Batch{Now: time.Now().UTC(), Writes: []store.Write{w}})
	if worklog.CodeOf(err) != worklog.CodeUnavailable {
		t.Fatalf("error %v", err)
	}
	if n := one[int](t, b, "SELECT count(*) FROM work_logs"); n != 1 {
		t.Errorf("%d rows", n)
	}
	wantOutcome(t, b.append(t, worklog.Draft{Title: "lost"})[0], worklog.OutcomeStored)
}

// Nothing that such a batch did is done a second time, and nothing is told that did not happen.
func TestACommitWithoutNewEntriesWhoseAnswerWasLostIsReadBack(t *testing.T) {
	t.Parallel()
	b, c := setupCut(t)
	running := worklog.Draft{Title: "Bash: make", Key: "k", Status: worklog.StatusWorking}
	ended := worklog.Draft{Title: "Bash: make", Key: "k", Status: worklog.StatusSuccess}
	b.append(t, running)
	counted := store.Batch{Now: time.Now().UTC(), Counts: map[int64]worklog.Counts{b.user.ID: {Merged: 3, Limited: 2}}}
	for _, arrives := range []bool{false, true} {
		for what, batch := range map[string]store.Batch{"counts": counted, "update": {Now: time.Now().UTC(), Writes: []store.Write{b.write(ended)}}} {
			c.forward.Store(arrives)
			c.arm.Store(true)
			_, _, err := b.Append(b.ctx, batch)
			if (err == nil) != arrives || c.arm.Load() {
				t.Errorf("%s, arrives: %v: error %v, still armed: %v", what, arrives, err, c.arm.Load())
			}
			if err != nil && worklog.CodeOf(err) != worklog.CodeUnavailable {
				t.Errorf("%s: error %v", what, err)
			}
		}
	}
	if got := one[string](t, b, "SELECT format('%s %s %s', merged, limited, updated) FROM work_log_stats"); got != "3 2 1" {
		t.Errorf("merged, limited, updated: %s", got)
	}
}
