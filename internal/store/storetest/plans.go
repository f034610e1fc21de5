package storetest

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/worklogdev/worklog/internal/store"
)

// Plans are the plans that PostgreSQL has really used, told by auto_explain.
type Plans struct {
	mu    sync.Mutex
	plans []Plan
}

// Plan is how one statement was run.
type Plan struct {
	SQL  string `json:"Query Text"`
	Node Node   `json:"Plan"`
}

// Node is one step of a plan.
type Node struct {
	Type  string `json:"Node Type"`
	Table string `json:"Relation Name"`
	Index string `json:"Index Name"`
	Plans []Node `json:"Plans"`
}

// Walk calls f for the node and everything below it.
func (n Node) Walk(f func(Node)) {
	f(n)
	for _, child := range n.Plans {
		child.Walk(f)
	}
}

// OpenExplained opens a store whose statements are explained, and returns the plans as they come.
func OpenExplained(t testing.TB, dsn string) (*store.Store, *Plans) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("options", strings.Join([]string{ // with tabs: a URL writes spaces as +, which PostgreSQL takes literally
		"-csession_preload_libraries=auto_explain", "-cauto_explain.log_min_duration=0", "-cauto_explain.log_level=notice", "-cauto_explain.log_format=json",
	}, "\t"))
	u.RawQuery = q.Encode()
	p := &Plans{}
	wire := newWire(t, u.String(), p.listen)
	return Open(t, wire.DSN), p
}

// Take returns the plans since the last call.
func (p *Plans) Take() []Plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.plans
	p.plans = nil
	return list
}

// listen returns a reader of what the server says on one connection. It has understood a message before the client
// gets it.
func (p *Plans) listen() io.WriteCloser { return &listener{plans: p} }

// listener cuts the server's side of a connection into messages: a letter, the length, the content.
type listener struct {
	plans *Plans
	rest  []byte
}

// Write never fails: a test reads on, whatever the server says.
func (l *listener) Write(data []byte) (int, error) {
	const head = 5
	l.rest = append(l.rest, data...)
	for len(l.rest) >= head {
		end := 1 + int(binary.BigEndian.Uint32(l.rest[1:head]))
		if len(l.rest) < end {
			break
		}
		var notice pgproto3.NoticeResponse
		if l.rest[0] == 'N' && notice.Decode(l.rest[head:end]) == nil {
			l.plans.add(notice.Message)
		}
		l.rest = l.rest[end:]
	}
	return len(data), nil
}

// Close does nothing.
func (l *listener) Close() error { return nil }

func (p *Plans) add(message string) {
	_, text, ok := strings.Cut(message, "plan:\n")
	if !ok {
		return
	}
	var plan Plan
	if json.Unmarshal([]byte(text), &plan) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plans = append(p.plans, plan)
}
