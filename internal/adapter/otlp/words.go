package otlp

import (
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// maxTwins is how often the same words are looked for under the next key, see [Entry.Again].
	maxTwins = 8
	// sameMoment is how far apart two doors see the same words said.
	sameMoment = 2 * time.Minute
	// eventID and promptID are where the metadata of a prompt or reply says which one it is.
	eventID  = agent.EventID
	promptID = "prompt_id"
)

// words are a prompt or reply. Nothing but its text tells which entry it is, see [Entry.Again].
type words struct {
	session, kind, text string
	agent               string // the sub-agent that says it; empty: the session's own
	event, prompt       string // ids
	at                  time.Time
	nth                 int
	shape               func(*worklog.Draft)
}

// say adds a prompt or reply. One that the agent was told not to send is counted: hooks and transcripts have its text,
// and a row without would stand beside theirs.
func (b *Batch) say(w *words) {
	switch strings.TrimSpace(w.text) {
	case "", "[REDACTED]", "<REDACTED>", "REDACTED", "(no content)":
		b.skip(w.kind + " without its text")
		return
	}
	first := agent.TextKey(w.session, w.agent, w.kind, w.text, 1)
	b.said[first]++
	w.nth = min(b.said[first], maxTwins)
	b.add(w.draft(), w)
}

func (w *words) draft() worklog.Draft {
	d := agent.Prompt(w.session, w.agent, w.text, w.nth)
	if w.kind == agent.KindReply {
		d = agent.Reply(w.session, w.agent, w.text, w.nth)
	}
	if w.nth > maxTwins {
		d.Key = agent.Key(agent.TextKey(w.session, w.agent, w.kind, w.text, 1), w.event)
	}
	if !w.at.IsZero() {
		at := w.at
		d.LoggedAt = &at
	}
	w.shape(&d)
	agent.Note(&d, eventID, w.event)
	agent.Note(&d, promptID, w.prompt)
	return d
}

// Again returns what is to be stored next, given the receipt of what was stored: the same words may have been said before
// in the session, and then they are another entry, under the next key.
func (e *Entry) Again(r worklog.Receipt) (Entry, bool) {
	w := e.words
	if w == nil || r.Entry == nil || w.nth > maxTwins || (r.Outcome != worklog.OutcomeUnchanged && r.Outcome != worklog.OutcomeUpdated) || w.is(r.Entry, e.now) {
		return Entry{}, false
	}
	next := *w
	next.nth++
	d := next.draft()
	agent.Fit(&d, e.now)
	return Entry{Draft: d, words: &next, now: e.now}, true
}

// is reports whether the entry that the key has led to is these words, and not the same ones at another time.
func (w *words) is(e *worklog.Entry, now time.Time) bool {
	at := w.at
	if !agent.Believable(at, now) {
		at = time.Time{}
	}
	if known, _ := e.Metadata[eventID].(string); known != "" {
		if known != w.event {
			return false
		}
		// This door's own, or another's that the write has just marked: that one is told by its prompt, or its time.
		if e.LoggedAt.Equal(at.Truncate(time.Microsecond)) {
			return true
		}
	}
	if known, _ := e.Metadata[promptID].(string); known != "" && w.prompt != "" {
		return known == w.prompt
	}
	return at.IsZero() || e.LoggedAt.Sub(at).Abs() < sameMoment
}
