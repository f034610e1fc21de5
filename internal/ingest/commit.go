package ingest

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// drainTimeout is how long Run goes on after its context ended, for what is already queued.
const drainTimeout = 10 * time.Second

// Run commits what is queued until ctx ends, then refuses newcomers, commits what waits and returns.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := s.round(ctx)
		if wait == 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	for s.pendingNow(); drain.Err() == nil && !s.drained(); s.pendingNow() {
		if s.round(drain); !s.drained() { // it waits for a lock, or failed
			time.Sleep(s.pause())
		}
	}
	s.abandon()
	return nil
}

// pause is how long a drain waits for its next round: a database that does not answer is not asked a thousand times a second.
func (s *Service) pause() time.Duration {
	if s.failing {
		return failedPause
	}
	return lockedPause
}

func (s *Service) drained() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) == 0 && s.pending.empty()
}

// abandon answers what could not be stored any more.
func (s *Service) abandon() {
	s.mu.Lock()
	rest := s.queue
	s.queue = nil
	s.mu.Unlock()
	s.fail(rest, unavailable("the server is stopping", nil))
}

// round commits one batch and returns 0, or how long nothing is to be done unless somebody signals.
func (s *Service) round(ctx context.Context) (wait time.Duration) {
	var requests []*request
	defer func() { // a bug must not end the write path, and nobody may wait for ever
		if p := recover(); p != nil {
			s.log.Error("panic in the write path", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.fail(requests, worklog.Errorf(worklog.CodeInternal, "internal error"))
		}
	}()
	requests, late, wait := s.take()
	s.fail(late, unavailable("the commit took too long", nil))
	b := s.assemble(requests)
	if len(b.Writes) == 0 && len(b.Counts) == 0 && len(b.Noted) == 0 {
		s.mergeRepeated(b)
		for _, r := range requests {
			s.finish(r)
		}
		return wait
	}
	s.commit(ctx, requests, b)
	return 0
}

// take removes from the queue what the next batch may hold. Late are the requests that have waited too long.
func (s *Service) take() (requests, late []*request, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	wait = time.Minute
	drafts, bytes := 0, 0
	s.passSteps()
	var rest []*request
	var stay staying
	for _, r := range s.queue {
		ready := r.ready(now)
		switch {
		case now.Sub(r.queued) > s.queueTimeout:
			late = append(late, r)
		case ready > 0:
			wait = min(wait, ready)
			rest = append(rest, r)
			if r.notUntil.After(now) {
				stay.add(r)
			}
		case stay.concerns(r), drafts > 0 && (drafts+len(r.drafts) > maxBatchDrafts || bytes+r.bytes > maxBatchBytes):
			rest = append(rest, r)
			stay.add(r)
		default:
			requests = append(requests, r)
			drafts, bytes = drafts+len(r.drafts), bytes+r.bytes
		}
	}
	s.queue = rest
	for _, r := range slices.Concat(requests, late) {
		s.drafts -= len(r.drafts)
		s.bytes -= r.bytes
	}
	if !s.pending.empty() {
		wait = min(wait, max(s.pending.due.Sub(now), time.Millisecond))
	}
	return requests, late, wait
}

// batch is a store batch and where its writes came from.
type batch struct {
	store.Batch
	from    []*draft // nil for repeats and notes
	request []*request
	merged  []repeat // drafts that repeat another one of the batch
	again   []again  // drafts that repeat an entry of an earlier one
	flushed flushed
}

// repeat is a draft that repeats the write first.
type repeat struct {
	r     *request
	d     *draft
	first int
}

// again is a draft that repeats the entry id. It is merged once its request is over: a writer who is told that nothing was
// stored sends it again.
type again struct {
	r   *request
	d   *draft
	id  string
	seq int64
}

// repeatKey is an owner's content.
type repeatKey struct {
	owner       int64
	fingerprint limit.Fingerprint
}

// assemble turns requests into one batch. Drafts that repeat an entry of the last second need no write of their own.
func (s *Service) assemble(requests []*request) *batch {
	b := &batch{Batch: store.Batch{Now: s.clock(), Room: s.room()}}
	b.Admit = func(i int) bool { return s.admit(b.from[i]) }
	first := map[repeatKey]int{}
	for _, r := range requests {
		for i := range r.drafts {
			d := &r.drafts[i]
			if d.write.Key == "" && !d.write.Patch {
				k := repeatKey{d.write.Owner, d.fingerprint}
				if id, seq, ok := s.limiter.Seen(k.owner, k.fingerprint); ok {
					b.again = append(b.again, again{r, d, id, seq})
					continue
				}
				if j, ok := first[k]; ok {
					b.merged = append(b.merged, repeat{r, d, j})
					continue
				}
				first[k] = len(b.Writes)
			}
			b.add(r, d)
		}
	}
	s.flush(b)
	return b
}

func (b *batch) add(r *request, d *draft) {
	b.Writes = append(b.Writes, d.write)
	b.from = append(b.from, d)
	b.request = append(b.request, r)
}

// addOwn adds a write that nobody waits for.
func (b *batch) addOwn(w store.Write) {
	b.Writes = append(b.Writes, w)
	b.from = append(b.from, nil)
	b.request = append(b.request, nil)
}

// admit takes a place for a new entry. An import has taken its own already.
func (s *Service) admit(d *draft) bool {
	if d == nil || d.imported || d.free {
		return true
	}
	d.reservation = s.limiter.Reserve(d.window, 1)
	return d.reservation.N == 1
}

// release gives back the places of drafts that were not stored after all.
func (s *Service) release(b *batch) {
	for _, d := range b.from {
		if d != nil {
			s.limiter.Release(d.reservation, d.reservation.N)
			d.reservation = limit.Reservation{}
		}
	}
}

func (s *Service) commit(ctx context.Context, requests []*request, b *batch) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.batchTimeout)
	defer cancel()
	started := time.Now()
	results, locked, err := s.store.Append(ctx, b.Batch)
	s.metrics.batch(len(b.Writes), time.Since(started), err)
	s.failing = err != nil
	switch {
	case err == nil:
		s.settle(requests, b, results, locked)
	case worklog.CodeOf(err) == worklog.CodeInvalid && len(b.own().Writes) == 0: // it would be refused each second
		s.log.Error("counts, repeats and notes of suppressed entries are lost: the database refused a value", "error", err)
		s.settle(requests, b, make([]store.Result, len(b.Writes)), nil)
	case worklog.CodeOf(err) == worklog.CodeInvalid && len(b.Writes) > 1:
		s.release(b)
		s.pendingBack(b.flushed)
		locked := s.bisect(ctx, b.own())
		s.mergeRepeated(b)
		s.conclude(requests, locked)
	case worklog.CodeOf(err) == worklog.CodeInvalid:
		s.release(b)
		s.pendingBack(b.flushed)
		b.flushed = flushed{}
		s.refuseAll(b)
		s.settle(requests, b, nil, nil)
	default:
		s.release(b)
		s.pendingBack(b.flushed)
		s.log.Error("batch not stored", "drafts", len(b.Writes), "error", err)
		s.fail(requests, unavailable("the database does not answer", err))
	}
}

