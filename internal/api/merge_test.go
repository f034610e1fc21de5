package api_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/transcript"
	"github.com/worklogdev/worklog/worklog"
)

// doors are the three ways in which one run of Claude Code reaches the server.
type doors struct {
	t                            *testing.T
	s                            *server
	token                        string
	hooks, telemetry, transcript []byte
}

// theRun is the recorded session, or without recordings a small one in the same three formats.
func theRun(t *testing.T) doors {
	d := doors{
		t:     t,
		hooks: recording(t, "claude-code-hooks/session-7505c804-full.hooks.jsonl"), transcript: recording(t, "claude-code/session-7505c804-full.jsonl"),
		telemetry: recording(t, "otlp-logs/session-7505c804-full.otlp-logs.jsonl"),
	}
	if d.hooks != nil && d.transcript != nil && d.telemetry != nil {
		return d
	}
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	d.hooks = []byte(`{"session_id":"s","hook_event_name":"UserPromptSubmit","prompt_id":"1","prompt":"hi"}` + "\n" +
		`{"session_id":"s","hook_event_name":"PreToolUse"` + bashCall + "}\n" + `{"session_id":"s","hook_event_name":"PostToolUse"` + bashCall + "}\n" +
		`{"session_id":"s","hook_event_name":"Stop","prompt_id":"1","last_assistant_message":"Done"}`)
	d.telemetry = []byte(logRequest(
		logRecord(at, "user_prompt", "prompt", "hi", "prompt.id", "1"), logRecord(at.Add(time.Second), "tool_result", "tool_name", "Bash", "tool_use_id", "t1", "success", "true", "duration_ms", "5"),
		logRecord(at.Add(2*time.Second), "assistant_response", "response", "\nDone", "prompt.id", "1", "message.uuid", "m")))
	d.transcript = []byte(`{"sessionId":"s","uuid":"1","type":"user","timestamp":"2026-05-01T10:00:00Z","message":{"content":"hi"}}` + "\n" +
		`{"sessionId":"s","uuid":"2","type":"assistant","timestamp":"2026-05-01T10:00:01Z","message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"npm test"}}]}}` + "\n" +
		`{"sessionId":"s","uuid":"3","type":"user","timestamp":"2026-05-01T10:00:01.005Z","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"ok"}]}}` + "\n" +
		`{"sessionId":"s","uuid":"4","type":"assistant","timestamp":"2026-05-01T10:00:02Z","message":{"content":[{"type":"text","text":"Done"}]}}`)
	return d
}

// bring sends everything through one door.
func (d doors) bring(door string) {
	d.t.Helper()
	switch door {
	case "hooks":
		for line := range bytes.Lines(d.hooks) {
			d.s.clock.advance(100 * time.Millisecond)
			d.s.post(d.token, string(line))
		}
	case "telemetry":
		for line := range bytes.Lines(d.telemetry) {
			d.s.export("/v1/logs", d.token, string(line))
		}
	case "transcript":
		p := transcript.New(transcript.ClaudeCode, transcript.Options{Now: d.s.clock.now()})
		var drafts []worklog.Draft
		for line := range bytes.Lines(d.transcript) {
			for _, row := range must[[]transcript.Row](d.t)(p.Line(line)) {
				drafts = append(drafts, row.Draft)
			}
		}
		for _, row := range must[[]transcript.Row](d.t)(p.Close()) {
			drafts = append(drafts, row.Draft)
		}
		for _, r := range must[[]worklog.Receipt](d.t)(d.s.client(d.token).Append(d.t.Context(), drafts...)) {
			if r.Outcome == worklog.OutcomeInvalid || r.Outcome == worklog.OutcomeLimited {
				d.t.Errorf("%+v", r)
			}
		}
	}
}

// One run that comes through several doors, in whatever order, is what its transcript alone is: the same conversation
// and the same entries. Hooks and telemetry know nothing that a transcript does not have.
func TestHooksTelemetryAndTranscriptOfOneRunMerge(t *testing.T) {
	t.Parallel()
	run := theRun(t)
	var want []string
	for _, order := range [][]string{
		{"transcript"}, {"transcript", "telemetry", "hooks"}, {"hooks", "telemetry", "transcript"}, {"telemetry", "hooks", "transcript"}, {"telemetry", "transcript", "telemetry"},
	} {
		d := run
		d.t, d.s = t, newServerWithLimit(t, 100_000)
		d.token = d.s.user("a@x.test")
		for _, door := range order {
			d.bring(door)
		}
		all := d.s.byKey(d.token)
		got, bad, titled := slices.Sorted(maps.Keys(all)), 0, 0
		conversations := map[string]bool{}
		for _, e := range all {
			conversations[e.ConversationID] = true
			if e.Status == worklog.StatusError {
				bad++
			}
			if e.Status == worklog.StatusWorking {
				t.Errorf("%v: still running: %+v", order, e)
			}
			if e.Tool == "Bash" && strings.HasPrefix(e.Title, "Bash: ") {
				titled++
			}
		}
		t.Logf("%v: %d entries, %d errors, %d commands named", order, len(got), bad, titled)
		if want == nil {
			want = got
		}
		for _, key := range got {
			if !slices.Contains(want, key) {
				t.Errorf("%v: %s is there twice, or new: %+v", order, key, all[key])
			}
		}
		if len(got) != len(want) || len(conversations) != 1 {
			t.Errorf("%v: %d entries in %d conversations, want %d in 1", order, len(got), len(conversations), len(want))
		}
	}
}
