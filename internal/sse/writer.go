package sse

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	// writeTimeout is how long a reader may take for one batch.
	writeTimeout = 10 * time.Second
	// maxBatch is how many bytes one timeout covers.
	maxBatch = 256 << 10
)

// transport is a connection as a Writer needs it.
type transport interface {
	Write(b []byte) (int, error)
	Flush() error
	SetWriteDeadline(t time.Time) error
}

// Writer writes events in batches. Only one goroutine may use it.
type Writer struct {
	t     transport
	batch int // bytes since the last flush
	total int64
}

// Frame adds an event in wire form to the batch.
func (w *Writer) Frame(wire []byte) error {
	if w.batch == 0 {
		if err := w.t.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
	}
	w.batch += len(wire)
	w.total += int64(len(wire))
	if _, err := w.t.Write(wire); err != nil {
		return err
	}
	if w.batch > maxBatch {
		return w.Flush()
	}
	return nil
}

// Flush sends the batch. Between batches there is no deadline: over HTTP/2 one that passes ends the stream even when
// nothing is being written.
func (w *Writer) Flush() error {
	if w.batch == 0 {
		return nil
	}
	w.batch = 0
	if err := w.t.Flush(); err != nil {
		return err
	}
	return w.t.SetWriteDeadline(time.Time{})
}

// Send sends one event at once.
func (w *Writer) Send(e Event) error {
	if err := w.Frame(Append(nil, e)); err != nil {
		return err
	}
	return w.Flush()
}

// Ping sends a sign of life that a script can see, unlike a comment, with the cursor of everything sent so far.
func (w *Writer) Ping(cursor int64) error {
	return w.Send(Event{Name: "ping", ID: cursor, Data: "1"})
}

// Settled does nothing.
func (w *Writer) Settled(context.Context, time.Time) (bool, error) { return true, nil }

// Written is how many bytes were written in all.
func (w *Writer) Written() int64 { return w.total }

// setHeaders says what the answer is, and keeps proxies from waiting for more of it.
func setHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses also waits for more to compress
	h.Set("X-Accel-Buffering", "no")
}

// answer is the ordinary answer to a request.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newAnswer(w http.ResponseWriter) *answer {
	setHeaders(w.Header())
	w.WriteHeader(http.StatusOK)
	return &answer{w, http.NewResponseController(w)}
}

func (a *answer) Flush() error { return a.control.Flush() }

// SetWriteDeadline bounds the next writes. A recorder in a test has no deadline, and can not block either.
func (a *answer) SetWriteDeadline(at time.Time) error {
	if err := a.control.SetWriteDeadline(at); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
