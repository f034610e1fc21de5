package agent

import (
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// unnamedCall is what calls without an id are called; they are told apart by their number.
	unnamedCall = "call"
	// fromAgent is what comes before a sub-agent's id in the keys of what is unique to its agent at best.
	fromAgent = "from"
	// shortDigits bounds the number in an id that only counts.
	shortDigits = 4
	// usesAtOnce is how many uses of an id are asked for in the search for the last one, which maxUses bounds.
	usesAtOnce = 16
	maxUses    = 1 << 20
	// maxNewest bounds the uses of an id that an event may be about.
	maxNewest = 4096
	// sameStep is how far apart two doors may see the same step begin or end.
	sameStep = 2 * time.Second
	never    = time.Duration(1<<63 - 1)
)

// Names in metadata.
const (
	// EventID says which record of an exporter the entry shows.
	EventID = "event_id"
	// NoResult marks an end that was concluded: nobody has reported it.
	NoResult = "no_result"
)

// Counted reports whether an id of a call may come again in its session, for another call: it only counts, like call_0 or
// functions.dig:3, or there is none. What begins as Anthropic's ids do is unique.
func Counted(id string) bool {
	i := strings.LastIndexAny(id, "_-:") + 1
	prefix, digits := id[:i], id[i:]
	counts := digits != "" && len(digits) <= shortDigits && strings.Trim(digits, "0123456789") == "" && !strings.ContainsAny(prefix, "0123456789")
	return id == "" || counts && prefix != "toolu_"
}

// CallKey names the first call of that id. What only counts is unique to its agent at best.
func CallKey(session, agentID, id string) string {
	if !Counted(id) {
		return Key(session, id)
	}
	return inAgent(session, agentID, orElse(id, unnamedCall))
}

// inAgent names something of a sub-agent, or with an empty agent of the session's own.
func inAgent(session, agentID string, parts ...string) string {
	if agentID != "" {
		parts = append([]string{fromAgent, agentID}, parts...)
	}
	return Key(session, parts...)
}

// Nth is the key of the nth use, from 1, of what the key first names.
func Nth(first string, n int) string {
	if n <= 1 {
		return first
	}
	return bounded(first + "." + strconv.Itoa(n))
}

// Find returns those of the keys that name an entry, by key.
type Find func(keys []string) (map[string]worklog.Entry, error)

// Uses are the calls of a session to which its agent gives one id, as far as they are stored. Time tells them apart: no
// agent uses an id again before its call has ended.
type Uses struct {
	first  string
	n      int // how many there are
	newest map[int]worklog.Entry
}

// LoadUses finds the uses of what the key first names: the last one, and at least so many before it.
func LoadUses(first string, newest int, find Find) (*Uses, error) {
	u := &Uses{first: first, newest: map[int]worklog.Entry{}}
	if err := u.look(find, 1, 1, usesAtOnce); err != nil || u.n < usesAtOnce {
		return u, err
	}
	for n := 2 * usesAtOnce; n <= maxUses && n <= 2*u.n; n *= 2 { // how many there are, roughly
		if err := u.look(find, n, 0, 1); err != nil {
			return u, err
		}
	}
	for step := u.n; step > 1; {
		step = (step + usesAtOnce - 1) / usesAtOnce
		if err := u.look(find, u.n+step, step, usesAtOnce); err != nil {
			return u, err
		}
	}
	newest = min(newest, maxNewest)
	return u, u.look(find, max(1, u.n-newest), 1, newest+1)
}

// look finds so many uses, each so many further than the one before.
func (u *Uses) look(find Find, from, step, count int) error {
	keys := make([]string, count)
	for i := range keys {
		keys[i] = Nth(u.first, from+i*step)
	}
	known, err := find(keys)
	for i, key := range keys {
		if e, ok := known[key]; ok {
			u.put(from+i*step, e)
		}
	}
	return err
}

func (u *Uses) put(n int, e worklog.Entry) {
	u.newest[n], u.n = e, max(u.n, n)
}

// Begun names the draft of a step that has begun at that time: it is one that is known to have run then, or a new one.
func (u *Uses) Begun(d *worklog.Draft, at time.Time) {
	u.name(d, func(e *worklog.Entry) time.Duration {
		switch {
		case isOpen(e) && (e.Title != d.Title || e.StartedAt.Sub(at).Abs() > sameStep), !isOpen(e) && at.After(e.EndedAt):
			return never
		case !isOpen(e) && at.Before(begin(e).Add(-sameStep)):
			return never
		}
		return begin(e).Sub(at).Abs()
	})
}

// Ended names the draft of a step that has ended at that time, as whoever has told its beginning says: it is the one
// that runs, else one that is known to have run then, or a new one.
func (u *Uses) Ended(d *worklog.Draft, at time.Time) { u.end(d, at, 0) }

// Told names the draft of a step that has ended at that time, as somebody says who has not told its beginning and comes
// late: one that runs may be a later one.
func (u *Uses) Told(d *worklog.Draft, at time.Time) { u.end(d, at, sameStep/2) }

func (u *Uses) end(d *worklog.Draft, at time.Time, running time.Duration) {
	from := at
	if d.StartedAt != nil {
		from = *d.StartedAt
	}
	event := d.Metadata[EventID]
	u.name(d, func(e *worklog.Entry) time.Duration {
		known := e.Metadata[EventID]
		switch {
		case known != nil && event != nil && known == event:
			return 0
		case known != nil && event != nil, at.Before(begin(e).Add(-sameStep)):
			return never
		case isOpen(e) && at.Before(begin(e)): // by the clock of one of the two
			return begin(e).Sub(at)
		case isOpen(e):
			return running
		case from.After(e.EndedAt.Add(sameStep)):
			return never
		}
		return e.EndedAt.Sub(at).Abs()
	})
}

// name gives a draft the key of the entry that is nearest to it, of several the newest, and takes it for stored.
func (u *Uses) name(d *worklog.Draft, distance func(*worklog.Entry) time.Duration) {
	found, nearest := 0, never
	for n, e := range u.newest {
		if far := distance(&e); far < nearest || far == nearest && far < never && n > found {
			found, nearest = n, far
		}
	}
	if found > 0 {
		d.Key = Nth(u.first, found)
		known := u.newest[found]
		if d.Status.Final() {
			known.Status, known.EndedAt = d.Status, orTime(known.EndedAt, d.EndedAt)
			known.Metadata = worklog.Metadata{EventID: d.Metadata[EventID]}
		}
		u.put(found, known)
		return
	}
	d.Key = Nth(u.first, u.n+1)
	u.put(u.n+1, worklog.Entry{
		Title: d.Title, Status: d.Status, StartedAt: orTime(time.Time{}, d.StartedAt), EndedAt: orTime(time.Time{}, d.EndedAt), Metadata: d.Metadata,
	})
}

// isOpen reports whether e runs, as far as anybody has said: an end that was concluded is none.
func isOpen(e *worklog.Entry) bool {
	return e.Status == worklog.StatusWorking || e.Status == worklog.StatusWarning && e.Metadata[NoResult] == true
}

// begin is when e began; of a step of which only the end is known, that.
func begin(e *worklog.Entry) time.Time {
	if e.StartedAt.IsZero() {
		return e.EndedAt
	}
	return e.StartedAt
}

func orTime(t time.Time, other *time.Time) time.Time {
	if t.IsZero() && other != nil {
		return *other
	}
	return t
}
