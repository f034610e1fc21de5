package ingest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// noteEvery is how long one entry tells of the suppressed drafts of a conversation; then another one begins.
	noteEvery = time.Minute
	// maxNotes bounds the conversations of which suppressed drafts are told one by one; beyond it they are told together, as unfiled.
	maxNotes = 10_000
	// repeatsKept is how long a counter of repeats outlives its last repeat.
	repeatsKept = 2 * time.Second
)

// pending is what was counted and is not in the database yet: at most a second of it, which a kill may lose.
type pending struct {
	due     time.Time // when to flush; zero: now
	counts  map[int64]worklog.Counts
	repeats map[entryRef]*repeats
	notes   map[noteKey]*note
	told    map[int64]int64 // limited drafts that need no note
	dirty   bool
}

// entryRef names an entry.
type entryRef struct {
	owner int64
	id    string
}

// repeats counts the drafts merged into one entry.
type repeats struct {
	total, fresh int // fresh ones are not in the database yet
	last         time.Time
}

// noteKey is a conversation, by its id.
type noteKey struct {
	owner        int64
	conversation string
	earlier      bool // drafts of an earlier process
}

// note is the entry that tells of suppressed drafts. It grows in place for a minute.
type note struct {
	key          string // random: nobody else can write to it
	first, last  time.Time
	total, fresh int
	limit        int // 0: that of an earlier process
}

// flushed is what a batch carries of pending.
type flushed struct {
	counts  map[int64]worklog.Counts
	repeats map[entryRef]int
	notes   map[noteKey]int
	told    map[int64]int64
}

func newPending() pending {
	return pending{counts: map[int64]worklog.Counts{}, repeats: map[entryRef]*repeats{}, notes: map[noteKey]*note{}, told: map[int64]int64{}}
}

func (p *pending) empty() bool { return !p.dirty }

func (p *pending) count(owner int64, o worklog.Outcome, n int64, now time.Time) {
	c := p.counts[owner]
	c.Add(o, n)
	p.counts[owner] = c
	p.mark(now)
}

// mark says that there is something to flush within a second.
func (p *pending) mark(now time.Time) {
	if !p.dirty {
		p.dirty = true
		p.due = now.Add(flushEvery)
	}
}

// countLate counts an outcome that no batch has counted, and wakes the committer.
func (s *Service) countLate(owner int64, o worklog.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.count(owner, o, 1, s.now())
	s.signal()
}

// merge answers a draft that repeats the entry id.
func (s *Service) merge(r *request, d *draft, id string, seq int64) {
	s.mu.Lock()
	now := s.now()
	ref := entryRef{d.write.Owner, id}
	rep := s.pending.repeats[ref]
	if rep == nil {
		rep = &repeats{total: 1}
		s.pending.repeats[ref] = rep
	}
	rep.total++
	rep.fresh++
	rep.last = now
	s.pending.count(d.write.Owner, worklog.OutcomeMerged, 1, now)
	total := rep.total
	s.mu.Unlock()
	entry := standIn(&d.write)
	entry.ID, entry.Seq, entry.Repeats = id, seq, total
	r.receipts[d.index] = worklog.Receipt{Outcome: worklog.OutcomeMerged, Entry: entry, Reason: "identical to an entry of the last second"}
	s.metrics.count(worklog.OutcomeMerged)
}

// standIn is the entry that a draft would have become.
func standIn(w *store.Write) *worklog.Entry {
	f := &w.Facts
	e := &worklog.Entry{
		Key: w.Key, ConversationID: w.ConversationID, Parent: f.Parent, Type: f.Type, Status: f.Status, StorageStatus: worklog.StorageHot, Tool: f.Tool,
		Title: f.Title, Details: f.Details, Metadata: f.Metadata, Source: f.Source, Repeats: 1, StartedAt: f.StartedAt, EndedAt: f.EndedAt, LoggedAt: f.LoggedAt,
	}
	change.Begin(e)
	return e
}

