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
	"sync"
	"testing"
	"time"
)

// host serves body as a stream, and waits for its goroutines at the end of the test.
func host(t *testing.T, body func(context.Context, *Writer)) *httptest.Server {
	t.Helper()
	var streams sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "abc")
		Serve(w, r, streams.Go, body)
	}))
	server.EnableHTTP2 = true
	t.Cleanup(func() {
		server.Close()
		streams.Wait()
	})
	return server
}

// dial sends a request on a plain connection.
func dial(t *testing.T, server *httptest.Server, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

const plainRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestTakenConnectionAnswersLikeTheServer(t *testing.T) {
	t.Parallel()
	server := host(t, func(_ context.Context, w *Writer) {
		_ = w.Send(Event{Name: "hello", ID: 7, Data: "x"})
		_ = w.Frame(Append(nil, Event{Name: "log", ID: 8, Data: "a"}))
		_ = w.Frame(Append(nil, Event{Name: "log", ID: 9, Data: "b"}))
		_ = w.Flush()
		_ = w.Ping(9)
	})
	server.Start()
	_, r := dial(t, server, plainRequest)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "X-Request-Id": "abc"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if res.StatusCode != 200 || !res.Close || res.ContentLength != -1 || res.Header.Get("Date") == "" {
		t.Errorf("%+v", res)
	}
	body, err := io.ReadAll(res.Body)
	if want := "id: 7\nevent: hello\ndata: x\n\nid: 8\nevent: log\ndata: a\n\nid: 9\nevent: log\ndata: b\n\nid: 9\nevent: ping\ndata: 1\n\n"; err != nil || string(body) != want {
		t.Errorf("%v, body\n%s", err, body)
	}
}

// writes counts the writes of a connection.
type writes struct {
	net.Conn
	sizes []int
}

func (w *writes) Write(b []byte) (int, error) {
	w.sizes = append(w.sizes, len(b))
	return len(b), nil
}
func (w *writes) SetWriteDeadline(time.Time) error { return nil }

func TestBatchOfATakenConnectionIsOneWrite(t *testing.T) { // not parallel: it counts allocations
	conn := &writes{}
	w := &Writer{t: &taken{conn: conn}}
	shared := []byte("data: shared\n\n")
	for _, n := range []int{1, 2, 5, 1} {
		for range n {
			if err := w.Frame(shared); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{14, 28, 70, 14}; len(conn.sizes) != 4 || conn.sizes[1] != want[1] || conn.sizes[2] != want[2] || conn.sizes[3] != want[3] {
		t.Errorf("writes of %v bytes, want %v", conn.sizes, want)
	}
	if string(shared) != "data: shared\n\n" {
		t.Errorf("a shared frame became %q", shared)
	}
	if n := testing.AllocsPerRun(100, func() { _ = w.Frame(shared); _ = w.Flush() }); n > 1 { // the recorded size
		t.Errorf("a frame alone costs %v allocations", n)
	}
}

func TestReaderWhoLeavesEndsTheStream(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	server := host(t, func(ctx context.Context, w *Writer) {
		_ = w.Ping(1)
		<-ctx.Done()
		close(ended)
	})
	server.Start()
	conn, r := dial(t, server, plainRequest)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "what a stream's reader has to say is nothing"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	<-ended
}

func TestReaderOfATakenConnectionWhoDoesNotReadIsGivenUp(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	server := host(t, func(ctx context.Context, w *Writer) {
		w.t = &hastyConn{w.t}
		var err error
		for err == nil && ctx.Err() == nil {
			if err = w.Frame(make([]byte, 200<<10)); err == nil {
				err = w.Flush()
			}
		}
		ended <- err
	})
	server.Start()
	dial(t, server, plainRequest)
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ended with %v, want a deadline", err)
	}
}

// hastyConn shortens deadlines: 10 s is long for a test.
type hastyConn struct{ transport }

func (h *hastyConn) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now().Add(100 * time.Millisecond)
	}
	return h.transport.SetWriteDeadline(t)
}

func TestHTTP2AndRecordersAreAnsweredOrdinarily(t *testing.T) {
	t.Parallel()
	body := func(_ context.Context, w *Writer) { _ = w.Ping(1) }
	server := host(t, body)
	server.StartTLS()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	over2, err := io.ReadAll(res.Body)
	if err != nil || res.ProtoMajor != 2 {
		t.Fatalf("%v, %s", err, res.Proto)
	}
	recorder := httptest.NewRecorder()
	Serve(recorder, httptest.NewRequest(http.MethodGet, "/", nil), nil, body)
	if string(over2) != recorder.Body.String() || !strings.Contains(string(over2), "event: ping") {
		t.Errorf("over HTTP/2 %q, recorded %q", over2, recorder.Body)
	}
}
