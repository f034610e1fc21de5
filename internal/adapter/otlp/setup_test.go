package otlp

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

// moment is when the records of these tests happen, a minute before they are received.
func moment() time.Time { return now().Add(-time.Minute) }

// kv makes attributes of names and values.
func kv(pairs ...any) wire.Attrs {
	a := wire.Attrs{}
	for i := 0; i < len(pairs); i += 2 {
		a[pairs[i].(string)] = pairs[i+1]
	}
	return a
}

// record is an event of an agent: claude_code.x, codex.x, gemini_cli.x. Its session is s.
func record(name string, pairs ...any) wire.Record {
	attrs := kv(append([]any{"event.name", name, "session.id", "s"}, pairs...)...)
	return wire.Record{Time: moment(), Body: name, Attrs: attrs}
}

// drafts maps records, and fails when a draft of them breaks a rule or has no key.
func drafts(t *testing.T, records ...wire.Record) []worklog.Draft {
	t.Helper()
	return checked(t, Logs(records, now()))
}

func checked(t *testing.T, b *Batch) (list []worklog.Draft) {
	t.Helper()
	for i := range b.Entries {
		d := b.Entries[i].Draft
		if err := d.Validate(now()); err != nil || d.Key == "" {
			t.Errorf("%v: %+v", err, d)
		}
		list = append(list, d)
	}
	return list
}

// one maps a record that becomes one entry.
func one(t *testing.T, r wire.Record) worklog.Draft {
	t.Helper()
	list := drafts(t, r)
	if len(list) != 1 {
		t.Fatalf("%v: %d entries", r.Attrs, len(list))
	}
	return list[0]
}

// genAI is a span of trace t. It takes a second from its start in milliseconds after moment.
func genAI(id, parent, name string, start int, pairs ...any) wire.Span {
	from := moment().Add(time.Duration(start) * time.Millisecond)
	return wire.Span{TraceID: "t", SpanID: id, ParentID: parent, Name: name, Start: from, End: from.Add(time.Second), Attrs: kv(pairs...)}
}

// tree shows entries as "title < title of the parent".
func tree(list []worklog.Draft) (lines []string) {
	titles := map[string]string{}
	for _, d := range list {
		titles[d.Key] = d.Title
	}
	for _, d := range list {
		line := d.Title
		if d.Parent != "" {
			line += " < " + titles[d.Parent]
		}
		lines = append(lines, line)
	}
	return lines
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(raw)
}
