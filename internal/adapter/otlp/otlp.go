// Package otlp turns OpenTelemetry's log records and spans into drafts: the events of Claude Code, Codex and Gemini CLI,
// and the spans of everything that is instrumented for generative AI, in whatever generation of names.
//
// Nothing is an error. An event that is not known becomes an entry that shows it, what says nothing that another record
// does not say is counted, and a span that has nothing to do with an agent is left out. Every draft has a key that is made
// of what the record itself says, so that a batch that is sent again stores nothing twice; keys of calls, prompts and
// replies are those of hooks and transcripts.
package otlp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// shownJSON is how much of an event that is not known is shown.
	shownJSON = 8 << 10
	// noteText is how much of one attribute is kept as metadata, maxNotes how many attributes of one record are.
	noteText = 1 << 10
	maxNotes = 60
	// maxNoteBytes bounds all of them together: there must be room for what the call was given.
	maxNoteBytes = 24 << 10
	// newestUses is how many calls of one id a record may be about, besides those of its own request.
	newestUses = 16
	// sourcePrefix comes before the name of a service that is none of the known agents.
	sourcePrefix = "otel:"
)

// Entry is the draft of one record.
type Entry struct {
	Draft worklog.Draft

	words   *words
	now     time.Time
	counted bool // the id of its call may have been that of another one before, see [Batch.Number]
	late    bool // about a row of an earlier request: no record of this one
}

// Late reports whether the draft is about a row of an earlier request: no record of this one stands behind it.
func (e *Entry) Late() bool { return e.late }

// Batch is the drafts of one request, in its order, and what became of the other records.
type Batch struct {
	Entries []Entry
	// Skipped counts by kind the records that say nothing of their own.
	Skipped map[string]int
	// Joins come before the entries.
	Joins []Join

	now  time.Time
	said map[string]int // by key, how often this request has a text
}

// Join says that a trace whose rows have a conversation of their own belongs to another one: a span has named it late.
type Join struct {
	Trace    string
	From, To string // keys of conversations
}

func newBatch(now time.Time) *Batch {
	return &Batch{Skipped: map[string]int{}, now: now, said: map[string]int{}}
}

func (b *Batch) skip(kind string) { b.Skipped[kind]++ }

// add finishes a draft and takes it.
func (b *Batch) add(d worklog.Draft, w *words) {
	agent.Fit(&d, b.now)
	b.Entries = append(b.Entries, Entry{Draft: d, words: w, now: b.now})
}

// Number finds out which calls the entries are about whose agent gives all of them the same id. It comes before they are
// stored; find returns entries by their keys.
func (b *Batch) Number(find func(keys []string) (map[string]worklog.Entry, error)) error {
	count, uses := map[string]int{}, map[string]*agent.Uses{}
	for i := range b.Entries {
		if e := &b.Entries[i]; e.counted {
			count[e.Draft.Key]++
		}
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		if !e.counted {
			continue
		}
		first := e.Draft.Key
		if uses[first] == nil {
			u, err := agent.LoadUses(first, newestUses+2*count[first], find)
			if err != nil {
				return err
			}
			uses[first] = u
		}
		at := b.now
		if e.Draft.EndedAt != nil {
			at = *e.Draft.EndedAt
		}
		uses[first].Told(&e.Draft, at)
	}
	return nil
}

// facts are a record's attributes. What the resource says counts where the record is silent.
type facts struct{ attrs, resource wire.Attrs }

// first returns the first of the names that says something.
func (f facts) first(names ...string) string {
	for _, attrs := range []wire.Attrs{f.attrs, f.resource} {
		for _, name := range names {
			if s := textOf(attrs[name]); strings.TrimSpace(s) != "" {
				return s
			}
		}
	}
	return ""
}

// textOf is a value as text; lists and objects are JSON.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

// jsonOf is a value as JSON: a text that holds an object or a list is what it holds.
func jsonOf(s string) json.RawMessage {
	if t := strings.TrimSpace(s); t != "" && (t[0] == '{' || t[0] == '[') && json.Valid([]byte(t)) {
		return json.RawMessage(t)
	}
	if s == "" {
		return nil
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return raw
}

// number is the first of the names that is a number, or a text that is one.
func (f facts) number(names ...string) (float64, bool) {
	var v float64
	if s := f.first(names...); s != "" && json.Unmarshal([]byte(s), &v) == nil {
		return v, true
	}
	return 0, false
}

func (f facts) session() string { return f.first(sessionNames()...) }

// source says what has written a record.
func (f facts) source(scope string) string {
	service := f.first("service.name")
	for _, known := range []struct{ source, service, scope string }{
		{agent.SourceClaudeCode, "claude-code", "com.anthropic.claude_code"},
		{agent.SourceCodex, "codex", "codex"},
		{agent.SourceGemini, "gemini-cli", "gemini"},
	} {
		if strings.HasPrefix(service, known.service) || strings.HasPrefix(scope, known.scope) {
			return known.source
		}
	}
	if service == "" {
		service = "unknown"
	}
	return sourcePrefix + service
}

// note copies attributes into the metadata of a draft under their last name.
func (f facts) note(d *worklog.Draft, names ...string) {
	for _, name := range names {
		v, ok := f.attrs[name]
		if !ok {
			continue
		}
		if s, is := v.(string); is {
			v = cutText(s)
		}
		agent.Note(d, strings.ReplaceAll(name, ".", "_"), v)
	}
}

// noteRest copies every attribute that the draft does not show otherwise, always the same ones of many.
func (f facts) noteRest(d *worklog.Draft, shown map[string]bool) {
	rest, size := map[string]any{}, 0
	for _, name := range slices.Sorted(maps.Keys(f.attrs)) {
		if shown[name] || isBulk(name) || len(rest) >= maxNotes {
			continue
		}
		v, text := f.attrs[name], textOf(f.attrs[name])
		if len(text) > noteText {
			v = cutText(text)
		}
		if size += len(name) + min(len(text), noteText); size > maxNoteBytes {
			break
		}
		rest[name] = v
	}
	if len(rest) > 0 {
		agent.Note(d, "attributes", rest)
	}
}

func cutText(s string) string {
	if len(s) <= noteText {
		return s
	}
	return worklog.Cut(s, noteText) + "… [cut here]"
}

// between says when something began and ended that took so many milliseconds.
func between(d *worklog.Draft, end time.Time, ms float64) {
	if end.IsZero() {
		return
	}
	d.EndedAt, d.LoggedAt = &end, &end
	if ms >= 0 && ms < float64(365*24*time.Hour/time.Millisecond) {
		begin := end.Add(-time.Duration(ms * float64(time.Millisecond)))
		d.StartedAt = &begin
	}
}

// digest names a record by everything it says: the same record sent again is the same entry.
func digest(parts ...any) string {
	raw, _ := json.Marshal(parts) // texts, numbers and what wire makes of values: nothing that can fail
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

func orElse(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}
