package otlp

import (
	"fmt"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

// notebook keeps entries by key as the store does, as far as words need it: existing metadata wins.
type notebook map[string]*worklog.Entry

func (n notebook) append(d worklog.Draft) worklog.Receipt {
	known := n[d.Key]
	if known == nil {
		at := now()
		if d.LoggedAt != nil {
			at = *d.LoggedAt
		}
		n[d.Key] = &worklog.Entry{Key: d.Key, Metadata: worklog.Metadata{}, LoggedAt: at}
		for k, v := range d.Metadata {
			n[d.Key].Metadata[k] = v
		}
		return worklog.Receipt{Outcome: worklog.OutcomeStored, Entry: n[d.Key]}
	}
	for k, v := range d.Metadata {
		if _, has := known.Metadata[k]; !has {
			known.Metadata[k] = v
		}
	}
	return worklog.Receipt{Outcome: worklog.OutcomeUpdated, Entry: known}
}

// send stores a request and follows it up as the door does.
func (n notebook) send(records ...wire.Record) {
	for _, e := range Logs(records, now()).Entries {
		for ok := true; ok; {
			e, ok = e.Again(n.append(e.Draft))
		}
	}
}

func reply(id, prompt string, after time.Duration) wire.Record {
	r := record("claude_code.assistant_response", "response", "Let me look.", "message.uuid", id, "prompt.id", prompt)
	r.Time = moment().Add(after)
	return r
}

func TestTheSameWordsSaidTwiceAreTwoEntriesAndSentTwiceOne(t *testing.T) {
	t.Parallel()
	n := notebook{}
	for range 2 {
		n.send(reply("a", "p", 0), reply("b", "p", time.Second))
		n.send(reply("c", "p", 2*time.Second))
		n.send(reply("d", "q", 3*time.Second))
	}
	if len(n) != 4 {
		t.Errorf("%d entries", len(n))
	}
	for i := range 30 {
		n.send(reply(fmt.Sprint(i), "p", time.Duration(i)*time.Minute))
	}
	if len(n) != 34 {
		t.Errorf("%d entries", len(n))
	}
}

func TestWordsOfAnotherDoorAreRecognised(t *testing.T) {
	t.Parallel()
	hook := func(n notebook, nth int, prompt string, at time.Time) {
		d := agent.Reply("s", "", "Let me look.", nth)
		agent.Note(&d, promptID, prompt)
		d.LoggedAt = &at
		n.append(d)
	}
	n := notebook{}
	hook(n, 1, "p", moment().Add(time.Second))
	hook(n, 2, "q", moment().Add(time.Hour))
	for range 2 {
		n.send(reply("a", "p", 0))
		n.send(reply("b", "q", 3*time.Second)) // by its prompt, although its time is nearer to the first
	}
	if len(n) != 2 {
		t.Errorf("%d entries", len(n))
	}
	n = notebook{}
	hook(n, 1, "", moment().Add(-time.Hour)) // a transcript says when, and no more
	hook(n, 2, "", moment().Add(time.Second))
	for range 2 {
		n.send(reply("a", "", 0))
	}
	if len(n) != 2 {
		t.Errorf("%d entries", len(n))
	}
	n.send(reply("z", "", 10*time.Hour))
	if len(n) != 3 {
		t.Errorf("%d entries", len(n))
	}
}

func TestWordsWhoseTimeCanNotBeTrueAreStoredOnce(t *testing.T) {
	t.Parallel()
	n := notebook{}
	for range 3 {
		n.send(reply("a", "", -20*365*24*time.Hour))
	}
	if len(n) != 1 {
		t.Errorf("%d entries", len(n))
	}
}

func TestAReplyOfASubAgentIsThatOfItsTranscript(t *testing.T) {
	t.Parallel()
	d := one(t, record("claude_code.assistant_response", "response", "Done.", "agent_id", "a1"))
	if d.Key != agent.TextKey("s", "a1", agent.KindReply, "Done.", 1) || d.Parent != "s/agent/a1" {
		t.Errorf("%+v", d)
	}
}
