package transcript

import (
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

const codexText = `{"timestamp":"2026-05-01T10:00:00Z","type":"session_meta","payload":{"id":"th","cwd":"/w"}}
{"timestamp":"2026-05-01T10:00:01Z","type":"event_msg","payload":{"type":"user_message","message":"List"}}
{"timestamp":"2026-05-01T10:00:01Z","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"List"}]}}
{"timestamp":"2026-05-01T10:00:02Z","type":"response_item","payload":{"type":"function_call","name":"exec_command","arguments":"{\"cmd\":\"ls\"}","call_id":"c1"}}
{"timestamp":"2026-05-01T10:00:05Z","type":"response_item","payload":{"type":"function_call_output","call_id":"c1","output":"{\"output\":\"no\",\"metadata\":{\"exit_code\":2}}"}}
{"timestamp":"2026-05-01T10:00:06Z","type":"response_item","payload":{"type":"custom_tool_call","name":"apply_patch","input":"*** Begin Patch\n*** Add File: g.txt\n+x","call_id":"c2"}}
{"timestamp":"2026-05-01T10:00:07Z","type":"response_item","payload":{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"output_text","text":"Done!"}]}}
{"timestamp":"2026-05-01T10:00:08Z","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context>x"}]}}
{"timestamp":"2026-05-01T10:00:09Z","type":"event_msg","payload":{"type":"turn_aborted","reason":"interrupted"}}
{"timestamp":"2026-05-01T10:00:10Z","type":"hologram","payload":{"x":1}}
`

func TestCodexThreadsAreShown(t *testing.T) {
	t.Parallel()
	r := parse(t, New(Codex, Options{Now: now()}), []byte(codexText+codexText[strings.Index(codexText, "\n")+1:]))
	rows := r.byKey()
	failed, patch := rows["th/c1"], rows["th/c2"]
	took := failed.EndedAt.Sub(*failed.StartedAt)
	if failed.Status != worklog.StatusError || failed.Title != "exec_command: ls" || failed.Details != "no" || took != 3*time.Second || failed.Source != agent.SourceCodex {
		t.Errorf("%+v", failed)
	}
	if patch.Title != "apply_patch g.txt" || patch.Type != worklog.TypeFileOperation || patch.Details != "Done!" || patch.Status != worklog.StatusSuccess {
		t.Errorf("%+v", patch)
	}
	if f := r.figures(); f != (figures{Rows: 5, Steps: 2, Completed: 2, Errors: 1}) || r.skipped["hologram"] != 2 || len(r.damaged) != 0 { // the text is there twice: so is the prompt
		t.Errorf("%+v, skipped %v, damaged %v", f, r.skipped, r.damaged)
	}
}

const geminiText = `{
  "sessionId": "g1", "projectHash": "h", "startTime": "2026-05-01T10:00:00Z",
  "messages": [
    {"id": "m1", "timestamp": "2026-05-01T10:00:00Z", "type": "user", "content": "Paint"},
    {"id": "m2", "timestamp": "2026-05-01T10:00:02Z", "type": "gemini", "content": "I will.", "model": "flash", "toolCalls": [
      {"id": "c1", "name": "write_file", "args": {"file_path": "a.md"}, "status": "success", "timestamp": "2026-05-01T10:00:04Z",
       "result": [{"functionResponse": {"response": {"output": "Written"}}}]},
      {"id": "c2", "name": "run_shell_command", "args": {"command": "false"}, "status": "error", "timestamp": "2026-05-01T10:00:05Z", "resultDisplay": "failed"},
      {"id": "c3", "name": "run_shell_command", "args": {"command": "sleep 9"}, "status": "executing"}]},
    {"id": "m3", "timestamp": "2026-05-01T10:00:09Z", "type": "error", "content": "Quota"},
    {"id": "m4", "timestamp": "2026-05-01T10:00:10Z", "type": "smell", "content": "?"}
  ]
}
`

func TestGeminiChatsAreShownInBothForms(t *testing.T) {
	t.Parallel()
	lines := `{"sessionId":"g1","projectHash":"h"}` + "\n"
	for _, m := range strings.Split(geminiText[strings.Index(geminiText, `{"id": "m1"`):strings.LastIndex(geminiText, "]")], "\n    {\"id\": \"m") {
		if !strings.HasPrefix(m, "{") {
			m = `{"id": "m` + m
		}
		lines += strings.TrimSuffix(strings.TrimSpace(strings.ReplaceAll(m, "\n", " ")), ",") + "\n"
	}
	for _, text := range []string{geminiText, lines, lines + `{"$set":{"summary":"x"}}` + "\n{\"torn\n" + lines[strings.Index(lines, "\n")+1:]} {
		if f := Detect([]byte(text)[:60]); f != Gemini {
			t.Errorf("detected %q", f)
		}
		r := parse(t, New(Gemini, Options{Now: now()}), []byte(text))
		rows := r.byKey()
		wrote, failed, open := rows["g1/c1"], rows["g1/c2"], rows["g1/c3"]
		if wrote.Title != "write_file a.md" || wrote.Details != "Written" || wrote.EndedAt.Sub(*wrote.StartedAt) != 2*time.Second || failed.Status != worklog.StatusError ||
			failed.Details != "failed" || open.Status != worklog.StatusWarning {
			t.Errorf("%+v\n%+v\n%+v", wrote, failed, open)
		}
		if f := r.figures(); f != (figures{Rows: 6, Steps: 3, Completed: 2, Errors: 2}) || r.err != nil || len(r.damaged) > 1 {
			t.Errorf("%+v, damaged %v, %v", f, r.damaged, r.err)
		}
	}
	again := strings.Replace(lines, `"executing"`, `"executing"}]}`+"\n"+`{"id":"m2","timestamp":"2026-05-01T10:00:02Z","type":"gemini","content":"I will.","toolCalls":[{"id":"c3","name":"run_shell_command","status":"success","result":"x"`, 1)
	if r := parse(t, New(Gemini, Options{Now: now()}), []byte(again)); r.byKey()["g1/c3"].Status != worklog.StatusSuccess || r.figures().Rows != 6 || len(r.damaged) != 0 {
		t.Errorf("%+v, damaged %v", r.byKey()["g1/c3"], r.damaged)
	}
	if r := parse(t, New(Gemini, Options{Now: now()}), []byte(geminiText[:200])); r.err == nil {
		t.Error("half a chat is whole")
	}
}

func TestOtherRecordingsAreShownWhole(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]struct {
		format Format
		figures
	}{
		"codex-rollout/*.jsonl":            {Codex, figures{Rows: 5, Steps: 3, Completed: 3}},
		"codex-tui-log/*.jsonl":            {Codex, figures{Rows: 40, Steps: 32, Completed: 32, Errors: 4, Nested: 4}},
		"gemini-cli/session-*-full.json":   {Gemini, figures{Rows: 21, Steps: 9, Completed: 9}},
		"gemini-cli/session-*-prefix.json": {Gemini, figures{Rows: 11, Steps: 4, Completed: 4}},
	} {
		for _, path := range recordings(t, pattern) {
			raw := read(t, path)
			r := parse(t, New(want.format, Options{Now: now()}), raw)
			t.Logf("%s: %+v, skipped %v", path, r.figures(), r.skipped)
			if f := Detect(raw[:min(len(raw), 300)]); f != want.format || r.figures() != want.figures || len(r.damaged) > 0 || r.err != nil {
				t.Errorf("%s: %q %+v, want %+v; damaged %v, %v", path, f, r.figures(), want, r.damaged, r.err)
			}
		}
	}
}

