package transcript

import "github.com/worklogdev/worklog/internal/adapter/agent"

// use is how a line tells of a call or its result.
type use struct {
	id      string // the agent's own name of the call
	agent   string // the sub-agent that calls
	channel string // a format may tell everything in several ways: the nth call of one is the nth of the others
	mark    string // tells a line from all others, except from itself written again
}

// uses are the calls that have one id, see [agent.Counted].
type uses struct {
	n      int            // how many there are
	begun  map[string]int // by channel, how many it has told to have begun, and to have ended
	ended  map[string]int
	marks  map[string]int // by line, which use it tells of
	oldest int            // none before it waits for its result
}

// usesOf returns the calls with the id of u and the key of the first; nil when the id names one call for ever.
func (t *track) usesOf(session string, u use) (first string, _ *uses) {
	first = agent.CallKey(session, u.agent, u.id)
	if !agent.Counted(u.id) {
		return first, nil
	}
	x := t.uses[first]
	if x == nil {
		x = &uses{begun: map[string]int{}, ended: map[string]int{}, marks: map[string]int{}, oldest: 1}
		if len(t.uses) < maxEnded {
			t.uses[first] = x
		}
	}
	return first, x
}

// called is the key of a call that a line tells to have begun.
func (t *track) called(session string, u use) string {
	first, x := t.usesOf(session, u)
	if x == nil {
		return first
	}
	return agent.Nth(first, x.take("begun "+u.mark, func() int {
		x.begun[u.channel]++
		return x.begun[u.channel]
	}))
}

// answered is the key of a call that a line tells to have ended: the last one, or without an id the first that waits.
func (t *track) answered(session string, u use) string {
	first, x := t.usesOf(session, u)
	if x == nil {
		return first
	}
	return agent.Nth(first, x.take("ended "+u.mark, func() int {
		x.ended[u.channel]++
		n := max(x.begun[u.channel], x.ended[u.channel])
		if u.id == "" {
			for x.oldest <= x.n && t.open[agent.Nth(first, x.oldest)] == nil {
				x.oldest++
			}
			n = x.oldest
		}
		x.begun[u.channel] = max(n, x.begun[u.channel])
		return n
	}))
}

// current is the key of the call that a line is about which tells of no beginning and no end: the last, or the next.
func (t *track) current(session string, u use) string {
	first, x := t.usesOf(session, u)
	if x == nil || t.open[agent.Nth(first, x.n)] != nil {
		return agent.Nth(first, x.count())
	}
	return agent.Nth(first, x.n+1)
}

func (x *uses) count() int {
	if x == nil {
		return 1
	}
	return x.n
}

// take returns which use a line tells of, which is what next returns for one that was not seen before.
func (x *uses) take(mark string, next func() int) int {
	if n, known := x.marks[mark]; known {
		return n
	}
	n := next()
	x.n = max(x.n, n)
	if len(x.marks) < maxEnded {
		x.marks[mark] = n
	}
	return n
}
