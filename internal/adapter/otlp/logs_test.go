package otlp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

func TestEventsOfAgentsBecomeEntries(t *testing.T) {
	t.Parallel()
	const info, call, file, failure, reply = worklog.TypeInfo, worklog.TypeToolCall, worklog.TypeFileOperation, worklog.TypeError, worklog.TypeAIResponse
	const good, bad, warn, neutral = worklog.StatusSuccess, worklog.StatusError, worklog.StatusWarning, worklog.StatusInfo
	for _, c := range []struct {
		r      wire.Record
		title  string
		typ    worklog.Type
		status worklog.Status
	}{
		{record("claude_code.user_prompt", "prompt", "Fix\nit"), "Prompt: Fix", info, neutral},
		{record("claude_code.assistant_response", "response", "\n\nDone."), "Done.", reply, good},
		{record("claude_code.tool_result", "tool_name", "Bash", "tool_use_id", "1", "success", "true", "tool_input", `{"command":"ls"}`), "Bash: ls", call, good},
		{record("claude_code.tool_result", "tool_name", "Bash", "tool_use_id", "1", "success", "false", "tool_parameters", `{"full_command":"git push"}`), "Bash: git push", worklog.TypeDeployment, bad},
		{record("claude_code.tool_result", "tool_name", "Read", "tool_use_id", "1", "success", true, "tool_input", `{"file_path":"/a.go"}`), "Read /a.go", file, good},
		{record("claude_code.tool_result", "tool_name", "mcp_tool", "tool_use_id", "1", "success", "true", "tool_parameters", `{"mcp_server_name":"linear","mcp_tool_name":"get"}`), "linear get", call, good},
		{record("claude_code.tool_result", "tool_name", "Bash", "success", "false", "error", "x"), "Bash", call, bad},
		{record("claude_code.tool_decision", "tool_name", "Bash", "tool_use_id", "1", "decision", "reject", "source", "user_reject"), "Bash", call, warn},
		{record("claude_code.api_error", "model", "opus", "status_code", "529", "attempt", 2, "error", "busy"), "Model opus failed (529), attempt 2", failure, warn},
		{record("claude_code.api_error", "model", "opus", "status_code", 401, "attempt", 1), "Model opus failed (401), attempt 1", failure, bad},
		{record("claude_code.api_retries_exhausted", "model", "opus"), "Model opus failed", failure, bad},
		{record("claude_code.compaction", "trigger", "auto", "success", "true"), "Conversation compacted (auto)", info, neutral},
		{record("claude_code.subagent_completed", "agent_type", "Explore", "model", "a", "final_model", "b", "model_swapped", true), "Model a failed, switching to b", info, warn},
		{record("claude_code.subagent_completed", "agent_type", "Explore", "agent_id", "7", "duration_ms", 10), "Subagent Explore", info, good},
		{record("claude_code.mcp_server_connection", "status", "failed", "server_name", "x"), "MCP server x can not be reached", info, warn},
		{record("claude_code.permission_mode_changed", "to_mode", "plan"), "Permission mode: plan", info, neutral},
		{record("claude_code.internal_error", "error_name", "TypeError"), "Internal error: TypeError", failure, bad},
		{record("claude_code.tomorrow_event", "message", "hi"), "Claude Code: tomorrow event: hi", info, neutral},
		{record("codex.conversation_starts", "model", "gpt"), "Session started (gpt)", info, neutral},
		{record("codex.user_prompt", "prompt", "Go"), "Prompt: Go", info, neutral},
		{record("codex.tool_result", "tool_name", "exec_command", "call_id", "call_0", "arguments", `{"cmd":"ls"}`, "success", "true", "duration_ms", "12"), "exec_command: ls", call, good},
		{record("codex.tool_result", "tool_name", "shell", "call_id", "c", "arguments", `{"command":["bash","-lc","ls"]}`, "success", "true", "output", "Exit code: 2\nOutput:\nx"), "shell: ls", call, bad},
		{record("codex.tool_decision", "tool_name", "shell", "call_id", "c", "decision", "denied"), "shell", call, warn},
		{record("codex.api_request", "model", "gpt", "http.response.status_code", "500", "attempt", "0"), "Model gpt failed (500), attempt 0", failure, warn},
		{record("codex.sse_event", "event.kind", "response.failed", "error.message", "lost", "model", "gpt"), "Model gpt failed", failure, warn},
		{record("codex.something_new"), "Codex: something new", info, neutral},
		{record("gemini_cli.user_prompt", "prompt", "Go"), "Prompt: Go", info, neutral},
		{record("gemini_cli.tool_call", "function_name", "read_file", "function_args", `{"absolute_path":"/b.md"}`, "success", true, "duration_ms", 5), "read_file /b.md", file, good},
		{record("gemini_cli.tool_call", "function_name", "x", "success", false, "decision", "reject"), "x", call, warn},
		{record("gemini_cli.tool_call", "function_name", "x", "success", false, "error", "boom"), "x", call, bad},
		{record("gemini_cli.api_error", "model_name", "flash", "status_code", 429, "error.message", "quota"), "Model flash failed (429)", failure, bad},
		{record("gemini_cli.flash_fallback"), "Switching to another model", info, warn},
		{record("gemini_cli.chat_compression"), "Conversation compacted", info, neutral},
		{record("gemini_cli.agent.start", "agent_id", "a", "agent_name", "finder"), "Subagent finder", info, worklog.StatusWorking},
		{record("gemini_cli.agent.finish", "agent_id", "a", "agent_name", "finder", "terminate_reason", "TIMEOUT"), "Subagent finder", info, warn},
		{record("gemini_cli.brand_new"), "Gemini CLI: brand new", info, neutral},
		{wire.Record{Body: "plain words", Resource: kv("service.name", "claude-code")}, "plain words", info, neutral},
		{wire.Record{Body: "disk full\nvery", Severity: 17}, "disk full", failure, bad},
		{wire.Record{Body: "careful", Severity: 13}, "careful", info, warn},
		{wire.Record{Body: "fine", Severity: 9}, "fine", info, neutral},
		{wire.Record{EventName: "only.a.name"}, "only.a.name", info, neutral},
		{wire.Record{}, "(no message)", info, neutral},
		{wire.Record{Attrs: kv("event.name", "gen_ai.client.inference.operation.details", "gen_ai.request.model", "m", "gen_ai.output.messages", `[{"role":"assistant","parts":[{"type":"text","content":"Hi"}]}]`)}, "chat m", reply, good},
		{wire.Record{Attrs: kv("gen_ai.tool.name", "dig", "gen_ai.tool.call.id", "c9", "session.id", "s", "gen_ai.tool.call.arguments", map[string]any{"path": "x"})}, "dig: x", call, good},
	} {
		if d := one(t, c.r); d.Title != c.title || d.Type != c.typ || d.Status != c.status {
			t.Errorf("%v: %q %s %s, want %q %s %s", c.r.Attrs, d.Title, d.Type, d.Status, c.title, c.typ, c.status)
		}
	}
}

