package connect

import (
	"strings"
	"testing"
)

// printedByCodex is a file of Codex after it has added tables to it. Its editor prints the last comment of a file last,
// which puts them between the marks.
func printedByCodex(text string) string {
	return strings.Replace(text, tomlEnd+"\n", codexAdds+tomlEnd+"\n", 1)
}

const codexAdds = `
[hooks.state."/home/ann/.codex/config.toml:stop:0:0"]
trusted_hash = "sha256:00"

[projects."/home/ann/x"]
trust_level = "trusted"

# the calculator
[mcp_servers.x]
command = "npx"
args = [
  ["no", "header"],
]
note = """
[[hooks.Stop]]
` + "# --- not a mark" + `
"""
[notice]
hide = true
`

func TestWhatCodexAddsBetweenTheMarksStays(t *testing.T) {
	t.Parallel()
	old := "model = \"gpt\" # mine\n\n[tui]\nx = 1\n"
	s := setting(Codex)
	text, made := merge(t, Codex, old, s, Written{})
	for name, c := range map[string]struct{ text, left string }{
		"between the marks":        {printedByCodex(text), old + codexAdds},
		"in the middle":            {text + codexAdds, old + codexAdds},
		"without the last mark":    {strings.Replace(text, tomlEnd+"\n", codexAdds, 1), old + codexAdds},
		"without the first mark":   {strings.Replace(printedByCodex(text), tomlBegin+"\n", "", 1), old + codexAdds},
		"without marks":            {strings.Replace(strings.Replace(text, tomlBegin+"\n", "", 1), tomlEnd+"\n", codexAdds, 1), old + codexAdds},
		"with the blank line lost": {strings.Replace(printedByCodex(text), "\n\n"+tomlBegin, "\n"+tomlBegin, 1), old + codexAdds},
	} {
		for _, ends := range []string{"\n", "\r\n"} {
			given, left := strings.ReplaceAll(c.text, "\n", ends), strings.ReplaceAll(c.left, "\n", ends)
			if again, _ := merge(t, Codex, given, s, made); again != given {
				t.Errorf("%s, %q: connecting again makes it\n%s", name, ends, again)
			}
			if back := remove(t, Codex, given, made); back != left {
				t.Errorf("%s, %q: removing leaves\n%s", name, ends, back)
			}
			moved, now := merge(t, Codex, given, Setting{Command: "other" + marker + "codex"}, made)
			if strings.Contains(moved, "/usr/local/bin/worklog") || strings.Count(moved, "other") != 6 || strings.Count(moved, "\n") != strings.Count(moved, ends) {
				t.Errorf("%s, %q: another command makes it\n%s", name, ends, moved)
			}
			if back := remove(t, Codex, moved, now); strings.Count(moved, tomlBegin) != 1 || strings.Count(moved, tomlEnd) != 1 || back != left && name != "with the blank line lost" {
				t.Errorf("%s, %q: after another command removing leaves\n%s\nof\n%s", name, ends, back, moved)
			}
		}
	}
}

func TestHandlersThatPeoplePutBetweenTheMarksStay(t *testing.T) {
	t.Parallel()
	s := setting(Codex)
	text, made := merge(t, Codex, "", s, Written{})
	const mine = "[[hooks.Stop.hooks]]\ntype = \"command\"\ncommand = \"mine\"\n"
	text = strings.Replace(text, tomlEnd, mine+"[[hooks.PreToolUse]]\nmatcher = \"Bash\"\n"+strings.Replace(mine, "Stop", "PreToolUse", 1)+tomlEnd, 1)
	if back := remove(t, Codex, text, made); back != "[[hooks.Stop]]\n"+mine+"[[hooks.PreToolUse]]\nmatcher = \"Bash\"\n"+strings.Replace(mine, "Stop", "PreToolUse", 1) {
		t.Errorf("%s", back)
	}
	moved, _ := merge(t, Codex, text, Setting{Command: "other" + marker}, made)
	stops := read(t, Codex, moved)["hooks"].(map[string]any)["Stop"].([]map[string]any)
	if len(stops) != 2 || strings.Count(moved, "mine") != 2 || strings.Count(moved, "other") != 6 || strings.Contains(moved, "/usr/local") {
		t.Errorf("%s", moved)
	}
}

func TestAGroupOfWorklogThatSomebodyEditedIsPutRight(t *testing.T) {
	t.Parallel()
	s := setting(Codex)
	text, made := merge(t, Codex, "a = 1\n", s, Written{})
	edited := strings.Replace(strings.Replace(text, "timeout = 5", "timeout = 50 # longer", 1), "[[hooks.Stop]]\n", "[[hooks.Stop]]\nmatcher = \"x\"\n# why\n", 1)
	if again, _ := merge(t, Codex, edited, s, made); again != text+"# why\n" {
		t.Errorf("%s", again)
	}
}

func TestACopyOfTheBlockInATextIsNoBlock(t *testing.T) {
	t.Parallel()
	s := setting(Codex)
	block, made := merge(t, Codex, "", s, Written{})
	old := []byte("notes = '''\n" + strings.ReplaceAll(block, "'", "\"") + "'''\n")
	if text, err := Remove(Codex, old, made); err == nil {
		t.Errorf("removing made it\n%s", text)
	}
	if text, _, err := Merge(Codex, old, Setting{Command: "other" + marker}, made); err == nil {
		t.Errorf("connecting made it\n%s", text)
	}
}
