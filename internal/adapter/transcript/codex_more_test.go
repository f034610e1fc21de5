package transcript

import (
	"bytes"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestAnEndWithoutItsBeginningSaysWhatItWasAbout(t *testing.T) {
	t.Parallel()
	r := parse(t, New(Codex, Options{Now: now()}), rollout(
		`"type":"session_meta","payload":{"id":"th","cwd":"/w"}`,
		`"type":"event_msg","payload":{"type":"exec_command_end","call_id":"c1","command":["bash","-lc","ls x"],"aggregated_output":"no x","exit_code":2,"duration":{"secs":0,"nanos":500000000}}`,
		`"type":"event_msg","payload":{"type":"mcp_tool_call_end","call_id":"c2","invocation":{"server":"linear","tool":"find","arguments":{"query":"bug"}},"result":{"Ok":{"content":[{"type":"text","text":"none"}]}}}`,
		`"type":"event_msg","payload":{"type":"web_search_end","call_id":"c3","query":"cats"}`,
	)).byKey()
	failed, found, searched := r["th/c1"], r["th/c2"], r["th/c3"]
	if failed.Title != "shell: ls x" || failed.Details != "no x" || failed.Status != worklog.StatusError || failed.EndedAt.Sub(*failed.StartedAt) != 500*time.Millisecond || failed.Metadata["cwd"] != "/w" {
		t.Errorf("%+v", failed)
	}
	if found.Title != "linear find: bug" || found.Details != "none" || found.StartedAt != nil || searched.Title != "web_search: cats" || searched.Status != worklog.StatusSuccess {
		t.Errorf("%+v\n%+v", found, searched)
	}
}

// A search is told once, when it is over, and without a name in older versions.
func TestWebSearchesAreRows(t *testing.T) {
	t.Parallel()
	text := rollout(
		`"type":"session_meta","payload":{"id":"th"}`,
		`"type":"event_msg","payload":{"type":"web_search_begin","call_id":"ws_1"}`, `"type":"event_msg","payload":{"type":"web_search_end","call_id":"ws_1","query":"cats"}`,
		`"type":"response_item","payload":{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"cats"}}`,
		`"type":"response_item","payload":{"type":"web_search_call","status":"completed","action":{"type":"search","query":"dogs"}}`,
		`"type":"event_msg","payload":{"type":"exec_command_end","call_id":"c1","command":["ls"],"exit_code":0}`,
		`"type":"response_item","payload":{"type":"web_search_call","status":"failed","action":{"type":"open_page","url":"https://example.org"}}`,
	)
	titles := map[string]worklog.Status{}
	for _, d := range parse(t, New(Codex, Options{Now: now()}), text).byKey() {
		titles[d.Title] = d.Status
	}
	if len(titles) != 4 || titles["web_search: cats"] != worklog.StatusSuccess || titles["web_search: dogs"] != worklog.StatusSuccess || titles["web_search: https://example.org"] != worklog.StatusError {
		t.Errorf("%v", titles)
	}
	cuts(t, Codex, text[bytes.LastIndex(text, []byte(`{"timestamp":"2026-05-01T10:00:03Z"`)):])
}

// Instructions, the state of the machine and news of other threads stand among the words of the user.
func TestWhatCodexWritesInAUsersPlaceIsNoPrompt(t *testing.T) {
	t.Parallel()
	said := func(text string) string {
		return `"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"` + text + `"}]}`
	}
	event := func(text string) string {
		return `"type":"event_msg","payload":{"type":"user_message","message":"` + text + `"}`
	}
	instructions, state := `# AGENTS.md instructions for /repo\n\n<INSTRUCTIONS>\nKeep changes small.\n</INSTRUCTIONS>`, `<environment_context>\n  <cwd>/repo</cwd>\n</environment_context>`
	r := parse(t, New(Codex, Options{Now: now()}), rollout(`"type":"session_meta","payload":{"id":"th"}`,
		said(instructions), said(instructions+`\n`+state), said(`# AGENTS.md instructions\n\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>`), said(state), said(`<skill>\n<name>x</name>`),
		event(instructions), event(state), event(`<user_instructions>\nx\n</user_instructions>`),
		said("Fix the login"), event("Fix the login"), event("<b> is bold, make it plain"), event("# AGENTS.md instructions are unclear, rewrite them"),
	))
	titles := map[string]bool{}
	for _, d := range r.byKey() {
		titles[d.Title] = true
	}
	if len(titles) != 3 || !titles["Prompt: Fix the login"] || !titles["Prompt: <b> is bold, make it plain"] || !titles["Prompt: # AGENTS.md instructions are unclear, rewrite them"] {
		t.Errorf("%v, skipped %v", titles, r.skipped)
	}
	if first := r.rows[0].Draft; first.ConversationTitle != "Fix the login" {
		t.Errorf("the conversation is called %q", first.ConversationTitle)
	}
}
