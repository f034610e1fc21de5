package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/transcript"
	"github.com/worklogdev/worklog/worklog"
)

// way is one way in, and what one run of an agent sends through it, in order.
type way struct {
	name  string
	sends []func(s *server, token string)
}

// ways are the three ways in of one run: a prompt, a call that succeeds and one that fails, a reply; then the same
// prompt and the same reply again. Each knows something that the others do not.
func ways(at time.Time) map[string]way {
	hook := func(name, prompt, rest string) func(*server, string) {
		return func(s *server, token string) {
			s.post(token, fmt.Sprintf(`{"session_id":"s","prompt_id":%q,"cwd":"/w","hook_event_name":%q%s}`, prompt, name, rest), "Idempotency-Key", prompt+name)
		}
	}
	failing := strings.ReplaceAll(bashCall, "t1", "t2")
	hooks := []func(*server, string){
		hook("UserPromptSubmit", "p1", `,"prompt":"Fix it"`),
		hook("PreToolUse", "p1", bashCall), hook("PostToolUse", "p1", bashCall+`,"tool_response":{"stdout":"all 17 tests are good"},"duration_ms":1500`),
		hook("PreToolUse", "p1", failing), hook("PostToolUseFailure", "p1", failing+`,"error":"Exit code 1"`),
		hook("Stop", "p1", `,"last_assistant_message":"Done."`),
		hook("UserPromptSubmit", "p2", `,"prompt":"Fix it"`), hook("Stop", "p2", `,"last_assistant_message":"Done."`),
	}
	var exports []func(*server, string)
	for i, r := range [][]string{
		{"user_prompt", "prompt.id", "p1", "prompt", "Fix it"},
		{"tool_result", "prompt.id", "p1", "tool_name", "Bash", "tool_use_id", "t1", "success", "true", "duration_ms", "1500", "tool_result_size_bytes", "21"},
		{"tool_result", "prompt.id", "p1", "tool_name", "Bash", "tool_use_id", "t2", "success", "false", "error", "Exit code 1", "duration_ms", "7"},
		{"assistant_response", "prompt.id", "p1", "response", "Done.", "model", "opus"},
		{"user_prompt", "prompt.id", "p2", "prompt", "Fix it"}, {"assistant_response", "prompt.id", "p2", "response", "Done.", "model", "opus"},
	} {
		body := logRequest(logRecord(at.Add(time.Duration(i)*time.Second), r[0], append(r[1:], "event.sequence", fmt.Sprint(i))...))
		exports = append(exports, func(s *server, token string) { s.export("/v1/logs", token, body) })
	}
	var file strings.Builder
	for i, rest := range []string{
		`"type":"user","promptId":"p1","message":{"content":"Fix it"}`,
		`"type":"assistant","message":{"model":"opus","content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"npm test"}}]}`,
		`"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"all 17 tests are good"}]}`,
		`"type":"assistant","message":{"content":[{"type":"tool_use","id":"t2","name":"Bash","input":{"command":"npm test"}}]}`,
		`"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t2","content":"Exit code 1","is_error":true}]}`,
		`"type":"assistant","message":{"model":"opus","content":[{"type":"text","text":"Done."}]}`,
		`"type":"user","promptId":"p2","message":{"content":"Fix it"}`, `"type":"assistant","message":{"model":"opus","content":[{"type":"text","text":"Done."}]}`,
	} {
		fmt.Fprintf(&file, `{"sessionId":"s","uuid":"%d","cwd":"/w","version":"2.1","gitBranch":"main","timestamp":%q,%s}`+"\n", i, at.Add(time.Duration(i)*time.Second).Format(time.RFC3339Nano), rest)
	}
	return map[string]way{
		"hooks": {"hooks", hooks}, "otlp": {"otlp", exports},
		"file": {"file", []func(*server, string){func(s *server, token string) { s.importFile([]byte(file.String()), token) }}},
	}
}

// importFile sends what a transcript holds, as "worklog import" does.
func (s *server) importFile(text []byte, token string) map[worklog.Outcome]int {
	s.t.Helper()
	p := transcript.New(transcript.Detect(text[:min(len(text), 64<<10)]), transcript.Options{Now: s.clock.now(), Session: "file"})
	var rows []transcript.Row
	for line := range bytes.Lines(text) {
		more, err := p.Line(line)
		if _, mended := errors.AsType[transcript.Repaired](err); err != nil && !mended {
			s.t.Fatal(err)
		}
		rows = append(rows, more...)
	}
	rest, err := p.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	var drafts []worklog.Draft
	for _, row := range append(rows, rest...) {
		drafts = append(drafts, row.Draft)
	}
	outcomes := map[worklog.Outcome]int{}
	for _, r := range must[[]worklog.Receipt](s.t)(s.client(token).Import(s.t.Context(), false, drafts...)) {
		outcomes[r.Outcome]++
	}
	if outcomes[worklog.OutcomeInvalid]+outcomes[worklog.OutcomeLimited] != 0 {
		s.t.Errorf("%v", outcomes)
	}
	return outcomes
}