// A file that is imported while it grows has rows of its own only for what is new, wherever it was cut.
func TestAFileThatIsCutAnywhereHasNoRowsOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		format Format
		text   string
	}{"rollout": {Codex, codexText}, "log": {Codex, codexLog}, "printed": {Codex, codexPrinted}, "claude": {ClaudeCode, claudeSeed}} {
		whole := parse(t, New(x.format, Options{Now: now()}), []byte(x.text)).byKey()
		for i := range x.text {
			if x.text[i] != '\n' && i%37 != 0 {
				continue
			}
			for key, d := range parse(t, New(x.format, Options{Now: now()}), []byte(x.text[:i])).byKey() {
				if known, ok := whole[key]; !ok || known.Title != d.Title {
					t.Errorf("%s cut at %d: %q (%s)", name, i, d.Title, key)
				}
			}
		}
	}
}

func TestTimesOfTranscriptsThatCanNotBeTrueAreFlagged(t *testing.T) {
	t.Parallel()
	for stamp, replaced := range map[string]bool{
		"2026-05-01T10:00:00Z": false, "2026-06-02T11:00:00Z": false, "2026-06-02T13:00:00Z": true, "2016-06-03T13:00:00Z": false, "2016-06-03T11:00:00Z": true, "soon": true,
	} {
		for format, line := range map[Format]string{
			ClaudeCode: `{"sessionId":"s","uuid":"1","type":"user","timestamp":%q,"message":{"content":"hi"}}`,
			Codex:      `{"timestamp":%q,"type":"event_msg","payload":{"type":"user_message","message":"hi"}}`,
			Gemini:     `{"id":"m","timestamp":%q,"type":"user","content":"hi"}`,
		} {
			rows := parse(t, New(format, Options{Now: now(), Session: "s"}), []byte(strings.Replace(line, "%q", `"`+stamp+`"`, 1)+"\n")).rows
			if len(rows) != 1 || (rows[0].Draft.Metadata["time_replaced"] == true) != replaced || rows[0].Draft.LoggedAt.Equal(now()) != replaced {
				t.Errorf("%s at %s: %+v", format, stamp, rows)
			}
		}
	}
}

func TestWhatIsTooLongIsCutAndSaysSo(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 1<<20)
	for format, line := range map[Format]string{
		ClaudeCode: `{"sessionId":"s","uuid":"1","type":"assistant","timestamp":"2026-05-01T10:00:00Z","message":{"content":[{"type":"text","text":"LONG"}]}}`,
		Codex:      `{"timestamp":"2026-05-01T10:00:00Z","type":"event_msg","payload":{"type":"agent_message","message":"LONG"}}`,
		Gemini:     `{"id":"m","timestamp":"2026-05-01T10:00:00Z","type":"gemini","content":"LONG"}`,
	} {
		rows := parse(t, New(format, Options{Now: now(), Session: "s"}), []byte(strings.Replace(line, "LONG", long, 1)+"\n")).rows
		if len(rows) != 1 || len(rows[0].Draft.Details) > worklog.MaxDetailsBytes || rows[0].Draft.Details != worklog.CutDetails(long) {
			t.Errorf("%s: %d rows", format, len(rows))
		}
	}
}
