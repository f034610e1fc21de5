package otlp

import (
	"sync"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// maxRemembered bounds the spans and waiting rows of each of the two generations that Traces holds.
	maxRemembered = 20_000
	// maxOrphans bounds the rows that wait for one parent.
	maxOrphans = 200
)

// Traces remembers what the spans of a trace have in common from one request to the next: exporters send a span when it
// ends, its parent long after it. What is forgotten costs the indentation of a row, the conversation's name, or that
// a call of a model which several spans tell of is one row, and nothing else. It is safe for concurrent use; the nil Traces remembers nothing.
type Traces struct {
	mu       sync.Mutex
	now, old map[traceRef]memory
	waiting  int // rows in now
}

// traceRef names a span of a trace, or with an empty span the trace.
type traceRef struct {
	owner       int64
	trace, span string
}

// memory is what is known of a span or trace.
type memory struct {
	session string   // of a trace
	unnamed bool     // the trace has rows in a conversation of its own
	key     string   // of the span's row
	call    call     // that the span is
	orphans []orphan // rows that wait to hear of this span
}

// orphan is a row that waits to hear of its parent. Its draft is without its conversation, which may have another name
// by then.
type orphan struct {
	draft worklog.Draft
	call  call
}

// NewTraces returns an empty memory.
func NewTraces() *Traces { return &Traces{now: map[traceRef]memory{}} }

func (m *Traces) get(ref traceRef) memory {
	if v, ok := m.now[ref]; ok {
		return v
	}
	return m.old[ref]
}

func (m *Traces) set(ref traceRef, v memory) {
	if len(m.now)+m.waiting >= maxRemembered {
		m.old, m.now, m.waiting = m.now, map[traceRef]memory{}, 0
	}
	m.now[ref] = v
}

// session is the conversation of a trace: what one of its spans says holds for all. A trace that nobody has named is its
// own conversation, until a span names it after all: then both are joined.
func (m *Traces) session(b *Batch, owner int64, t *trace) string {
	said := ""
	for _, rows := range []bool{true, false} { // those that are shown first
		for _, s := range t.order {
			if said == "" && rows == (s.kind != noKind) {
				said = s.session()
			}
		}
	}
	if m == nil || t.id == "" {
		return orElse(said, t.id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := traceRef{owner: owner, trace: t.id}
	known := m.get(ref)
	said = orElse(said, known.session)
	if said == "" || said == t.id {
		known.unnamed = true
		m.set(ref, known)
		return t.id
	}
	if known.unnamed {
		b.Joins = append(b.Joins, Join{Trace: t.id, From: agent.Conversation(t.id), To: agent.Conversation(said)})
	}
	known.session = said
	m.set(ref, known)
	return said
}

// Joined forgets that a trace has rows in a conversation of its own.
func (m *Traces) Joined(owner int64, j Join) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := traceRef{owner: owner, trace: j.Trace}
	known := m.get(ref)
	known.unnamed = false
	m.set(ref, known)
}

// remember notes the row of a span, and that it waits for the span missing if there is one: its row is found now, or
// later by reunite.
func (m *Traces) remember(owner int64, traceID string, s *span, missing string, d *worklog.Draft) {
	if m == nil || traceID == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := traceRef{owner, traceID, s.SpanID}
	own := m.get(ref)
	own.key, own.call = d.Key, s.call()
	m.set(ref, own)
	if missing == "" {
		return
	}
	ref.span = missing
	up := m.get(ref)
	if up.key != "" {
		d.Parent = up.key
		return
	}
	m.wait(ref, orphan{worklog.Draft{Key: d.Key, Title: d.Title, Type: d.Type, Status: d.Status, Source: d.Source}, own.call})
}

func (m *Traces) wait(ref traceRef, child orphan) {
	up := m.get(ref)
	for _, known := range up.orphans {
		if known.draft.Key == child.draft.Key {
			return
		}
	}
	if len(up.orphans) < maxOrphans {
		up.orphans = append(up.orphans[:len(up.orphans):len(up.orphans)], child)
		m.set(ref, up)
		m.waiting++
	}
}

// reunite adds drafts that tell rows of earlier requests who their parent is.
func (m *Traces) reunite(b *Batch, owner int64, t *trace, session string) {
	if m == nil || t.id == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range t.order {
		children := m.get(traceRef{owner, t.id, s.SpanID}).orphans
		if len(children) == 0 {
			continue
		}
		up, missing := s, ""
		if s.kind == noKind || s.kind == kindPart || s.into != nil {
			up, missing = t.parent(s)
		}
		for _, child := range children {
			switch {
			case up != nil && child.draft.Key == up.key(orElse(up.session(), session)): // they are the same call
			case up != nil:
				d := child.draft
				d.Parent = up.key(orElse(up.session(), session))
				agent.Fit(&d, b.now)
				b.Entries = append(b.Entries, Entry{Draft: d, now: b.now, late: true})
			case missing != "":
				m.wait(traceRef{owner, t.id, missing}, child)
			}
		}
	}
}
