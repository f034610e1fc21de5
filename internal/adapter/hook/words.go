package hook

import (
	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// maxTwins is how often the same words are looked for under the next key, see [Event.Again].
	maxTwins = 8
	// deliveryNote is where the metadata of a reply says which event has brought it.
	deliveryNote = "delivery"
)

// words are a prompt or reply. Nothing but its text tells which entry it is, see [Event.Again].
type words struct {
	id       string // of its prompt
	delivery string // of a reply; one prompt may have several: a background task wakes the agent
	nth      int
	of       func(nth int) worklog.Draft
}

// say adds a prompt or reply.
func (e *Event) say(kind, text string) {
	e.words = &words{id: e.promptID(), nth: 1}
	e.words.of = func(nth int) worklog.Draft {
		d := agent.Prompt(e.session(), e.text("agent_id"), text, nth)
		if kind == agent.KindReply {
			d = agent.Reply(e.session(), e.text("agent_id"), text, nth)
		}
		switch {
		case e.words.id == "": // no way to tell it from one with the same words
			d.Key = ""
		case nth > maxTwins:
			d.Key = agent.Key(agent.TextKey(e.session(), e.text("agent_id"), kind, text, 1), e.words.id)
		}
		agent.Note(&d, "prompt_id", e.words.id)
		agent.Note(&d, deliveryNote, e.words.delivery)
		return d
	}
	e.Drafts = append(e.Drafts, e.words.of(1))
}

// Again returns what is to be stored next, given the receipts of what was stored: the same words may have been said
// before in the session, and then they are another entry, under the next key.
func (e *Event) Again(receipts []worklog.Receipt) []worklog.Draft {
	if e.words == nil || len(receipts) == 0 || e.words.nth > maxTwins {
		return nil
	}
	r := receipts[0]
	if r.Entry == nil || (r.Outcome != worklog.OutcomeUnchanged && r.Outcome != worklog.OutcomeUpdated) {
		return nil
	}
	if e.words.is(r.Entry.Metadata) {
		return nil
	}
	e.words.nth++
	d := e.words.of(e.words.nth)
	e.finish(&d)
	return []worklog.Draft{d}
}

// is reports whether an entry with that metadata is these words, and not the same ones of another turn.
func (w *words) is(m worklog.Metadata) bool {
	prompt, _ := m["prompt_id"].(string)
	delivery, _ := m[deliveryNote].(string)
	return (prompt == "" || prompt == w.id) && (delivery == "" || w.delivery == "" || delivery == w.delivery)
}
