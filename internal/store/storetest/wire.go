package storetest

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Wire stands between a program and its database, and can be cut.
type Wire struct {
	DSN      string // for the program
	from, to string // sockets

	// tap, if set, gets what the server says on a connection.
	tap func() io.WriteCloser

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

const socketName = ".s.PGSQL.5432"

// NewWire returns a wire to the database at dsn. It ends with the test.
func NewWire(t testing.TB, dsn string) *Wire {
	t.Helper()
	return newWire(t, dsn, nil)
}

func newWire(t testing.TB, dsn string, tap func() io.WriteCloser) *Wire {
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
	w := &Wire{from: filepath.Join(dir, socketName), to: filepath.Join(q.Get("host"), socketName), conns: make(map[net.Conn]bool), tap: tap}
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	w.DSN = u.String()
	t.Cleanup(func() {
		w.Cut()
		_ = os.RemoveAll(dir)
	})
	w.Mend(t)
	return w
}

// Mend lets connections through.
func (w *Wire) Mend(t testing.TB) {
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

// Cut ends all connections and refuses new ones.
func (w *Wire) Cut() {
	w.mu.Lock()
	_ = w.listener.Close()
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

func (w *Wire) carry(client net.Conn) {
	server, err := net.Dial("unix", w.to)
	if err != nil {
		_ = client.Close()
		return
	}
	w.mu.Lock()
	w.conns[client], w.conns[server] = true, true
	w.mu.Unlock()
	var said io.Reader = server
	if w.tap != nil {
		listener := w.tap()
		defer func() { _ = listener.Close() }()
		said = io.TeeReader(server, listener)
	}
	var both sync.WaitGroup
	for to, from := range map[net.Conn]io.Reader{server: client, client: said} {
		both.Go(func() {
			_, _ = io.Copy(to, from)
			_ = client.Close()
			_ = server.Close()
		})
	}
	both.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, client)
	delete(w.conns, server)
}
