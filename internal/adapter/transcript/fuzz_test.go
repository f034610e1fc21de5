package transcript

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

const claudeSeed = `{"type":"summary","summary":"Old work","leafUuid":"x"}
{"sessionId":"s","uuid":"1","timestamp":"2026-05-01T10:00:00Z","type":"user","cwd":"/w","message":{"content":"Fix it"}}
{"sessionId":"s","uuid":"2","timestamp":"2026-05-01T10:00:01Z","type":"assistant","message":{"model":"m","content":[{"type":"thinking"},{"type":"text","text":"I will."},{"type":"tool_use","id":"t1","name":"Task","input":{"description":"Look"}}]}}
{"sessionId":"s","uuid":"3","timestamp":"2026-05-01T10:00:02Z","type":"user","isSidechain":true,"agentId":"a","message":{"content":"Look"}}
{"sessionId":"s","uuid":"4","timestamp":"2026-05-01T10:00:03Z","type":"assistant","isSidechain":true,"parentUuid":"3","message":{"content":[{"type":"tool_use","id":"t2","name":"Bash","input":{"command":"ls"}}]}}
{"sessionId":"s","uuid":"5","timestamp":"2026-05-01T10:00:04Z","type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"x","is_error":true}]},"toolUseResult":{"agentId":"a","content":"x"}}
{"sessionId":"s","type":"queue-operation","operation":"enqueue","content":"and then"}{"sessionId":"s","type":"queue-operation","operation":"dequeue"}
{"sessionId":"s","uuid":"6","type":"system","subtype":"api_error","retryAttempt":2,"error":{"message":"x"}}
{"sessionId":"s","uuid":"7","type":"attachment","attachment":{"type":"queued_command","prompt":"<command-name>/x</command-name>"}}
torn
`

// held holds what a parser makes of any text to the rules: valid drafts of keys, in an order that a store can take, and
// every line read, skipped or named. Half of the texts are watched while they grow.
func held(t *testing.T, f Format, text []byte, watched bool) {
	p := New(f, Options{Now: now()})
	final := map[string]bool{}
	check := func(rows []Row) {
		for _, row := range rows {
			d := row.Draft
			d.Normalize()
			if err := d.Validate(now()); err != nil || d.Key == "" || d.Conversation == "" || d.Source == "" || row.Line < 0 {
				t.Fatalf("line %d: %v: %+v", row.Line, err, d)
			}
			if d.Status == worklog.StatusWorking && final[d.Key] {
				t.Fatalf("%s begins after its end", d.Key)
			}
			final[d.Key] = d.Status.Final() && d.StartedAt != nil // a result alone may get its beginning later
			if raw, err := json.Marshal(d); err != nil || len(raw) > 2<<20 {
				t.Fatalf("a record of %d bytes, %v", len(raw), err)
			}
		}
	}
	for i, line := range strings.SplitAfter(string(text), "\n") {
		rows, _ := p.Line([]byte(line))
		check(rows)
		if watched && i%2 == 0 {
			check(p.Flush(now()))
		}
	}
	rows, _ := p.Close()
	check(rows)
	kinds := 0
	for kind, n := range p.Skipped() {
		if kinds++; n < 1 || kind == "" || kinds > maxKinds+1 {
			t.Fatalf("%d %q in %d kinds", n, kind, kinds)
		}
	}
	if again, _ := p.Close(); len(again) != 0 {
		t.Fatalf("%d drafts twice", len(again))
	}
}

func FuzzClaudeTranscript(f *testing.F) {
	f.Add([]byte(claudeSeed), true)
	f.Add([]byte(strings.ReplaceAll(claudeSeed, `"content"`, `"conten"`)), false)
	f.Add([]byte(`{"type":["user"],"sessionId":7,"timestamp":-1,"message":{"content":{}}}`), true)
	f.Fuzz(func(t *testing.T, text []byte, watched bool) { held(t, ClaudeCode, text, watched) })
}

func FuzzCodexTranscript(f *testing.F) {
	for _, text := range []string{codexText, codexLog, codexPrinted} {
		f.Add([]byte(text), true)
		f.Add([]byte(strings.ReplaceAll(text, "1", "[")), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, watched bool) { held(t, Codex, text, watched) })
}

func FuzzGeminiTranscript(f *testing.F) {
	f.Add([]byte(geminiText), false)
	f.Add([]byte(`{"sessionId":"g","projectHash":"h"}`+"\n"+`{"id":"m","type":"gemini","content":[{"text":"x"}],"toolCalls":[{"id":"c","status":"executing"}]}`+"\n"+`{"$rewindTo":"m"}`), true)
	f.Fuzz(func(t *testing.T, text []byte, watched bool) { held(t, Gemini, text, watched) })
}

func FuzzFormatIsFound(f *testing.F) {
	for _, text := range []string{claudeSeed, codexText, codexLog, codexPrinted, geminiText, `{"title":"x"}`, "[]", "{", "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if p := New(Detect(text), Options{Now: now()}); p != nil {
			_, _ = p.Line(text)
			_, _ = p.Close()
		}
	})
}
