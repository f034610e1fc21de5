package sse

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"time"
)

// Serve answers r with an event stream that body writes, until body returns or ctx, which is body's, ends because the
// reader has gone. Nothing may have been written before. W should be the server's own ResponseWriter: the errors of a
// flush do not pass through every wrapper.
//
// Over HTTP/1.1 it takes the connection from the server and returns at once; spawn then runs the rest. Decision: of the
// 44 KB that an idle stream costs as an ordinary answer, nine tenths are the server's buffers, the request and the
// stack that the handler's callers have grown. A stream needs none of them for its hour. Body must therefore hold on to
// nothing of the request.
func Serve(w http.ResponseWriter, r *http.Request, spawn func(func()), body func(ctx context.Context, w *Writer)) {
	if r.ProtoMajor == 1 && r.ProtoMinor == 1 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t := &taken{conn: conn, pending: head(w.Header())}
			spawn(func() { t.serve(body) })
			return
		}
	}
	body(r.Context(), &Writer{t: newAnswer(w)})
}

// head is the beginning of the answer on a connection that ends with it.
func head(h http.Header) []byte {
	setHeaders(h)
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	b := bytes.NewBufferString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// taken is a connection that the server has given up.
type taken struct {
	conn    net.Conn
	pending []byte // the batch, if it is more than one piece
	single  []byte // the batch, if it is one: it belongs to somebody else
}

func (t *taken) serve(body func(context.Context, *Writer)) {
	defer func() { _ = t.conn.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		watch(t.conn)
		cancel()
	}()
	defer func() { // in the order: end the connection, and with it the watcher
		_ = t.conn.Close()
		<-gone
	}()
	body(ctx, &Writer{t: t})
}

// watch returns when the reader has gone: it has nothing to say.
func watch(conn net.Conn) {
	ignored := make([]byte, 16)
	for {
		if _, err := conn.Read(ignored); err != nil {
			return
		}
	}
}

// Write keeps b, which must not change, until Flush. One event alone is not copied.
func (t *taken) Write(b []byte) (int, error) {
	switch {
	case t.pending == nil && t.single == nil:
		t.single = b
	case t.pending == nil:
		t.pending = append(append(make([]byte, 0, 2*(len(t.single)+len(b))), t.single...), b...)
		t.single = nil
	default:
		t.pending = append(t.pending, b...)
	}
	return len(b), nil
}

// Flush sends the batch in one write.
func (t *taken) Flush() error {
	batch := t.single
	if t.pending != nil {
		batch = t.pending
	}
	t.single, t.pending = nil, nil
	_, err := t.conn.Write(batch)
	return err
}

// SetWriteDeadline bounds the next write. One that has passed harms nothing here: every write has its own.
func (t *taken) SetWriteDeadline(at time.Time) error {
	if at.IsZero() {
		return nil
	}
	return t.conn.SetWriteDeadline(at)
}
