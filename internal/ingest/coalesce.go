package ingest

import (
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// A running step changes at most once a second: a request that is nothing but an update of one is held until its second
// is over. What has gathered by then goes together, as one change. Whatever else comes for the step takes what is held
// along, before it: an end that overtook an update would let the older word win.

// coalescePause is how often a held update of a running step asks whether its second is over.
const coalescePause = 50 * time.Millisecond

// stepKey is a step as its writers name it.
type stepKey struct {
	owner int64
	key   string
}

// ready returns how long r has to wait still: for its owner's lock, or for its step's second.
func (r *request) ready(now time.Time) time.Duration {
	if wait := r.notUntil.Sub(now); wait > 0 {
		return wait
	}
	if _, update := r.step(); update && !r.passed {
		return coalescePause
	}
	return 0
}

// step returns the step of a request that is nothing but an update of it, which may be held.
func (r *request) step() (k stepKey, update bool) {
	if len(r.drafts) != 1 {
		return k, false
	}
	w := &r.drafts[0].write
	if w.Key == "" || w.Facts.Status != worklog.StatusWorking || !w.Facts.AskedAt.IsZero() || !w.Facts.AnsweredAt.IsZero() {
		return k, false
	}
	return stepKey{w.Owner, w.Key}, true
}

// passSteps lets the updates pass whose step may change now, or is about to change anyway. The caller holds s.mu.
func (s *Service) passSteps() {
	held := map[stepKey][]*request{}
	for _, r := range s.queue {
		if k, update := r.step(); update && !r.passed {
			held[k] = append(held[k], r)
		}
	}
	if len(held) == 0 {
		return
	}
	for _, r := range s.queue {
		if _, update := r.step(); update && !r.passed {
			continue
		}
		for i := range r.drafts {
			w := &r.drafts[i].write
			pass(held, stepKey{w.Owner, w.Key})
			if byID(w) { // whichever step that is
				passAll(held, w.Owner)
			}
		}
	}
	for k := range held {
		if s.limiter.Coalesce(k.owner, k.key) {
			pass(held, k)
		}
	}
}

// pass lets what is held of a step go.
func pass(held map[stepKey][]*request, k stepKey) {
	for _, r := range held[k] {
		r.passed = true
	}
	delete(held, k)
}

// passAll lets everything go that is held of an owner.
func passAll(held map[stepKey][]*request, owner int64) {
	for k := range held {
		if k.owner == owner {
			pass(held, k)
		}
	}
}