func TestWhatSaysNothingOfItsOwnIsCounted(t *testing.T) {
	t.Parallel()
	b := Logs([]wire.Record{
		record("claude_code.api_request", "model", "m"), record("claude_code.tool_decision", "decision", "accept"), record("claude_code.user_prompt", "prompt_length", 5),
		record("codex.user_prompt", "prompt", "[REDACTED]"), record("codex.sse_event", "event.kind", "response.output_text.delta"), record("codex.tool_decision", "decision", "approved"),
		record("gemini_cli.api_response"), record("gemini_cli.file_operation"), record("claude_code.hook_execution_start"), record("codex.api_request", "http.response.status_code", "200"),
	}, now())
	n := 0
	for _, k := range b.Skipped {
		n += k
	}
	if len(b.Entries) != 0 || n != 10 {
		t.Errorf("%d entries, skipped %v", len(b.Entries), b.Skipped)
	}
}

func TestACallHasTheKeyTimesAndFactsOfItsRun(t *testing.T) {
	t.Parallel()
	d := one(t, record("claude_code.tool_result", "tool_name", "Bash", "tool_use_id", "toolu_1", "success", "false", "duration_ms", "1500", "error", "<tool_use_error>no</tool_use_error>",
		"error_type", "ShellError", "tool_input", `{"command":"ls"}`, "prompt.id", "p", "agent_id", "7"))
	if d.Key != agent.Key("s", "toolu_1") || d.Conversation != "s" || d.Parent != agent.AgentKey("s", "7") || d.Details != "no" || d.Source != agent.SourceClaudeCode {
		t.Errorf("%+v", d)
	}
	if !d.EndedAt.Equal(moment()) || d.EndedAt.Sub(*d.StartedAt) != 1500*time.Millisecond || !d.LoggedAt.Equal(moment()) || d.Metadata["prompt_id"] != "p" || d.Metadata["error_type"] != "ShellError" {
		t.Errorf("%s", asJSON(d))
	}
	for _, session := range []string{"a", "b"} { // providers that only count their calls
		r := record("codex.tool_result", "tool_name", "shell", "call_id", "call_0")
		r.Attrs["session.id"] = nil
		r.Attrs["conversation.id"] = session
		if d := one(t, r); d.Key != session+"/call_0" || d.Conversation != session {
			t.Errorf("%+v", d)
		}
	}
}

