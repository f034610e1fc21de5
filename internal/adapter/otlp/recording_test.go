package otlp

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

// recording returns a file beside the checkout, or nothing: recordings are not part of the project.
func recording(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "recordings", filepath.FromSlash(name)))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return raw
}

// figures are what a page shows of a recording.
type figures struct {
	Rows, Conversations, Calls, Done, Errors, Prompts, Replies, Timed, Nested int
}

func figuresOf(entries []Entry) (f figures, longest time.Duration) {
	keys, conversations := map[string]bool{}, map[string]bool{}
	for i := range entries {
		d := &entries[i].Draft
		if keys[d.Key] {
			continue
		}
		keys[d.Key], conversations[d.Conversation] = true, true
		f.Rows++
		f.Conversations = len(conversations)
		count := func(n *int, is bool) {
			if is {
				*n++
			}
		}
		call := d.Tool != ""
		count(&f.Calls, call)
		count(&f.Done, call && d.Status.Final())
		count(&f.Errors, d.Status == worklog.StatusError)
		count(&f.Prompts, strings.HasPrefix(d.Title, "Prompt: "))
		count(&f.Replies, d.Type == worklog.TypeAIResponse)
		count(&f.Nested, d.Parent != "")
		if d.StartedAt != nil && d.EndedAt != nil {
			f.Timed++
			longest = max(longest, d.EndedAt.Sub(*d.StartedAt))
		}
	}
	return f, longest
}

func TestRecordingsHaveTheRowsThatTheyShould(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		traces bool
		want   figures
	}{
		{"otlp-logs/session-7505c804-full.otlp-logs.jsonl", false, figures{Rows: 145, Conversations: 1, Calls: 94, Done: 94, Errors: 5, Prompts: 5, Replies: 46, Timed: 94}},
		{"otlp-traces/helm.otlp.json", true, figures{Rows: 4, Conversations: 1, Calls: 1, Done: 1, Replies: 2, Timed: 4, Nested: 3}},
		{"otlp-traces/k8s.otlp.json", true, figures{Rows: 2, Conversations: 1, Replies: 1, Timed: 2, Nested: 1}},
		{"otlp-spec-examples/logs.json", false, figures{Rows: 1, Conversations: 1}},
		{"otlp-spec-examples/trace.json", true, figures{}},
	} {
		raw := recording(t, c.name)
		if raw == nil {
			t.Logf("THE RECORDINGS ARE NOT HERE: %s was not checked", c.name)
			continue
		}
		var all []Entry
		skipped, traces := map[string]int{}, NewTraces()
		bodies := [][]byte{raw}
		if strings.HasSuffix(c.name, "l") {
			bodies = bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
		}
		for _, body := range bodies {
			b := decoded(t, body, c.traces, traces)
			all = append(all, b.Entries...)
			for kind, n := range b.Skipped {
				skipped[kind] += n
			}
		}
		got, longest := figuresOf(all)
		t.Logf("%s: %+v, longest %v, skipped %v", c.name, got, longest, skipped)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// decoded reads and maps one request of JSON, and fails when anything of it is refused or breaks a rule.
func decoded(t *testing.T, body []byte, spans bool, traces *Traces) *Batch {
	t.Helper()
	var b *Batch
	rejected := 0
	if spans {
		in, err := wire.Spans(body, wire.JSON)
		if err != nil {
			t.Fatal(err)
		}
		b, rejected = Spans(in.Items, traces, 1, now()), in.Rejected
	} else {
		in, err := wire.Logs(body, wire.JSON)
		if err != nil {
			t.Fatal(err)
		}
		b, rejected = Logs(in.Items, now()), in.Rejected
	}
	for i := range b.Entries {
		if err := b.Entries[i].Draft.Validate(now()); err != nil || b.Entries[i].Draft.Key == "" {
			t.Errorf("%v: %+v", err, b.Entries[i].Draft)
		}
	}
	if rejected > 0 {
		t.Errorf("%d records were refused", rejected)
	}
	return b
}

func now() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }
