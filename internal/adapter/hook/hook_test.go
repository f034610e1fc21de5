package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

func now() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// event decodes the fields of an event of session s, and holds its drafts to the rules of drafts.
func event(t testing.TB, name, rest string) *Event {
	t.Helper()
	e, ok := Decode(fmt.Appendf(nil, `{"session_id":"s","prompt_id":"p1","cwd":"/w","hook_event_name":%q%s}`, name, rest), "", now())
	if !ok {
		t.Fatalf("%s %s is no event", name, rest)
	}
	valid(t, e.Drafts)
	return e
}

func valid(t testing.TB, drafts []worklog.Draft) {
	t.Helper()
	for _, d := range drafts {
		d.Normalize()
		if err := d.Validate(now()); err != nil || d.Source == "" {
			t.Errorf("%v: %+v", err, d)
		}
	}
}

func only(t testing.TB, e *Event) worklog.Draft {
	t.Helper()
	if len(e.Drafts) != 1 {
		t.Fatalf("%s: %d drafts", e.Name, len(e.Drafts))
	}
	return e.Drafts[0]
}

const bash = `,"tool_name":"Bash","tool_use_id":"t1","tool_input":{"command":"npm test"}`

func TestAStepBeginsAndEndsUnderOneKey(t *testing.T) {
	t.Parallel()
	begun := only(t, event(t, "PreToolUse", bash))
	done := only(t, event(t, "PostToolUse", bash+`,"tool_response":{"stdout":"ok","stderr":""},"duration_ms":1500`))
	if begun.Status != worklog.StatusWorking || begun.Key != "s/t1" || begun.Title != "Bash: npm test" || begun.Conversation != "s" || begun.Source != agent.SourceClaudeCode ||
		!begun.StartedAt.Equal(now()) || begun.LoggedAt != nil || begun.Metadata["prompt_id"] != "p1" || begun.Metadata["cwd"] != "/w" {
		t.Errorf("%+v", begun)
	}
	if done.Status != worklog.StatusSuccess || done.Key != begun.Key || done.Title != begun.Title || done.Details != "ok" || done.EndedAt.Sub(*done.StartedAt) != 1500*time.Millisecond {
		t.Errorf("%+v", done)
	}
}

func TestStepsEndInSeveralWays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rest string
		status     worklog.Status
		details    string
	}{
		{"PostToolUseFailure", `,"error":"Exit code 1\nbad"`, worklog.StatusError, "Exit code 1\nbad"},
		{"PostToolUseFailure", `,"error":{"message":"bad"}`, worklog.StatusError, "bad"},
		{"PostToolUseFailure", `,"error":"stop","is_interrupt":true`, worklog.StatusWarning, "stop"},
		{"PermissionDenied", `,"reason":"too risky"`, worklog.StatusWarning, "too risky"},
		{"PostToolUse", `,"turn_id":"7","tool_response":"{\"output\":\"no\",\"metadata\":{\"exit_code\":1}}"`, worklog.StatusError, `{"output":"no","metadata":{"exit_code":1}}`},
		{"PostToolUse", `,"turn_id":"7","tool_response":"Exit code: 1\nOutput:\nno"`, worklog.StatusError, "Exit code: 1\nOutput:\nno"},
		{"PostToolUse", `,"turn_id":"7","tool_response":{"content":"no","isError":true}`, worklog.StatusError, "no"},
		{"PostToolUse", `,"turn_id":"7","tool_response":{"content":"page","error":"quota was exceeded","success":false}`, worklog.StatusSuccess, "page"},
		{"PostToolUse", `,"turn_id":"7","tool_response":"{\"error\":\"x\",\"is_error\":true}"`, worklog.StatusSuccess, `{"error":"x","is_error":true}`},
		{"PostToolUse", `,"tool_response":7,"duration_ms":"long"`, worklog.StatusSuccess, "7"},
	} {
		if d := only(t, event(t, c.name, bash+c.rest)); d.Status != c.status || d.Details != c.details || d.Key != "s/t1" || d.EndedAt == nil {
			t.Errorf("%s %s: %+v", c.name, c.rest, d)
		}
	}
}

func TestGeminiHasOtherNamesForTheSame(t *testing.T) {
	t.Parallel()
	stamp := `,"timestamp":"2026-06-01T11:59:58Z"`
	call := stamp + `,"tool_name":"read_file","tool_input":{"file_path":"a.txt"}`
	if e := event(t, "BeforeTool", call); len(e.Drafts) != 0 {
		t.Errorf("a call that can not be recognised again: %+v", e.Drafts)
	}
	d := only(t, event(t, "AfterTool", call+`,"tool_response":{"llmContent":"text","error":null}`))
	if d.Title != "read_file a.txt" || d.Details != "text" || d.Source != agent.SourceGemini || d.Key != "" || !d.LoggedAt.Equal(now().Add(-2*time.Second)) || d.Status != worklog.StatusSuccess {
		t.Errorf("%+v", d)
	}
	if d := only(t, event(t, "AfterTool", call+`,"tool_response":{"error":{"message":"gone"}}`)); d.Status != worklog.StatusError {
		t.Errorf("%+v", d)
	}
	e := event(t, "AfterAgent", stamp+`,"prompt_response":"All done"`)
	if d := only(t, e); d.Type != worklog.TypeAIResponse || d.Title != "All done" || e.Name != "Stop" {
		t.Errorf("%+v", d)
	}
	if e := event(t, "BeforeModel", `,"llm_request":{}`); len(e.Drafts) != 0 {
		t.Errorf("%+v", e.Drafts)
	}
}

func TestSessionsAreToldInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rest, title string
		status            worklog.Status
	}{
		{"UserPromptSubmit", `,"prompt":"Fix it\nnow"`, "Prompt: Fix it", worklog.StatusInfo},
		{"Stop", `,"last_assistant_message":"\nFixed.\nAll of it."`, "Fixed.", worklog.StatusSuccess},
		{"Stop", ``, "Finished its turn", worklog.StatusInfo},
		{"StopFailure", `,"error":"rate_limit","error_details":"429"`, "API error: rate_limit", worklog.StatusError},
		{"SessionStart", `,"source":"resume"`, "Session started (resume)", worklog.StatusInfo},
		{"SessionEnd", `,"reason":"logout"`, "Session ended (logout)", worklog.StatusInfo},
		{"PreCompact", `,"trigger":"auto"`, "Compacting the conversation (auto)", worklog.StatusInfo},
		{"TaskCreated", `,"task_subject":"Write"`, "Task created (Write)", worklog.StatusInfo},
		{"Notification", `,"message":"Claude is waiting"`, "Claude is waiting", worklog.StatusInfo},
		{"PermissionRequest", `,"tool_name":"Bash","tool_input":{"command":"npm test"}`, "Asks for permission: Bash: npm test", worklog.StatusWarning},
		{"Teleported", `,"message":"to Mars","to":{"planet":4}`, "Teleported: to Mars", worklog.StatusInfo},
		{"", ``, "Event without a name", worklog.StatusInfo},
	} {
		if d := only(t, event(t, c.name, c.rest)); d.Title != c.title || d.Status != c.status || d.Conversation != "s" {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

func TestSubAgentsHaveARowOfTheirOwn(t *testing.T) {
	t.Parallel()
	who := `,"agent_id":"a1","agent_type":"Explore"`
	begun, step, done := only(t, event(t, "SubagentStart", who)), only(t, event(t, "PreToolUse", who+bash)), only(t, event(t, "SubagentStop", who+`,"last_assistant_message":"Found"`))
	if begun.Key != "s/agent/a1" || begun.Title != "Subagent Explore" || begun.Status != worklog.StatusWorking || begun.Parent != "" {
		t.Errorf("%+v", begun)
	}
	if done.Key != begun.Key || done.Status != worklog.StatusSuccess || done.Details != "Found" || step.Parent != begun.Key {
		t.Errorf("%+v\n%+v", done, step)
	}
}

func TestWhatASubAgentSaysIsNotWhatAnotherOneSays(t *testing.T) {
	t.Parallel()
	done := `,"last_assistant_message":"Done."`
	for id, rest := range map[string]string{"": done, "a1": done + `,"agent_id":"a1"`} {
		if d := only(t, event(t, "Stop", rest)); d.Key != agent.TextKey("s", id, agent.KindReply, "Done.", 1) {
			t.Errorf("%q: %s", id, d.Key)
		}
	}
}

func TestTheSameWordsOfAnotherPromptAreAnotherEntry(t *testing.T) {
	t.Parallel()
	e := event(t, "UserPromptSubmit", `,"prompt":"go on"`)
	first := only(t, e)
	answer := func(outcome worklog.Outcome, promptID any) []worklog.Receipt {
		m := worklog.Metadata{}
		if promptID != nil {
			m["prompt_id"] = promptID
		}
		return []worklog.Receipt{{Outcome: outcome, Entry: &worklog.Entry{Metadata: m}}}
	}
	for _, known := range [][]worklog.Receipt{answer(worklog.OutcomeStored, "p1"), answer(worklog.OutcomeUnchanged, "p1"), answer(worklog.OutcomeUpdated, nil), {{Outcome: worklog.OutcomeLimited}}, nil} {
		if d := e.Again(known); d != nil {
			t.Errorf("%+v", d)
		}
	}
	keys := map[string]bool{first.Key: true}
	for range 20 {
		drafts := e.Again(answer(worklog.OutcomeUnchanged, "p0"))
		if drafts == nil {
			break
		}
		valid(t, drafts)
		if d := drafts[0]; d.Title != first.Title || d.Metadata["prompt_id"] != "p1" || keys[d.Key] {
			t.Errorf("%+v", d)
		}
		keys[drafts[0].Key] = true
	}
	if len(keys) != maxTwins+1 {
		t.Errorf("%d keys", len(keys))
	}
	if d := only(t, event(t, "UserPromptSubmit", `,"prompt":"go on","prompt_id":null`)); d.Key != "" {
		t.Errorf("%+v", d)
	}
}

func TestAStopEndsWhatCanNotBeRunning(t *testing.T) {
	t.Parallel()
	entry := func(key, parent string, input map[string]any) worklog.Entry {
		return worklog.Entry{Key: key, Parent: parent, Status: worklog.StatusWorking, Title: "x", Type: worklog.TypeToolCall, Metadata: worklog.Metadata{"input": input}}
	}
	mine, helpers, background := entry("s/t1", "", nil), entry("s/t2", "s/agent/a1", nil), entry("s/t3", "", map[string]any{"command": "npm run dev"})
	later, helper, other := entry("s/t4", "", map[string]any{"run_in_background": true}), entry("s/agent/a1", "", nil), entry("x/t1", "", nil)
	finished := mine
	finished.Status = worklog.StatusSuccess
	all := []worklog.Entry{mine, helpers, background, later, helper, other, finished}
	for _, c := range []struct{ name, rest, ended string }{
		{"Stop", `,"background_tasks":[{"id":"b","command":"npm run dev"}]`, "s/t1"},
		{"Stop", ``, "s/t1 s/t3"},
		{"Stop", `,"background_tasks":[]`, "s/t1 s/t3 s/t4"},
		{"Stop", `,"background_tasks":[{"tool_use_id":"t1"}]`, "s/t3"},
		{"StopFailure", ``, "s/t1 s/t3"},
		{"SubagentStop", `,"agent_id":"a1"`, "s/t2"},
		{"SessionEnd", ``, "s/t1 s/t2 s/t3 s/t4 s/agent/a1"},
	} {
		e := event(t, c.name, c.rest)
		var ended []string
		for _, entry := range all {
			if d, ok := e.Ends.Draft(entry); ok {
				valid(t, []worklog.Draft{{Title: d.Title, Key: d.Key, Type: d.Type, Status: d.Status, Conversation: d.Conversation, Source: "x"}})
				ended = append(ended, d.Key)
			}
		}
		if got := strings.Join(ended, " "); got != c.ended || e.Ends.Conversation() != "s" {
			t.Errorf("%s %s: %s, want %s", c.name, c.rest, got, c.ended)
		}
	}
}

func TestRecordedHooksAreUnderstood(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "shared", "recordings", "claude-code-hooks", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]worklog.Draft{}
		for line := range bytes.Lines(raw) {
			e, ok := Decode(line, "", now())
			if !ok {
				t.Fatalf("%.200s", line)
			}
			valid(t, e.Drafts)
			d := only(t, e)
			rows[d.Key] = d
		}
		status := map[worklog.Status]int{}
		for _, d := range rows {
			status[d.Status]++
		}
		t.Logf("%s: %d rows, %v", filepath.Base(path), len(rows), status)
		if len(rows) != 99 || status[worklog.StatusSuccess] != 89 || status[worklog.StatusError] != 5 || status[worklog.StatusInfo] != 5 {
			t.Errorf("%s: %d rows, %v", path, len(rows), status)
		}
	}
}