// settle answers every request of a committed batch, except those of locked owners, which wait for the next one.
func (s *Service) settle(requests []*request, b *batch, results []store.Result, locked []int64) {
	s.pendingDone(b.flushed, locked)
	s.mergeRepeated(b)
	s.answer(b, results)
	s.conclude(requests, len(locked) > 0)
}

// mergeRepeated answers the drafts that repeat an entry of an earlier batch, but not of a request that has failed.
func (s *Service) mergeRepeated(b *batch) {
	for _, a := range b.again {
		if a.r.err == nil {
			s.merge(a.r, a.d, a.id, a.seq)
		}
	}
}

// conclude lets the callers of requests go on, except those that have drafts of a locked owner.
func (s *Service) conclude(requests []*request, locked bool) {
	var again []*request
	for _, r := range requests {
		if r.keepUnanswered(); len(r.drafts) > 0 && locked && r.err == nil {
			again = append(again, r)
			continue
		}
		s.finish(r)
	}
	if len(again) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range again {
		r.notUntil = s.now().Add(min(lockedPause<<min(r.met, 3), maxLockedPause))
		r.met++
		s.drafts += len(r.drafts)
		s.bytes += r.bytes
	}
	s.queue = append(again, s.queue...)
}

// keepUnanswered drops the drafts that have their receipt. The batch still points to the old ones.
func (r *request) keepUnanswered() {
	var rest []draft
	for _, d := range r.drafts {
		if r.receipts[d.index].Outcome == "" {
			rest = append(rest, d)
		}
	}
	r.drafts = rest
}

// answer fills the receipts of a committed batch and tells the hub.
func (s *Service) answer(b *batch, results []store.Result) {
	var news []int64
	for i := range results {
		res, d := &results[i], b.from[i]
		if res.Row.ID != "" && res.Outcome != worklog.OutcomeUnchanged {
			news = append(news, res.Row.Owner)
		}
		if d != nil && (res.Outcome != "" || res.NoSuch) {
			s.receipt(b.request[i], d, res)
		}
	}
	for _, m := range b.merged {
		res := &results[m.first]
		switch res.Outcome {
		case "": // locked: once more with the next batch
		case worklog.OutcomeStored:
			s.merge(m.r, m.d, res.Row.ID, res.Row.Seq)
		default:
			s.receipt(m.r, m.d, res)
			s.countLate(m.d.write.Owner, res.Outcome)
		}
	}
	slices.Sort(news)
	for _, owner := range slices.Compact(news) {
		s.announce(owner)
	}
}

// receipt answers one draft with what the store says of it.
func (s *Service) receipt(r *request, d *draft, res *store.Result) {
	rec := worklog.Receipt{Outcome: res.Outcome}
	switch {
	case res.NoSuch:
		rec.Outcome = worklog.OutcomeInvalid
	case res.Outcome == worklog.OutcomeInvalid:
		rec.Reason, rec.Errors = res.Error.Message, slices.Clone(res.Error.Fields) // which a twin of the draft has, too
	case res.Outcome == worklog.OutcomeLimited:
		s.limited(d, res.Row.ConversationID, &rec)
	default:
		entry := res.Row.Entry
		rec.Entry = &entry
		if res.Outcome == worklog.OutcomeStored {
			s.stored(r, d, res)
		}
	}
	r.receipts[d.index] = rec
	s.metrics.count(rec.Outcome)
}

func (s *Service) stored(r *request, d *draft, res *store.Result) {
	if d.imported {
		r.importsUsed++
	}
	if d.write.Key == "" {
		s.limiter.Committed(d.write.Owner, d.fingerprint, res.Row.ID, res.Row.Seq)
	}
}

// finish lets the caller go on.
func (s *Service) finish(r *request) {
	if r.finished {
		return
	}
	r.finished = true
	s.limiter.Release(r.imports, r.imports.N-r.importsUsed)
	close(r.done)
}

// fail answers requests of which nothing was stored, or nobody knows.
func (s *Service) fail(requests []*request, err error) {
	for _, r := range requests {
		r.err = err
		s.finish(r)
	}
}
