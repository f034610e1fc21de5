package connect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"pgregory.net/rapid"
)

func setting(agent string) Setting {
	return Setting{URL: "http://127.0.0.1:8080", Token: "wlg_one", Command: HookCommand("/usr/local/bin/worklog", agent)}
}

func merge(t testing.TB, agent, old string, s Setting, before Written) (string, Written) {
	t.Helper()
	merged, now, err := Merge(agent, []byte(old), s, before)
	if err != nil {
		t.Fatalf("%s: %v in\n%s", agent, err, old)
	}
	return string(merged), now
}

func remove(t testing.TB, agent, old string, before Written) string {
	t.Helper()
	text, err := Remove(agent, []byte(old), before)
	if err != nil {
		t.Fatalf("%s: %v in\n%s", agent, err, old)
	}
	return string(text)
}

// read is what an agent reads.
func read(t testing.TB, agent, text string) map[string]any {
	t.Helper()
	m := map[string]any{}
	if agent == Codex {
		if _, err := toml.Decode(text, &m); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return m
	}
	d, err := parse([]byte(text), agent == Gemini)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if agent == ClaudeCode {
		if err := json.Unmarshal([]byte(text), &m); err != nil || !reflect.DeepEqual(any(m), d.value(d.root)) {
			t.Fatalf("%v: encoding/json reads another thing in\n%s", err, text)
		}
	}
	return d.value(d.root).(map[string]any)
}

const claudeSettings = `{
    "model": "opus",
    "hooks": {
        "PreToolUse": [
            {"matcher": "Bash", "hooks": [{"type": "command", "command": "check.sh"}]}
        ],
        "Stop": []
    },
    "env": {"A": "1"},   "odd":1e2
}
`

