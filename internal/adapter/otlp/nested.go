package otlp

import (
	"time"
)

// call is a call of a model that has a row: several spans may tell of it, and they may come in several requests. The
// zero call is none.
type call struct{ from, to time.Time }

func (s *span) call() call {
	if s.kind != kindLLM {
		return call{}
	}
	return call{s.Start, s.End}
}

// within reports whether the outer call covers nearly all of the time of c: then both are the same.
func (c call) within(outer call) bool {
	if c == (call{}) || outer == (call{}) {
		return false
	}
	from, to := c.from, c.to
	if from.Before(outer.from) {
		from = outer.from
	}
	if to.After(outer.to) {
		to = outer.to
	}
	return to.Sub(from)+clockSlack >= time.Duration(covered*float64(c.to.Sub(c.from)))
}

// collapseLater does for spans of several requests what collapse does for those of one. A row that is stored stays, so
// that the outer call takes the row of the inner one. It needs that to be the only one: of several attempts none is
// the call.
func (m *Traces) collapseLater(owner int64, t *trace) {
	if m == nil || t.id == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	inner := map[*span][]string{}
	for _, s := range t.order {
		up := t.shownAs(s)
		if up == nil {
			continue
		}
		for _, child := range m.get(traceRef{owner, t.id, s.SpanID}).orphans {
			if child.call.within(up.call()) {
				inner[up] = append(inner[up], child.draft.Key)
			}
		}
	}
	for _, s := range t.order {
		if s.into != nil || s.kind != kindLLM {
			continue
		}
		if keys := inner[s]; len(keys) == 1 {
			s.row = keys[0]
			continue
		}
		if up, missing := t.parent(s); up == nil && missing != "" {
			if known := m.get(traceRef{owner, t.id, missing}); s.call().within(known.call) {
				s.row = known.key
			}
		}
	}
}

// shownAs is the span whose row s is part of, or would be under: s itself if it has one.
func (t *trace) shownAs(s *span) *span {
	if s.kind != noKind && s.kind != kindPart && s.into == nil {
		return s
	}
	up, _ := t.parent(s)
	return up
}