func TestWhatIsNoEventSaysNothing(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{``, `null`, `[]`, `"x"`, `{`, `nonsense`} {
		if e, ok := Decode([]byte(raw), "", now()); ok {
			t.Errorf("%s: %+v", raw, e)
		}
	}
}

func FuzzHook(f *testing.F) {
	for _, name := range []string{"PreToolUse", "PostToolUse", "PostToolUseFailure", "UserPromptSubmit", "Stop", "SubagentStop", "SessionEnd", "Unknown"} {
		f.Add([]byte(`{"session_id":"s","hook_event_name":"` + name + `","prompt":"x","agent_id":"a","duration_ms":5` + bash + `,"background_tasks":[{"id":"x"}]}`))
	}
	f.Add([]byte(`{"session_id":{"a":[1]},"hook_event_name":["PreToolUse"],"tool_input":1e9999,"timestamp":"2026-06-01T11:00:00Z"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, ok := Decode(raw, "", now())
		if ok != (json.Valid(raw) && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))) {
			t.Fatalf("an event: %v", ok)
		}
		if !ok {
			return
		}
		valid(t, e.Drafts)
		valid(t, e.Again([]worklog.Receipt{{Outcome: worklog.OutcomeUnchanged, Entry: &worklog.Entry{Metadata: worklog.Metadata{"prompt_id": "another"}}}}))
		if e.Ends != nil {
			e.Ends.Draft(worklog.Entry{Key: e.session() + "/x", Status: worklog.StatusWorking})
		}
	})
}