func TestARecordIsKnownByAllThatItSays(t *testing.T) {
	t.Parallel()
	a, b := record("claude_code.tomorrow", "n", 1), record("claude_code.tomorrow", "n", 2)
	keys := map[string]bool{}
	for _, r := range []wire.Record{a, a, b, {Body: "x"}, {Body: "x"}, {Body: "x", Time: moment()}, {Body: "x", SpanID: "1"}} {
		keys[one(t, r).Key] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d keys: %v", len(keys), keys)
	}
}

func TestTimesThatCanNotBeTrueAreReplaced(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{now().AddDate(-11, 0, 0), now().AddDate(0, 0, 2)} {
		r := record("claude_code.tool_result", "tool_name", "Bash", "tool_use_id", "1", "success", "true", "duration_ms", 5)
		r.Time = at
		if d := one(t, r); d.LoggedAt != nil || d.StartedAt != nil || d.EndedAt != nil || d.Metadata["time_replaced"] != true {
			t.Errorf("%s", asJSON(d))
		}
	}
	r := record("claude_code.user_prompt", "prompt", "x", "event.timestamp", "2026-10-01T00:00:00Z")
	r.Time = time.Time{}
	if d := one(t, r); d.LoggedAt == nil || d.LoggedAt.Month() != time.October {
		t.Errorf("%s", asJSON(d))
	}
}

func TestLongThingsAreCutAndManyAreLeftOut(t *testing.T) {
	t.Parallel()
	r := wire.Record{Body: strings.Repeat("b", 300<<10), Attrs: kv("big", strings.Repeat("x", 100<<10)), Dropped: 3}
	for i := range 200 {
		r.Attrs[fmt.Sprint("attribute ", i)] = strings.Repeat("y", 2000)
	}
	d := one(t, r)
	rest, _ := d.Metadata["attributes"].(map[string]any)
	if len(d.Details) > worklog.MaxDetailsBytes || !strings.Contains(d.Details, "[cut here") || len(rest) < 10 || len(rest) > maxNotes || d.Metadata["attributes_left_out"] != 3 {
		t.Errorf("%d bytes, %d attributes, %v", len(d.Details), len(rest), d.Metadata["attributes_left_out"])
	}
	if again := one(t, r); asJSON(again) != asJSON(d) {
		t.Error("the same record is not the same entry")
	}
}