func TestEverythingElseStaysAsItIs(t *testing.T) {
	t.Parallel()
	text, made := merge(t, ClaudeCode, claudeSettings, setting(ClaudeCode), Written{})
	for _, part := range []string{
		"{\n    \"model\": \"opus\",\n    \"hooks\": {\n        \"PreToolUse\": [\n            {\"matcher\": \"Bash\", \"hooks\": [{\"type\": \"command\", \"command\": \"check.sh\"}]},\n            {\n                \"hooks\": [\n                    {\n                        \"type\": \"http\",\n                        \"url\": \"http://127.0.0.1:8080/api/v1/hooks\",",
		"    \"env\": {\"A\": \"1\"},   \"odd\":1e2\n}\n", `"Authorization": "Bearer wlg_one"`, `"command": "/usr/local/bin/worklog hook --agent claude-code"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	hooks := read(t, ClaudeCode, text)["hooks"].(map[string]any)
	if len(hooks) != 14 || len(hooks["PreToolUse"].([]any)) != 2 {
		t.Errorf("%v", hooks)
	}
	if back := remove(t, ClaudeCode, text, made); back != claudeSettings {
		t.Errorf("not as it was:\n%s", back)
	}
}

func TestConnectingAgainUpdatesInsteadOfDoubling(t *testing.T) {
	t.Parallel()
	for _, agent := range Agents() {
		first, made := merge(t, agent, "", setting(agent), Written{})
		again, _ := merge(t, agent, first, setting(agent), made)
		if again != first {
			t.Errorf("%s: the same twice is\n%s\nafter\n%s", agent, again, first)
		}
		other := Setting{URL: "https://worklog.example.org/", Token: "wlg_two", Command: Curl("https://worklog.example.org", "wlg_two")}
		moved, made := merge(t, agent, first, other, made)
		if strings.Contains(moved, "wlg_one") || strings.Contains(moved, "8080") || !strings.Contains(moved, "wlg_two") || strings.Contains(moved, "org//") || strings.Count(moved, "imeout") != strings.Count(first, "imeout") {
			t.Errorf("%s:\n%s", agent, moved)
		}
		if rest := remove(t, agent, moved, made); !Empty(agent, []byte(rest)) {
			t.Errorf("%s: there remains %q", agent, rest)
		}
	}
}

// foreign are handlers that other installations of worklog, or people, have written.
func foreign() []string {
	return []string{
		`{"type": "http", "url": "https://elsewhere.example.org/api/v1/hooks", "timeout": 5}`, `{"type": "http", "url": "http://127.0.0.1:80801/api/v1/hooks"}`,
		`{"type": "command", "command": "/opt/other/worklog hook --agent claude-code"}`, `{"type": "command", "command": "worklog hook --agent claude-code"}`,
		`{"type": "command", "command": "mine; /usr/local/bin/worklog hook --agent claude-code"}`,
		`{"type": "command", "command": "` + Curl("https://elsewhere.example.org", "wlg_x") + `"}`, `{"type": "command", "command": "mine"}`,
	}
}

func TestWhatOthersWroteIsNotTakenForOnesOwn(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{ClaudeCode, Gemini} {
		for _, h := range foreign() {
			old := `{"hooks": {"Stop":  [ {"hooks": [` + h + `]} ], "SessionStart": [{"hooks": [` + h + `]}], "Tomorrow":[{"hooks": [` + h + `]}]}}`
			text, made := merge(t, agent, old, setting(agent), Written{})
			if strings.Count(text, h) != 3 {
				t.Errorf("%s: connecting took %s out of\n%s", agent, h, text)
			}
			if back := remove(t, agent, text, made); back != old {
				t.Errorf("%s: removing left\n%s\nof\n%s", agent, back, old)
			}
			if back := remove(t, agent, old, made); back != old {
				t.Errorf("%s: removing what is not there left\n%s\nof\n%s", agent, back, old)
			}
		}
	}
}

func TestWhatSpeaksToTheSameServerIsReplacedAndNeighboursStay(t *testing.T) {
	t.Parallel()
	s := setting(ClaudeCode)
	old := `{"hooks": {"PreToolUse": [{"hooks": [{"type": "http", "url": "http://127.0.0.1:8080/api/v1/hooks"}, {"type": "command", "command": "mine"}]}],
	"Tomorrow": [{"hooks": [{"type": "command", "command": "` + Curl(s.URL, "wlg_old") + `"}]}]}}`
	text, made := merge(t, ClaudeCode, old, s, Written{})
	hooks := read(t, ClaudeCode, text)["hooks"].(map[string]any)
	if strings.Contains(text, "wlg_old") || len(hooks["Tomorrow"].([]any)) != 0 || len(hooks["PreToolUse"].([]any)) != 2 {
		t.Errorf("%s", text)
	}
	want := map[string]any{"hooks": map[string]any{"PreToolUse": []any{map[string]any{"hooks": []any{map[string]any{"type": "command", "command": "mine"}}}}, "Tomorrow": []any{}}}
	if got := read(t, ClaudeCode, remove(t, ClaudeCode, text, made)); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestCommentsOfGeminiStay(t *testing.T) {
	t.Parallel()
	old := "{\n\t// my theme\n\t\"theme\": \"dark\", /* yes */\n\t\"hooks\": {\n\t\t// none yet\n\t},\n}\n"
	text, made := merge(t, Gemini, old, setting(Gemini), Written{})
	if !strings.Contains(text, "// my theme\n\t\"theme\": \"dark\", /* yes */\n\t\"hooks\": {\n\t\t// none yet") || !strings.Contains(text, `"timeout": 5000`) {
		t.Errorf("%s", text)
	}
	if got := read(t, Gemini, remove(t, Gemini, text, made)); !reflect.DeepEqual(got, read(t, Gemini, old)) {
		t.Errorf("%v", got)
	}
}

func TestTheBlockOfCodexIsAddedAndTakenAway(t *testing.T) {
	t.Parallel()
	old := "model = \"gpt\" # mine\n\n[features]\nhooks = true\n\n[[hooks.PreToolUse]]\nmatcher = \"Bash\"\n[[hooks.PreToolUse.hooks]]\ntype = \"command\"\ncommand = \"mine\"\n"
	text, _ := merge(t, Codex, old, setting(Codex), Written{})
	hooks := read(t, Codex, text)["hooks"].(map[string]any)
	if !strings.HasPrefix(text, old) || len(hooks["PreToolUse"].([]map[string]any)) != 2 || len(hooks["Stop"].([]map[string]any)) != 1 {
		t.Errorf("%s", text)
	}
	later := text + "[tui]\nx = 1\n"
	moved, _ := merge(t, Codex, later, Setting{Command: "other" + marker + "codex"}, Written{})
	if !strings.HasSuffix(moved, "[tui]\nx = 1\n") || strings.Contains(moved, "/usr/local/bin/worklog") {
		t.Errorf("%s", moved)
	}
	if back := remove(t, Codex, moved, Written{}); back != old+"[tui]\nx = 1\n" {
		t.Errorf("%s", back)
	}
	if back := remove(t, Codex, text, Written{}); back != old {
		t.Errorf("%s", back)
	}
	odd := HookCommand("/home/o'hara/my bin/worklog", Codex)
	text, _ = merge(t, Codex, "", Setting{Command: odd}, Written{})
	group := read(t, Codex, text)["hooks"].(map[string]any)["Stop"].([]map[string]any)[0]
	if got := group["hooks"].([]map[string]any)[0]["command"]; got != odd {
		t.Errorf("%s", got)
	}
}

func TestBrokenFilesAreRefusedWithThePlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ agent, text, says string }{
		{ClaudeCode, "{\n \"a\": 1\n \"b\": 2}", "line 3, column 2"}, {ClaudeCode, "{\"a\": 01}", "line 1"}, {ClaudeCode, "{} {}", "something follows"},
		{ClaudeCode, "[]", "no object"}, {ClaudeCode, "{\"a\": 1,}", "value is expected"}, {ClaudeCode, "{// no\n}", "value is expected"}, {ClaudeCode, "{1: 2}", "name in quotes"}, {ClaudeCode, "{", "expected"},
		{ClaudeCode, "{\"hooks\": []}", "no object"}, {ClaudeCode, "{\"hooks\": {\"Stop\": {}}}", "no list"}, {ClaudeCode, strings.Repeat("[", 1000), "nested"},
		{Gemini, "{/* }", "does not end"}, {Gemini, "{\"a\": \"\n\"}", "value"},
		{Codex, "a = ", "line 1"}, {Codex, "a = 1\na = 2\n", "line 2"}, {Codex, "hooks = 1\n", "no room"}, {Codex, "hooks = {Stop = []}", "no room"},
	} {
		_, _, err := Merge(c.agent, []byte(c.text), setting(c.agent), Written{})
		if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.40q: %v, want %q", c.text, err, c.says)
		}
	}
	if _, _, err := Merge("emacs", nil, Setting{}, Written{}); err == nil {
		t.Error("an agent that does not exist is connected")
	}
}