// limited answers a draft over the limit with a stand-in and tells of it in its conversation (id), or, when there is none
// and a draft over the limit must not make one, as unfiled. The store has counted it.
func (s *Service) limited(d *draft, conversation string, rec *worklog.Receipt) {
	state := s.limiter.State(d.window)
	rec.Entry = standIn(&d.write)
	rec.Reason = fmt.Sprintf("over the limit of %d new entries a minute; counted, not stored", state.Limit)
	rec.RetryAfter = max(int((state.Reset+time.Second-1)/time.Second), 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	now := s.now()
	if p.mark(now); d.resent {
		p.told[d.write.Owner]++
		return
	}
	k := noteKey{owner: d.write.Owner, conversation: conversation}
	n := p.notes[k]
	if n == nil && len(p.notes) >= maxNotes {
		k = noteKey{owner: d.write.Owner}
		n = p.notes[k]
	}
	if n == nil || (n.fresh == 0 && now.Sub(n.first) >= noteEvery) {
		n = &note{key: "worklog/" + uuid.NewString(), first: now}
		p.notes[k] = n
	}
	n.total++
	n.fresh++
	n.last, n.limit = now, state.Limit
}

// flush adds what is pending to a batch when its second is over.
func (s *Service) flush(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	now := s.now()
	if !p.dirty || now.Before(p.due) {
		return
	}
	b.flushed = flushed{counts: p.counts, repeats: map[entryRef]int{}, notes: map[noteKey]int{}, told: p.told}
	b.Counts, b.Noted = p.counts, maps.Clone(p.told)
	p.counts, p.told = map[int64]worklog.Counts{}, map[int64]int64{}
	p.dirty = false
	p.flushRepeats(b, now)
	p.flushNotes(b, now)
}

func (p *pending) flushRepeats(b *batch, now time.Time) {
	for ref, rep := range p.repeats {
		if rep.fresh > 0 {
			b.flushed.repeats[ref] = rep.fresh
			b.addOwn(store.Write{Owner: ref.owner, EntryID: ref.id, Repeats: rep.fresh})
			rep.fresh = 0
		} else if now.Sub(rep.last) > repeatsKept {
			delete(p.repeats, ref)
		}
	}
}

func (p *pending) flushNotes(b *batch, now time.Time) {
	for k, n := range p.notes {
		if n.fresh > 0 {
			b.flushed.notes[k] = n.fresh
			b.Noted[k.owner] += int64(n.fresh)
			b.addOwn(n.write(k))
			n.fresh = 0
		} else if now.Sub(n.first) > noteEvery {
			delete(p.notes, k)
		}
	}
}

// write is the note as an entry.
func (n *note) write(k noteKey) store.Write {
	title := fmt.Sprintf("%d entries suppressed", n.total)
	if n.total == 1 {
		title = "1 entry suppressed"
	}
	if n.limit > 0 {
		title += fmt.Sprintf(" (limit: %d a minute)", n.limit)
	} else {
		title += " before a restart"
	}
	return store.Write{
		Owner: k.owner, EntryID: uuid.Must(uuid.NewV7()).String(), Key: n.key, ConversationID: k.conversation, Note: true,
		Facts: change.Facts{
			Status: worklog.StatusWarning, Type: worklog.TypeInfo, Title: title, Source: worklog.SourceWorklog,
			StartedAt: n.first.UTC().Truncate(time.Microsecond), EndedAt: n.last.UTC().Truncate(time.Microsecond), LoggedAt: n.first.UTC().Truncate(time.Microsecond),
		},
	}
}

// pendingDone forgets what a committed batch carried, except what belongs to locked owners.
func (s *Service) pendingDone(f flushed, locked []int64) {
	if len(locked) > 0 {
		s.putBack(f, func(owner int64) bool { return slices.Contains(locked, owner) })
	}
}

// pendingBack takes back everything that a failed batch carried.
func (s *Service) pendingBack(f flushed) { s.putBack(f, func(int64) bool { return true }) }

func (s *Service) putBack(f flushed, of func(owner int64) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	for owner, c := range f.counts {
		if of(owner) {
			sum := p.counts[owner]
			sum.AddAll(c)
			p.counts[owner] = sum
			p.mark(s.now())
		}
	}
	for ref, n := range f.repeats {
		if rep := p.repeats[ref]; rep != nil && of(ref.owner) {
			rep.fresh += n
			p.mark(s.now())
		}
	}
	for owner, n := range f.told {
		if of(owner) {
			p.told[owner] += n
			p.mark(s.now())
		}
	}
	for k, n := range f.notes {
		if known := p.notes[k]; known != nil && of(k.owner) {
			known.fresh += n
			p.mark(s.now())
		}
	}
}

// pendingNow makes what is pending due at once: the server is stopping.
func (s *Service) pendingNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.due = time.Time{}
}
