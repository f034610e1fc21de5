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

// Start answers with the headers of a stream and returns its writer. Nothing may have been written before. W should be
// the server's own ResponseWriter: the errors of a flush do not pass through every wrapper.
func Start(w http.ResponseWriter) *Writer {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses also waits for more to compress
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return &Writer{w: w, control: http.NewResponseController(w)}
}

// Writer writes events in batches. Only the handler's goroutine may use it.
type Writer struct {
	w       http.ResponseWriter
	control *http.ResponseController
	batch   int // bytes since the last flush
	total   int64
}

// Frame adds an event in wire form to the batch.
func (w *Writer) Frame(wire []byte) error {
	if w.batch == 0 {
		if err := w.deadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
	}
	w.batch += len(wire)
	w.total += int64(len(wire))
	if _, err := w.w.Write(wire); err != nil {
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
	if err := w.control.Flush(); err != nil {
		return err
	}
	return w.deadline(time.Time{})
}

// deadline sets the deadline of the next writes. A recorder in a test has none, and can not block either.
func (w *Writer) deadline(at time.Time) error {
	if err := w.control.SetWriteDeadline(at); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
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
func (w *Writer) Settled(context.Context) error { return nil }

// Written is how many bytes were written in all.
func (w *Writer) Written() int64 { return w.total }