// anything draws a value of JSON as text, with blanks wherever they may be.
func anything(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		blank := func() string { return rapid.SampledFrom([]string{"", "", " ", "\n", "\n  ", "\t"}).Draw(t, "blank") }
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if depth == 0 && kind > 3 {
			kind = 0
		}
		n := rapid.IntRange(0, 3).Draw(t, "n")
		var b strings.Builder
		switch kind {
		case 0, 1:
			raw, _ := json.Marshal(rapid.StringOf(rapid.RuneFrom([]rune(`ab"\{}[],:/*#é☃`))).Draw(t, "text"))
			return string(raw)
		case 2:
			return rapid.SampledFrom([]string{"0", "-1.5e+10", "12345678901234567890"}).Draw(t, "number")
		case 3:
			return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")
		case 4:
			b.WriteString("[" + blank())
			for i := range n {
				if i > 0 {
					b.WriteString(blank() + "," + blank())
				}
				b.WriteString(anything(depth-1).Draw(t, "element"))
			}
			return b.String() + blank() + "]"
		}
		b.WriteString("{" + blank())
		for i := range n {
			if i > 0 {
				b.WriteString(blank() + "," + blank())
			}
			fmt.Fprintf(&b, `"k%d"%s:%s%s`, i, blank(), blank(), anything(depth-1).Draw(t, "member"))
		}
		return b.String() + blank() + "}"
	})
}

