package limit

import (
	"slices"
	"time"
)

// span is the length of the window in microseconds. A place taken at t is free again at t + span.
const span = int64(time.Minute / time.Microsecond)

// Window names whose places are meant: a user's, or those of a token that carries a limit of its own. Such a token has
// a window of its own, so that neither eats the other's places.
type Window struct {
	Owner int64
	Token string // empty: the owner's
	Limit int    // 0: Options.PerMinute
}

// Reservation is a number of places taken in a window at one moment. The zero Reservation holds none.
type Reservation struct {
	N   int // places granted
	at  int64
	key windowKey
}

// State is what the RateLimit headers say.
type State struct {
	Limit     int
	Remaining int
	// Reset is the time until one more place is free; 0 when none is taken.
	Reset time.Duration
}

type windowKey struct {
	owner   int64
	token   string
	imports bool
}

// window is the sorted times of the places taken; those before head have expired.
type window struct {
	at   []int64
	head int
}

// Reserve takes up to n places in w now, and fewer (or none) when the window is full. A place that ends up without a
// stored entry must be given back with Release.
func (l *Limiter) Reserve(w Window, n int) Reservation {
	r, _ := l.reserve(windowKey{owner: w.Owner, token: w.Token}, n, l.limit(w))
	return r
}

// ReserveImport takes up to n places in the import budget of w's token, or of its owner when w names none. When it
// grants fewer, retry says when the missing ones (at most the whole budget) will be free.
func (l *Limiter) ReserveImport(w Window, n int) (r Reservation, retry time.Duration) {
	return l.reserve(windowKey{w.Owner, w.Token, true}, n, l.o.Import)
}

// Release gives back n of the places of r. Places that have expired meanwhile are gone already.
func (l *Limiter) Release(r Reservation, n int) {
	if n = min(n, r.N); n <= 0 {
		return
	}
	s, now := l.lock(r.key.owner)
	defer s.mu.Unlock()
	if w := s.windows[r.key]; w != nil {
		w.expire(now)
		w.remove(r.at, n)
	}
}

// State describes w as it is now.
func (l *Limiter) State(w Window) State {
	s, now := l.lock(w.Owner)
	defer s.mu.Unlock()
	limit := l.limit(w)
	win := s.windows[windowKey{owner: w.Owner, token: w.Token}]
	if win == nil {
		return State{Limit: limit, Remaining: limit}
	}
	win.expire(now)
	free := limit - win.used()
	return State{Limit: limit, Remaining: max(free, 0), Reset: win.wait(now, 1-min(free, 0))}
}

func (l *Limiter) limit(w Window) int {
	if w.Limit > 0 {
		return w.Limit
	}
	return l.o.PerMinute
}

func (l *Limiter) reserve(k windowKey, n, limit int) (Reservation, time.Duration) {
	s, now := l.lock(k.owner)
	defer s.mu.Unlock()
	w := s.windows[k]
	if w == nil {
		if len(s.windows) >= maxWindows/shardCount {
			return Reservation{}, time.Minute
		}
		w = new(window)
		s.windows[k] = w
	}
	w.expire(now)
	granted := max(min(n, limit-w.used()), 0)
	missing := min(n, limit) - granted
	var retry time.Duration
	if missing > 0 {
		retry = w.wait(now, w.used()+granted+missing-limit)
	}
	w.add(now, granted)
	return Reservation{N: granted, at: now, key: k}, retry
}

func (w *window) used() int { return len(w.at) - w.head }

// expire frees the places that are span old.
func (w *window) expire(now int64) {
	for w.head < len(w.at) && now-w.at[w.head] >= span {
		w.head++
	}
	if w.head*2 > len(w.at) { // more dead than alive: move the living to the front, which bounds the slice
		w.at = w.at[:copy(w.at, w.at[w.head:])]
		w.head = 0
	}
}

func (w *window) add(now int64, n int) {
	for range n {
		w.at = append(w.at, now)
	}
}

// remove frees up to n places taken at the given time.
func (w *window) remove(at int64, n int) {
	live := w.at[w.head:]
	from, _ := slices.BinarySearch(live, at)
	to := from
	for to < len(live) && live[to] == at && to-from < n {
		to++
	}
	w.at = slices.Delete(w.at, w.head+from, w.head+to)
}

// wait is the time until the n oldest places are free, 0 when fewer are taken.
func (w *window) wait(now int64, n int) time.Duration {
	if n < 1 || n > w.used() {
		return 0
	}
	return time.Duration(w.at[w.head+n-1]+span-now) * time.Microsecond
}
