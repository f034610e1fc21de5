package ingest

import (
	"context"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// own returns the part of a batch that somebody waits for: repeats and notes come again with the next flush.
func (b *batch) own() *batch { return b.part(func(i int) bool { return b.from[i] != nil }) }

// part returns a batch of the writes that in chooses, with what was merged into them.
func (b *batch) part(in func(write int) bool) *batch {
	p := &batch{Batch: store.Batch{Now: b.Now, Room: b.Room}}
	place := map[int]int{}
	for i := range b.Writes {
		if in(i) {
			place[i] = len(p.Writes)
			p.Writes, p.from, p.request = append(p.Writes, b.Writes[i]), append(p.from, b.from[i]), append(p.request, b.request[i])
		}
	}
	for _, m := range b.merged {
		if i, ok := place[m.first]; ok {
			p.merged = append(p.merged, repeat{m.r, m.d, i})
		}
	}
	return p
}

// bisect stores a batch of which PostgreSQL refuses a value. It halves what is refused until the draft with the value is
// alone: a transaction for each of its neighbours would hold everybody up. Locked says that drafts remain for the next batch.
func (s *Service) bisect(ctx context.Context, b *batch) (locked bool) {
	if len(b.Writes) == 0 {
		return false
	}
	b.Admit = func(i int) bool { return s.admit(b.from[i]) }
	results, owners, err := s.store.Append(ctx, b.Batch)
	if err == nil {
		s.answer(b, results)
		return len(owners) > 0
	}
	s.release(b)
	switch half := len(b.Writes) / 2; {
	case worklog.CodeOf(err) != worklog.CodeInvalid:
		away := unavailable("the database does not answer", err)
		for _, r := range b.request {
			r.err = away
		}
		for _, m := range b.merged {
			m.r.err = away
		}
		return false
	case half == 0:
		s.refuseAll(b)
		return false
	default:
		first := s.bisect(ctx, b.part(func(i int) bool { return i < half }))
		rest := s.bisect(ctx, b.part(func(i int) bool { return i >= half }))
		return first || rest
	}
}

// refuseAll answers drafts whose values only PostgreSQL refuses.
func (s *Service) refuseAll(b *batch) {
	refused := worklog.Errorf(worklog.CodeInvalid, "the database refused a value of this draft")
	for i, d := range b.from {
		if d == nil {
			continue
		}
		s.refuse(b.request[i], d.index, d.write.Owner, refused)
	}
	for _, m := range b.merged {
		s.refuse(m.r, m.d.index, m.d.write.Owner, refused)
	}
	b.from, b.request, b.merged = nil, nil, nil
}