// configuration draws settings with hooks of others.
func configuration() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var lists []string
		for _, event := range []string{"PreToolUse", "Stop", "Tomorrow", "AfterTool"} {
			if !rapid.Bool().Draw(t, event) {
				continue
			}
			var groups []string
			for range rapid.IntRange(0, 2).Draw(t, "groups") {
				handlers := []string{`{"type": "command", "command": "mine", "x": ` + anything(1).Draw(t, "x") + `}`}
				handlers = append(handlers, rapid.SliceOfN(rapid.SampledFrom(foreign()), 0, 2).Draw(t, "foreign")...)
				groups = append(groups, `{"hooks": [`+strings.Join(handlers, ", ")+`]}`)
			}
			lists = append(lists, fmt.Sprintf("%q: [%s]", event, strings.Join(groups, ", ")))
		}
		parts := []string{`"first": ` + anything(3).Draw(t, "first")}
		if rapid.Bool().Draw(t, "hooks") {
			parts = append(parts, `"hooks": {`+strings.Join(lists, ",\n")+`}`)
		}
		parts = append(parts, `"last":`+anything(2).Draw(t, "last"))
		glue := rapid.SampledFrom([]string{",", ",\n  ", " ,\n\t"}).Draw(t, "glue")
		open := rapid.SampledFrom([]string{"{", "{\n  ", "{\n\t"}).Draw(t, "open")
		return open + strings.Join(parts, glue) + rapid.SampledFrom([]string{"}", "\n}\n"}).Draw(t, "close")
	})
}

func TestWhateverTheFileHoldsRemovingUndoesConnecting(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{ClaudeCode, Gemini} {
		rapid.Check(t, func(rt *rapid.T) {
			old := configuration().Draw(rt, "configuration")
			before := read(t, agent, old)
			text, made := merge(t, agent, old, setting(agent), Written{})
			other := Setting{URL: "https://other", Token: "wlg_two", Command: "x" + marker}
			text, made = merge(t, agent, text, other, made)
			for _, event := range events(agent) {
				count := 0
				for _, g := range read(t, agent, text)["hooks"].(map[string]any)[event].([]any) {
					if h, _ := g.(map[string]any)["hooks"].([]any)[0].(map[string]any); owned(other, made)(h) {
						count++
					}
				}
				if count != 1 {
					rt.Fatalf("%s is there %d times in\n%s", event, count, text)
				}
			}
			back := remove(t, agent, text, made)
			if after := read(t, agent, back); !reflect.DeepEqual(before, after) {
				rt.Fatalf("%v was %v", after, before)
			}
			if strings.Join(strings.Fields(back), "") != strings.Join(strings.Fields(old), "") {
				rt.Fatalf("more than blanks differs:\n%s\nwas\n%s", back, old)
			}
		})
	}
	rapid.Check(t, func(rt *rapid.T) {
		var lines []string
		for i, kind := range rapid.SliceOfN(rapid.IntRange(0, 4), 0, 8).Draw(rt, "lines") {
			lines = append(lines, []string{"# a comment", "", fmt.Sprintf("[t%d]", i), fmt.Sprintf("k%d = \"\"\"\nx\n\"\"\"", i), fmt.Sprintf("[[hooks.E%d]]", i)}[kind])
		}
		old := strings.Join(lines, "\n")
		text, _ := merge(t, Codex, old, setting(Codex), Written{})
		text, _ = merge(t, Codex, text, Setting{Command: "x" + marker}, Written{})
		if back := remove(t, Codex, text, Written{}); strings.TrimRight(back, "\n") != strings.TrimRight(old, "\n") {
			rt.Fatalf("%q was %q", back, old)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(claudeSettings), false)
	f.Add([]byte("{// c\n\"a\": [1, /* x */ 2,],}"), true)
	f.Fuzz(func(t *testing.T, text []byte, comments bool) {
		d, err := parse(text, comments)
		if !comments {
			var m map[string]any
			known := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &m)
			if err == nil && known != nil || err != nil && known == nil && m != nil && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("encoding/json says %v, the parser %v", known, err)
			}
		}
		if err != nil {
			return
		}
		agent := ClaudeCode
		if comments {
			agent = Gemini
		}
		before := d.value(d.root)
		merged, made, err := Merge(agent, text, setting(agent), Written{})
		if err != nil {
			return
		}
		back, err := Remove(agent, merged, made)
		if err != nil {
			t.Fatal(err)
		}
		after, err := parse(back, comments)
		if err != nil || !strings.Contains(string(text), "hooks") && !reflect.DeepEqual(before, after.value(after.root)) {
			t.Fatalf("%v: %s was %s", err, back, text)
		}
	})
}
