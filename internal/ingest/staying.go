package ingest

import "github.com/worklogdev/worklog/internal/store"

// staying knows the steps of requests that stay behind in the queue while a batch is put together. Later requests for
// the same steps have to stay, too: of two words about one step the later must be committed later.
type staying struct {
	steps map[stepKey]bool
	// owners have some step of theirs in steps, patched ones a change by id, which may be of any step.
	owners, patched map[int64]bool
}

// byID reports whether w changes an entry that it names by id.
func byID(w *store.Write) bool { return w.Patch && w.EntryID != "" }

func (s *staying) add(r *request) {
	if s.steps == nil {
		s.steps, s.owners, s.patched = map[stepKey]bool{}, map[int64]bool{}, map[int64]bool{}
	}
	for i := range r.drafts {
		switch w := &r.drafts[i].write; {
		case byID(w):
			s.owners[w.Owner], s.patched[w.Owner] = true, true
		case w.Key != "":
			s.owners[w.Owner], s.steps[stepKey{w.Owner, w.Key}] = true, true
		}
	}
}

// concerns reports whether r has a step that stays.
func (s *staying) concerns(r *request) bool {
	if len(s.owners) == 0 {
		return false
	}
	for i := range r.drafts {
		switch w := &r.drafts[i].write; {
		case byID(w):
			if s.owners[w.Owner] {
				return true
			}
		case w.Key != "":
			if s.patched[w.Owner] || s.steps[stepKey{w.Owner, w.Key}] {
				return true
			}
		}
	}
	return false
}