// shown is what a reader sees of a run, whatever way it came: the entries by key with what all orders must agree on.
func (s *server) shown(token string) map[string]string {
	s.t.Helper()
	all := map[string]string{}
	conversations := map[string]bool{}
	for key, e := range s.byKey(token) {
		took, known := e.Duration()
		all[key] = fmt.Sprintf("%s %s %s %q %v", e.Type, e.Status, e.Tool, e.Details, known && took > 0)
		if e.Type == worklog.TypeInfo || e.Type == worklog.TypeAIResponse {
			all[key] = fmt.Sprintf("%s %s %q", e.Type, e.Status, e.Details)
		}
		conversations[e.ConversationID] = true
	}
	if len(conversations) != 1 {
		s.t.Errorf("%d conversations", len(conversations))
	}
	return all
}

func TestThreeDoorsOfOneRunShowItOnceInAnyOrder(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"hooks otlp file", "hooks file otlp", "otlp hooks file", "otlp file hooks", "file hooks otlp", "file otlp hooks", "together"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			s := newServerWithLimit(t, 10_000)
			token := s.user("a@x.test")
			all := ways(s.clock.now().Add(-10 * time.Second))
			names := strings.Fields(order)
			if order == "together" { // each door says its next word in turn
				for i := range len(all["hooks"].sends) {
					for _, name := range []string{"hooks", "otlp", "file"} {
						if d := all[name]; i < len(d.sends) {
							d.sends[i](s, token)
						}
					}
				}
				names = nil
			}
			for _, name := range names {
				for _, send := range all[name].sends {
					s.clock.advance(100 * time.Millisecond)
					send(s, token)
				}
			}
			got := s.shown(token)
			want := map[string]string{"s/t1": `tool_call success Bash "all 17 tests are good" true`, "s/t2": `tool_call error Bash "Exit code 1" true`}
			prompts, replies := 0, 0
			for key, text := range got {
				switch {
				case text == `info info "Fix it"`:
					prompts++
				case text == `ai_response success "Done."`:
					replies++
				case want[key] != text:
					t.Errorf("%s: %s, want %s", key, text, want[key])
				}
			}
			if prompts != 2 || replies != 2 || len(got) != 6 {
				t.Errorf("%d prompts, %d replies, %d entries: %v", prompts, replies, len(got), slices.Sorted(maps.Keys(got)))
			}
			if e := s.byKey(token)["s/t1"]; e.Metadata["cwd"] != "/w" || e.Title != "Bash: npm test" && e.Title != "Bash" {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestDoorsSentTwiceStoreNothingNew(t *testing.T) {
	t.Parallel()
	s := newServerWithLimit(t, 10_000)
	token := s.user("a@x.test")
	all := ways(s.clock.now().Add(-10 * time.Second))
	for round := range 2 {
		for _, name := range []string{"hooks", "otlp", "file"} {
			for _, send := range all[name].sends {
				s.clock.advance(100 * time.Millisecond)
				send(s, token)
			}
		}
		if n := len(s.shown(token)); n != 6 {
			t.Errorf("round %d: %d entries", round+1, n)
		}
	}
}

func TestHooksNameTheToolThatTelemetryDoesNot(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"hook telemetry", "telemetry hook"} {
		s := newServer(t)
		token := s.user("a@x.test")
		for _, door := range strings.Fields(order) {
			if door == "hook" {
				s.hook(token, "PostToolUse", `,"tool_name":"mcp__linear__get_issue","tool_use_id":"t1","tool_input":{"query":"ENG-7"},"tool_response":"found"`)
				continue
			}
			s.export("/v1/logs", token, logRequest(logRecord(s.clock.now(), "tool_result", "tool_name", "mcp_tool", "tool_use_id", "t1", "success", "true", "duration_ms", "5")))
		}
		if e := s.byKey(token)["s/t1"]; e.Tool != "mcp__linear__get_issue" || e.Title != "linear get_issue: ENG-7" || e.Details != "found" {
			t.Errorf("%s: %+v", order, e)
		}
	}
}

func TestProvidersThatNumberTheirCallsDoNotMeet(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for _, session := range []string{"one", "two"} {
		s.post(token, fmt.Sprintf(`{"session_id":%q,"turn_id":"1","hook_event_name":"PreToolUse","tool_name":"shell","tool_use_id":"call_0","tool_input":{"command":"ls"}}`, session))
		record := strings.ReplaceAll(logRecord(s.clock.now(), "tool_result", "tool_name", "shell", "tool_use_id", "call_0", "success", "true", "duration_ms", "5"), `"stringValue":"s"}`, fmt.Sprintf(`"stringValue":%q}`, session))
		s.export("/v1/logs", token, logRequest(record))
	}
	all := s.byKey(token)
	if one, two := all["one/call_0"], all["two/call_0"]; len(all) != 2 || one.Status != worklog.StatusSuccess || two.Status != worklog.StatusSuccess || one.ConversationID == two.ConversationID {
		t.Errorf("%d entries: %+v", len(all), all)
	}
	if a := s.do(http.MethodPost, "/v1/logs", token, `{}`); a.status != http.StatusOK {
		t.Errorf("%d", a.status)
	}
}
