package otlp

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
)

// llm is a call of a model that takes so many milliseconds.
func llm(id, parent string, start, took int, pairs ...any) wire.Span {
	s := genAI(id, parent, "chat m", start, append([]any{"gen_ai.operation.name", "chat", "gen_ai.request.model", "m"}, pairs...)...)
	s.End = s.Start.Add(time.Duration(took) * time.Millisecond)
	return s
}

// requests sends spans one request after the other and returns the keys that got rows, with the parent they have then.
func requests(t *testing.T, m *Traces, list ...[]wire.Span) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for _, spans := range list {
		b := Spans(spans, m, 1, now())
		checked(t, b)
		for _, e := range b.Entries {
			if d := e.Draft; d.Parent != "" || rows[d.Key] == "" {
				rows[d.Key] = d.Parent
			}
		}
	}
	return rows
}

func TestACallOfAModelThatSeveralSpansTellOfIsOneRowInWhateverRequestsTheyCome(t *testing.T) {
	t.Parallel()
	inner, middle, outer := llm("inner", "noise", 10, 980), llm("middle", "outer", 5, 990), llm("outer", "boss", 0, 1000, "gen_ai.usage.input_tokens", int64(5))
	noise, boss, below := genAI("noise", "middle", "POST", 8, "http.method", "POST"), agentSpan("boss", ""), tool("dig", "inner")
	for name, list := range map[string][][]wire.Span{
		"together":           {{inner, noise, middle, outer, boss, below}},
		"inside out":         {{inner}, {noise}, {middle}, {outer}, {boss}, {below}},
		"in two":             {{below, inner, noise}, {middle, outer, boss}},
		"outside in":         {{boss}, {outer}, {middle}, {noise, inner}, {below}},
		"each request twice": {{inner, noise}, {inner, noise}, {middle}, {middle}, {outer, boss}, {outer, boss}, {below}},
	} {
		rows := requests(t, NewTraces(), list...)
		call := ""
		for key, parent := range rows {
			if parent == spanKey("t", "boss") {
				call = key
			}
		}
		if len(rows) != 3 || call == "" || rows[spanKey("t", "dig")] != call {
			t.Errorf("%s: %v", name, rows)
		}
	}
}

func TestCallsOfAModelThatAreNotTheSameStayApart(t *testing.T) {
	t.Parallel()
	outer := llm("outer", "", 0, 1000)
	for name, list := range map[string][][]wire.Span{
		"two attempts":   {{llm("a", "outer", 0, 400), llm("b", "outer", 500, 400)}, {outer}},
		"one outside it": {{llm("a", "outer", 900, 1000), llm("b", "outer", 3000, 10)}, {outer}},
	} {
		if rows := requests(t, NewTraces(), list...); len(rows) != 3 || rows[spanKey("t", "a")] != spanKey("t", "outer") || rows[spanKey("t", "b")] != spanKey("t", "outer") {
			t.Errorf("%s: %v", name, rows)
		}
	}
}
