package transcript

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

// completed lists the calls of a file as "key title details", in order, and fails when one has no result.
func completed(t *testing.T, r result) (lines []string) {
	t.Helper()
	for _, row := range r.rows {
		if d := row.Draft; d.Tool != "" {
			lines = append(lines, fmt.Sprint(d.Key, " ", d.Title, " ", d.Details))
			if d.Status != worklog.StatusSuccess || d.EndedAt == nil {
				t.Errorf("%+v", d)
			}
		}
	}
	return lines
}

// cuts parses every beginning of a file and fails when it has a row that the whole file has not.
func cuts(t *testing.T, f Format, text []byte) {
	t.Helper()
	whole := parse(t, New(f, Options{Now: now()}), text).byKey()
	for i, b := range text {
		if b != '\n' {
			continue
		}
		for key, d := range parse(t, New(f, Options{Now: now()}), text[:i+1]).byKey() {
			if known, ok := whole[key]; !ok || known.Title != d.Title {
				t.Errorf("%s cut at %d: %q (%s)", f, i, d.Title, key)
			}
		}
	}
}

func TestAnIdThatComesAgainIsANewCall(t *testing.T) {
	t.Parallel()
	call := func(command string) string {
		return strings.NewReplacer("t1", "call_0", "npm test", command).Replace(callLine)
	}
	done := func(said string) string {
		return strings.NewReplacer("t1", "call_0", `"ok"`, `"`+said+`"`).Replace(doneLine)
	}
	text := claudeText(askLine, call("a"), done("1"), call("b"), done("2"), sayLine, call("b"), done("3"))
	want := []string{"s/call_0 Bash: a 1", "s/call_0.2 Bash: b 2", "s/call_0.3 Bash: b 3"}
	r := parseClaude(t, text)
	if got := completed(t, r); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if r := parseClaude(t, []byte(string(text)+lines[1]+lines[2]+lines[6]+lines[7])); !slices.Equal(completed(t, r), want) { // lines that are there twice
		t.Errorf("%q", completed(t, r))
	}
	cuts(t, ClaudeCode, text)
	inner := `"isSidechain":true,"agentId":"a1",`
	if got := completed(t, parseClaude(t, claudeText(inner+call("c"), inner+done("4")))); !slices.Equal(got, []string{"s/from/a1/call_0 Bash: c 4"}) {
		t.Errorf("%q", got)
	}
}

func TestCallsWithoutAnIdAreRowsOfTheirOwn(t *testing.T) {
	t.Parallel()
	block := func(command string) string {
		return fmt.Sprintf(`{"type":"tool_use","name":"Bash","input":{"command":%q}}`, command)
	}
	text := claudeText(
		`"type":"assistant","message":{"content":[`+block("a")+","+block("b")+","+block("b")+`]}`,
		`"type":"user","message":{"content":[{"type":"tool_result","content":"1"},{"type":"tool_result","content":"2"}]}`,
		`"type":"user","message":{"content":[{"type":"tool_result","content":"3"}]}`,
		`"type":"assistant","message":{"content":[`+block("c")+`]}`, `"type":"user","message":{"content":[{"type":"tool_result","content":"4"}]}`)
	if got := completed(t, parseClaude(t, text)); !slices.Equal(got, []string{"s/call Bash: a 1", "s/call.2 Bash: b 2", "s/call.3 Bash: b 3", "s/call.4 Bash: c 4"}) {
		t.Errorf("%q", got)
	}
	cuts(t, ClaudeCode, text)
}

func TestIdsOfCodexThatComeAgainAreNewCallsInBothOfItsChannels(t *testing.T) {
	t.Parallel()
	begin, end := `"type":"event_msg","payload":{"type":"exec_command_begin","call_id":"call_0","command":["X"]}`, `"type":"event_msg","payload":{"type":"exec_command_end","call_id":"call_0","command":["X"],"aggregated_output":"X!","exit_code":0}`
	ask, answer := `"type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{\"command\":\"X\"}","call_id":"call_0"}`, `"type":"response_item","payload":{"type":"function_call_output","call_id":"call_0","output":"X!"}`
	as := func(x string, lines ...string) (out []string) {
		for _, l := range lines {
			out = append(out, strings.ReplaceAll(l, "X", x))
		}
		return out
	}
	head := `"type":"session_meta","payload":{"id":"th"}`
	want := []string{"th/call_0 shell: a a!", "th/call_0.2 shell: b b!", "th/call_0.3 shell: b b!"}
	for name, order := range map[string][]string{
		"items": {ask, answer}, "events": {begin, end}, "nested": {ask, begin, end, answer}, "items after events": {begin, end, ask, answer}, "ends alone": {end},
	} {
		text := rollout(slices.Concat([]string{head}, as("a", order...), as("b", order...), as("b", order...))...)
		r := parse(t, New(Codex, Options{Now: now()}), text)
		if got := completed(t, r); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		cuts(t, Codex, text)
	}
	nameless := strings.NewReplacer(`,"call_id":"call_0"`, "")
	text := rollout(head, nameless.Replace(ask), nameless.Replace(ask), nameless.Replace(answer), nameless.Replace(answer))
	if got := completed(t, parse(t, New(Codex, Options{Now: now()}), text)); !slices.Equal(got, []string{"th/call shell: X X!", "th/call.2 shell: X X!"}) {
		t.Errorf("%q", got)
	}
}

func TestIdsOfGeminiThatComeAgainAreNewCalls(t *testing.T) {
	t.Parallel()
	message := func(id, call, status, said string) string {
		return fmt.Sprintf(`{"id":%q,"timestamp":"2026-05-01T10:00:02Z","type":"gemini","content":"","toolCalls":[{"id":%q,"name":"run_shell_command","args":{"command":"x"},"status":%q,"resultDisplay":%q},`+
			`{"name":"run_shell_command","args":{"command":"y"},"status":"success","resultDisplay":%q}]}`+"\n", id, call, status, said, said)
	}
	text := `{"sessionId":"g","projectHash":"h"}` + "\n" + message("m1", "call_0", "executing", "") + message("m1", "call_0", "success", "1") + message("m1", "call_0", "success", "1") + message("m2", "call_0", "success", "2")
	got := map[string]string{}
	for key, d := range parse(t, New(Gemini, Options{Now: now()}), []byte(text)).byKey() {
		got[key] = d.Title + " " + d.Details
		if d.Status != worklog.StatusSuccess {
			t.Errorf("%+v", d)
		}
	}
	if len(got) != 4 || got["g/call_0"] != "run_shell_command: x 1" || got["g/call_0.2"] != "run_shell_command: x 2" {
		t.Errorf("%q", got)
	}
}
