package limit

import (
	"crypto/sha256"
	"time"
)

// In microseconds, like every time here.
const (
	// repeatWithin is how long after an entry was stored an identical draft without a key is merged into it. The second
	// runs from the stored entry, not from the last repeat: an agent stuck in a loop shows one row a second.
	repeatWithin = int64(time.Second / time.Microsecond)
	// updateEvery is the pace at which one running step may change without ending.
	updateEvery = int64(time.Second / time.Microsecond)
)

type recentKey struct {
	owner int64
	hash  Fingerprint
}

type recentEntry struct {
	at, seq int64
	id      string
}

// Seen returns the entry that was stored for an identical draft less than a second ago.
func (l *Limiter) Seen(owner int64, f Fingerprint) (id string, seq int64, ok bool) {
	s, now := l.lock(owner)
	defer s.mu.Unlock()
	e, ok := s.recent[recentKey{owner, f}]
	if !ok || now-e.at >= repeatWithin {
		return "", 0, false
	}
	return e.id, e.seq, true
}

// Committed remembers that the draft with fingerprint f is stored as entry id.
func (l *Limiter) Committed(owner int64, f Fingerprint, id string, seq int64) {
	s, now := l.lock(owner)
	defer s.mu.Unlock()
	k := recentKey{owner, f}
	if _, known := s.recent[k]; known || len(s.recent) < maxRecent/shardCount {
		s.recent[k] = recentEntry{at: now, seq: seq, id: id}
	}
}

// Coalesce reports whether an update that leaves the owner's step key running may pass now: one a second does, and the
// call that returns true counts as that one.
func (l *Limiter) Coalesce(owner int64, key string) bool {
	k := recentKey{owner, sha256.Sum256([]byte(key))}
	s, now := l.lock(owner)
	defer s.mu.Unlock()
	last, known := s.updates[k]
	if known && now-last < updateEvery {
		return false
	}
	if known || len(s.updates) < maxUpdates/shardCount {
		s.updates[k] = now
	}
	return true
}
