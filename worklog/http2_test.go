package worklog

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// path is a way to a server that can go silent: what goes over its connections then arrives nowhere, and nobody is told.
// A new connection works.
type path struct {
	net.Listener
	to     string
	silent atomic.Pointer[atomic.Bool] // of the connections that there are
}

func newPath(t *testing.T, to string) *path {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &path{Listener: l, to: to}
	p.silent.Store(new(atomic.Bool))
	t.Cleanup(func() { _ = l.Close() })
	go p.run()
	return p
}

func (p *path) run() {
	for {
		from, err := p.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = from.Close()
			continue
		}
		silent := p.silent.Load()
		go carry(to, from, silent)
		go carry(from, to, silent)
	}
}

func (p *path) breakDown() { p.silent.Swap(new(atomic.Bool)).Store(true) }

// carry ends when one of its connections does, and closes both.
func carry(to, from net.Conn, silent *atomic.Bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if silent.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A call may not outlast its timeout, and one over a connection that is dead must have time for another one.
func TestACallOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	for name, proto := range map[string]string{"HTTP/2": "HTTP/2.0", "HTTP/1": "HTTP/1.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spoke atomic.Pointer[string]
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				spoke.Store(&r.Proto)
				_, _ = w.Write([]byte(`{"received":1}`))
			}))
			server.EnableHTTP2 = proto == "HTTP/2.0"
			server.StartTLS()
			t.Cleanup(server.Close)
			p := newPath(t, server.Listener.Addr().String())
			c := New("https://"+p.Addr().String(), "t", WithTimeout(5*time.Second))
			t.Cleanup(c.http.CloseIdleConnections)
			transport := c.http.Transport.(*http.Transport)
			transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			transport.TLSClientConfig.NextProtos = nil
			if pings := transport.HTTP2; pings.SendPingTimeout <= 0 || pings.SendPingTimeout+pings.PingTimeout >= DefaultTimeout {
				t.Errorf("a dead connection is found out after %v and %v, and a call has %v", pings.SendPingTimeout, pings.PingTimeout, DefaultTimeout)
			}
			transport.HTTP2.SendPingTimeout, transport.HTTP2.PingTimeout = time.Second, time.Second // whoever tests has less time
			reach(t, c)
			p.breakDown()
			reach(t, c)
			if got := spoke.Load(); *got != proto {
				t.Errorf("they spoke %s", *got)
			}
		})
	}
}

// reach calls until a call gets through. A busy machine may need more than one.
func reach(t *testing.T, c *Client) {
	t.Helper()
	var err error
	for began := time.Now(); time.Since(began) < time.Minute; {
		if _, err = c.Stats(t.Context()); err == nil {
			return
		}
	}
	t.Errorf("no call gets through: %v", err)
}
