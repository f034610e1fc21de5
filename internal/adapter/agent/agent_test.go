package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

func now() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func TestTitlesSayWhatIsDoneWithWhat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tool, input, title string
		typ                worklog.Type
	}{
		{"Bash", `{"command":"npm test\nls","description":"x"}`, "Bash: npm test", worklog.TypeToolCall},
		{"Edit", `{"file_path":"/w/a/main.go","old_string":"x"}`, "Edit a/main.go", worklog.TypeFileOperation},
		{"Read", `{"file_path":"/etc/hosts"}`, "Read /etc/hosts", worklog.TypeFileOperation},
		{"write_file", `{"file_path":"docs/blue.md"}`, "write_file docs/blue.md", worklog.TypeFileOperation},
		{"Grep", `{"pattern":"func main","path":"/w"}`, "Grep: func main", worklog.TypeToolCall},
		{"Task", `{"description":"Look","prompt":"Look around"}`, "Task: Look", worklog.TypeToolCall},
		{"TaskUpdate", `{"taskId":"2","status":"completed"}`, "TaskUpdate: #2 completed", worklog.TypeToolCall},
		{"mcp__linear__get_issue", `{"id":7}`, "linear get_issue", worklog.TypeToolCall},
		{"shell", `{"command":["bash","-lc","git status"]}`, "shell: git status", worklog.TypeToolCall},
		{"apply_patch", `"*** Begin Patch\n*** Add File: gamma.txt\n+x"`, "apply_patch gamma.txt", worklog.TypeFileOperation},
		{"Bash", `{"command":"cd x && FOO=1 git push -u origin main"}`, "Bash: cd x && FOO=1 git push -u origin main", worklog.TypeDeployment},
		{"exec_command", `{"cmd":"kubectl apply -f x"}`, "exec_command: kubectl apply -f x", worklog.TypeDeployment},
		{"shell_command", `{"command":"git push"}`, "shell_command: git push", worklog.TypeDeployment},
		{"Bash", `{"command":"echo git push"}`, "Bash: echo git push", worklog.TypeToolCall},
		{"", ``, "Tool", worklog.TypeToolCall}, {"X", `[1]`, "X", worklog.TypeToolCall}, {"X", `{"prompt":7}`, "X", worklog.TypeToolCall},
	} {
		d := Call{Session: "s", ID: "i", Tool: c.tool, Input: json.RawMessage(c.input), Dir: "/w/"}.Draft()
		if d.Title != c.title || d.Type != c.typ || d.Key != "s/i" || d.Status != worklog.StatusWorking {
			t.Errorf("%s %s: %+v, want %q, %s", c.tool, c.input, d, c.title, c.typ)
		}
	}
}

