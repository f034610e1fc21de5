package sse

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a ResponseWriter that remembers in which order it was used.
type recorder struct {
	http.ResponseWriter
	calls    []string
	deadline time.Time
}

func (r *recorder) Write(b []byte) (int, error) {
	r.calls = append(r.calls, "write")
	if r.deadline.IsZero() {
		r.calls = append(r.calls, "without a deadline!")
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) FlushError() error {
	r.calls = append(r.calls, "flush")
	return nil
}

func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.calls = append(r.calls, map[bool]string{true: "clear", false: "deadline"}[t.IsZero()])
	r.deadline = t
	return nil
}

func writerOf(w http.ResponseWriter) *Writer { return &Writer{t: newAnswer(w)} }

func TestBatchIsOneFlushUnderADeadlineThatIsCleared(t *testing.T) {
	t.Parallel()
	r := &recorder{ResponseWriter: httptest.NewRecorder()}
	w := writerOf(r)
	for range 3 {
		if err := w.Frame([]byte("data: x\n\n")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second has nothing to do
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(r.calls, " "); got != "deadline write write write flush clear" {
		t.Errorf("calls: %s", got)
	}
	if w.Written() != 27 {
		t.Errorf("%d bytes written", w.Written())
	}
}

func TestHugeBatchIsFlushedOnTheWay(t *testing.T) {
	t.Parallel()
	r := &recorder{ResponseWriter: httptest.NewRecorder()}
	w := writerOf(r)
	for range 5 {
		if err := w.Frame(make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(r.calls, " "); got != "deadline write write write flush clear deadline write write" {
		t.Errorf("calls: %s", got)
	}
}

func TestReaderWhoDoesNotReadIsGivenUp(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	ended := make(chan error, 1)
	server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := writerOf(&hasty{rw, http.NewResponseController(rw)})
		var err error
		for err == nil && r.Context().Err() == nil {
			err = w.Frame(make([]byte, 200<<10))
		}
		ended <- err
	})
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ended with %v, want a deadline", err)
	}
}

// hasty shortens deadlines: 10 s is long for a test.
type hasty struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (h *hasty) FlushError() error { return h.control.Flush() }

func (h *hasty) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now().Add(100 * time.Millisecond)
	}
	return h.control.SetWriteDeadline(t)
}

// The clock of the bubble passes only while both sides wait, and their connections are pipes in it.
func TestIdleStreamOutlivesItsWriteDeadlineOverHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		client := serve(t, func(rw http.ResponseWriter, r *http.Request) {
			w := writerOf(rw)
			for cursor := int64(1); ; cursor++ {
				if w.Ping(cursor) != nil {
					return
				}
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.ProtoMajor != 2 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%s, headers %v", resp.Proto, resp.Header)
		}
		lines := bufio.NewScanner(resp.Body)
		wantPing(t, lines, "1")
		<-time.After(time.Hour) // all deadlines pass
		select {
		case next <- struct{}{}:
		case <-time.After(time.Minute):
			t.Fatal("the stream has ended")
		}
		wantPing(t, lines, "2")
	})
}

// serve serves HTTP/2 to the client that it returns, as the program does: with a bound for answers that are no streams.
func serve(t *testing.T, handler http.HandlerFunc) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, Protocols: &protocols, WriteTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	transport := &http.Transport{Protocols: &protocols, DialContext: listener.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-ended
	})
	return &http.Client{Transport: transport}
}

func wantPing(t *testing.T, lines *bufio.Scanner, id string) {
	t.Helper()
	for _, want := range []string{"id: " + id, "event: ping", "data: 1", ""} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("read %q (%v), want %q", lines.Text(), lines.Err(), want)
		}
	}
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestDeadlineIsTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{ResponseWriter: httptest.NewRecorder()}
		if err := writerOf(r).Frame([]byte("data: x\n\n")); err != nil {
			t.Fatal(err)
		}
		if d := time.Until(r.deadline); d != 10*time.Second {
			t.Errorf("the deadline is in %v", d)
		}
	})
}
