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
	isCut    bool
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
	w.accept(t, w.carry)
}

// Hang ends all connections and lets new ones in, which get no answer: a server that is frozen, or a network that
// swallows everything. Cut ends it.
func (w *Wire) Hang(t testing.TB) {
	t.Helper()
	w.Cut()
	w.accept(t, func(c net.Conn) {
		if w.keep(c) {
			_, _ = io.Copy(io.Discard, c) // until Cut closes it
			w.drop(c)
		}
	})
}

// keep notes connections for Cut; false: the wire is cut, and they are closed.
func (w *Wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		if w.isCut {
			_ = c.Close()
		} else {
			w.conns[c] = true
		}
	}
	return !w.isCut
}

func (w *Wire) drop(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		delete(w.conns, c)
	}
}

func (w *Wire) accept(t testing.TB, carry func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("unix", w.from)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.listener, w.isCut = l, false
	w.mu.Unlock()
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { carry(c) })
		}
	})
}

// Cut ends all connections and refuses new ones.
func (w *Wire) Cut() {
	w.mu.Lock()
	w.isCut = true
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
	if !w.keep(client, server) {
		return
	}
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
	w.drop(client, server)
}