func TestOutputIsWhatTheToolHasSaid(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`"plain"`: "plain", `{"stdout":"a\n","stderr":"b"}`: "a\nb", `{"type":"text","file":{"content":"package x"}}`: "package x",
		`[{"type":"text","text":"a"},{"type":"image","source":{}}]`: "a\n[image]", `{"filenames":["a","b"],"numFiles":2}`: "a\nb",
		`{"structuredPatch":[{"oldStart":3,"oldLines":1,"newStart":3,"newLines":2,"lines":["-a","+b","+c"]}],"content":"no"}`: "@@ -3,1 +3,2 @@\n-a\n+b\n+c\n",
		`{"llmContent":"found"}`: "found", `{"content":[{"type":"text","text":"deep"}]}`: "deep", `{"stdout":7}`: "{\n  \"stdout\": 7\n}",
		`[1,2]`: "[\n  1,\n  2\n]", ``: "", `null`: "", `not json`: "not json", `true`: "true",
	} {
		if got := Output(json.RawMessage(raw)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

func TestAnswersTellWhetherTheyFailed(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		`{"metadata":{"exit_code":1}}`: true, `{"metadata":{"exit_code":0}}`: false, `{"error":{"message":"x"}}`: true, `{"error":null}`: false, `{"error":""}`: false,
		`"{\"output\":\"x\",\"metadata\":{\"exit_code\":2}}"`: true, `"Exit code: 3\nOutput:\nx"`: true, `"Process exited with code 0\nx"`: false,
		`"Wall time: 1 s\nProcess exited with code 0\nOutput:\nProcess exited with code 2"`: false, `"Chunk ID: 1\nProcess exited with code 1\nOutput:\n"`: true,
		`"ok\nthe log says\nExit code: 3\n"`: false, `{"is_error":true}`: true, `{"exit_code":"0"}`: false, `{"exit_code":"1"}`: true, `{"isError":true,"content":[]}`: true, `{"success":false}`: true, `{"success":true}`: false, `{"success":"no"}`: false, `"fine"`: false, `7`: false, ``: false,
	} {
		if got := Failed(json.RawMessage(raw)); got != want {
			t.Errorf("%s: %v", raw, got)
		}
	}
}

func TestNothingForeignBreaksARule(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	wide := `{"x":[` + strings.Repeat(`{"k":"`+strings.Repeat("v", 100)+`"},`, 2000) + `1]}`
	for _, input := range []string{deep, wide, `{"n":1e99999}`, `{"a\u0000":"\u0000"}`, `{"command":"` + strings.Repeat("ü", 300_000) + `"}`} {
		for _, id := range []string{"", "\x00\xff", strings.Repeat("i", 500)} {
			d := Call{Session: id + "s", ID: id, Tool: strings.Repeat("t", 100) + id, Input: json.RawMessage(input)}.Draft()
			far := now().Add(100 * 24 * time.Hour)
			d.LoggedAt, d.Details, d.Parent = &far, strings.Repeat("x", worklog.MaxDetailsBytes+5), d.Key
			Fit(&d, now())
			if err := d.Validate(now()); err != nil || d.LoggedAt != nil || d.Metadata["time_replaced"] != true {
				t.Errorf("%.40s: %v, %.300v", input, err, d.Metadata)
			}
		}
	}
}

func TestKeysAreTheSameForTheSameAndNeverTooLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s", 300)
	if a, b := Key(long, "1"), Key(long, "2"); a == b || utf8.RuneCountInString(a) > worklog.MaxKeyChars || Key(long, "1") != a {
		t.Errorf("%s %s", a, b)
	}
	if a, b := TextKey("s", "", KindPrompt, " go on\n", 1), TextKey("s", "", KindPrompt, "go on", 1); a != b || a == TextKey("s", "", KindReply, "go on", 1) || a == TextKey("s", "", KindPrompt, "go on", 2) {
		t.Errorf("%s %s", a, b)
	}
	if k := TextKey(long, "", KindPrompt, "x", 12345); utf8.RuneCountInString(k) > worklog.MaxKeyChars {
		t.Error(k)
	}
}

func TestFirstLineCutsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{"\n a \n b": "a", "ääääääääää": "ääää…", "": "", "\r\nx\ry": "x"} {
		if got := FirstLine(s, 5); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestAPromptThatOnlyAnnouncesNamesTheConversationWithWhatFollows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Implement the following plan:\n\n# Fix login\n\nSteps": "Implement the following plan: Fix login", "Do:\r\n\r\n - * Write it\r\nmore": "Do: Write it", "\n Plan: \n---\n**Go**": "Plan: Go**",
		"Fix it\nnow": "Fix it", "Fix this:": "Fix this:", "Fix this:\n\n": "Fix this:", "Note: fix it\nnow": "Note: fix it", "": "(empty prompt)", ":\n#": ":",
		"One:\nTwo:\nThree": "One: Two:", "Go:\n" + strings.Repeat("x", 300): "Go: " + strings.Repeat("x", promptChars-5) + "…",
	} {
		d := Prompt("s", "", text, 1)
		if d.ConversationTitle != want || d.Key != TextKey("s", "", KindPrompt, text, 1) || d.Title != "Prompt: "+orElse(FirstLine(text, promptChars), "(empty prompt)") {
			t.Errorf("%q: %+v, want %q", text, d, want)
		}
	}
}
