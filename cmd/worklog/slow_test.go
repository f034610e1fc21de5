package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections that never leave the process, so that time is the test's.
type pipes struct {
	next   chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// within writes to the server a byte a second and returns after how long it hangs up.
func (p *pipes) within(request string) time.Duration {
	client, server := net.Pipe()
	p.next <- server
	began := time.Now()
	go func() {
		for i := range request {
			if _, err := client.Write([]byte{request[i]}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	_, _ = io.Copy(io.Discard, client)
	return time.Since(began)
}

func TestWhoSendsTooSlowlyIsHungUpOn_S14(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		read := make(chan error, 1)
		p := &program{log: slog.New(slog.DiscardHandler)}
		server := p.newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		}))
		l := &pipes{next: make(chan net.Conn), closed: make(chan struct{})}
		go func() { _ = server.Serve(l) }()
		if took := l.within("GET / HTTP/1.1\r\nHost: worklog.example.org\r\n\r\n"); took != headerTimeout {
			t.Errorf("slow headers end after %v, want %v", took, headerTimeout)
		}
		body := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
		client, conn := net.Pipe()
		l.next <- conn
		began := time.Now()
		if _, err := client.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := <-read; err == nil || time.Since(began) != writeTimeout {
			t.Errorf("a body that does not come ends after %v with %v, want %v", time.Since(began), err, writeTimeout)
		}
		_ = client.Close()
		_ = server.Close()
	})
}

func TestHeadersThatAreTooLongAreRefused(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := (&program{log: slog.New(slog.DiscardHandler)}).newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	for length, want := range map[int]int{16 << 10: http.StatusNoContent, 64 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Long", strings.Repeat("x", length))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes of headers: %d, want %d", length, res.StatusCode, want)
		}
	}
}
