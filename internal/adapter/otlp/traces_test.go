package otlp

import (
	"fmt"
	"testing"

	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

func tool(id, parent string, pairs ...any) wire.Span {
	return genAI(id, parent, "execute_tool "+id, 10, append([]any{"gen_ai.operation.name", "execute_tool", "gen_ai.tool.name", id}, pairs...)...)
}

func agentSpan(id, parent string, pairs ...any) wire.Span {
	return genAI(id, parent, "invoke_agent "+id, 0, append([]any{"gen_ai.operation.name", "invoke_agent", "gen_ai.agent.name", id}, pairs...)...)
}

// An agent's span ends, and is sent, after those below it.
func TestRowsLearnOfAParentThatComesLater(t *testing.T) {
	t.Parallel()
	m := NewTraces()
	first := Spans([]wire.Span{tool("dig", "noise"), tool("drill", "boss")}, m, 1, now())
	if len(first.Entries) != 2 || first.Entries[0].Draft.Parent+first.Entries[1].Draft.Parent != "" {
		t.Fatalf("%+v", first.Entries)
	}
	if second := Spans([]wire.Span{genAI("noise", "boss", "POST", 5, "http.method", "POST")}, m, 1, now()); len(second.Entries) != 0 {
		t.Errorf("%+v", second.Entries)
	}
	third := Spans([]wire.Span{agentSpan("boss", "root")}, m, 1, now())
	boss := third.Entries[0].Draft.Key
	adopted := map[string]string{}
	for _, e := range third.Entries[1:] {
		if d := e.Draft; !e.Late() || d.Conversation != "" || d.Validate(now()) != nil {
			t.Errorf("%+v", d)
		}
		adopted[e.Draft.Key] = e.Draft.Parent
	}
	if len(adopted) != 2 || adopted[first.Entries[0].Draft.Key] != boss || adopted[first.Entries[1].Draft.Key] != boss {
		t.Errorf("%v, want all under %s", adopted, boss)
	}
	if late := Spans([]wire.Span{tool("sieve", "boss")}, m, 1, now()); late.Entries[0].Draft.Parent != boss {
		t.Errorf("%+v", late.Entries)
	}
	if other := Spans([]wire.Span{tool("sieve", "boss")}, m, 2, now()); other.Entries[0].Draft.Parent != "" {
		t.Errorf("another owner's trace: %+v", other.Entries)
	}
}

func TestASessionThatIsNamedLateHoldsForTheWholeTrace(t *testing.T) {
	t.Parallel()
	m := NewTraces()
	if b := Spans([]wire.Span{tool("dig", "boss")}, m, 1, now()); b.Entries[0].Draft.Conversation != "t" || len(b.Joins) != 0 {
		t.Errorf("%+v", b)
	}
	for range 2 { // until somebody says that it is done
		b := Spans([]wire.Span{agentSpan("boss", "", "session.id", "s")}, m, 1, now())
		if b.Entries[0].Draft.Conversation != "s" || len(b.Joins) != 1 || b.Joins[0] != (Join{Trace: "t", From: "t", To: "s"}) {
			t.Errorf("%+v", b)
		}
	}
	m.Joined(1, Join{Trace: "t"})
	if b := Spans([]wire.Span{tool("drill", "boss")}, m, 1, now()); b.Entries[0].Draft.Conversation != "s" || len(b.Joins) != 0 {
		t.Errorf("%+v", b)
	}
	// What sits on spans of other things counts as well, after what those that are shown say.
	b := Spans([]wire.Span{genAI("h", "", "GET", 0, "gen_ai.conversation.id", "c"), tool("dig", "h")}, nil, 1, now())
	if b.Entries[0].Draft.Conversation != "c" {
		t.Errorf("%+v", b.Entries)
	}
}

func TestTheMemoryOfTracesIsBounded(t *testing.T) {
	t.Parallel()
	m := NewTraces()
	for i := range 3 * maxRemembered {
		d := worklog.Draft{Key: fmt.Sprint(i), Title: "x"}
		m.remember(1, fmt.Sprint(i/100), &span{Span: &wire.Span{SpanID: d.Key}}, fmt.Sprint("missing ", i%3), &d)
	}
	rows := 0
	for _, generation := range []map[traceRef]memory{m.now, m.old} {
		rows += len(generation)
		for _, v := range generation {
			rows += len(v.orphans)
		}
	}
	if rows > 2*maxRemembered+200 || rows == 0 {
		t.Errorf("%d remembered", rows)
	}
}
