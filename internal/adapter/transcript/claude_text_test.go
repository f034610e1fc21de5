package transcript

import (
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

func TestASystemsWordsAreNoPrompt(t *testing.T) {
	t.Parallel()
	system := func(text string) string { return `"type":"system","subtype":"informational","content":"` + text + `"` }
	r := parseClaude(t, claudeText(
		system("Remote Control disconnected"), system("<b>Heads up</b>: see <command-name>/doctor</command-name>"), system(`Held message\nfrom another session`),
		system(`<command-message>review</command-message>\n<command-name>/review</command-name>`), system("<local-command-stdout>Set effort</local-command-stdout>"), askLine)).rows
	if len(r) != 6 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []string{"Remote Control disconnected", "<b>Heads up</b>: see <command-name>/doctor</command-name>", "Held message", "Prompt: /review", "Output: Set effort", "Prompt: Make it"} {
		if d := r[i].Draft; d.Title != want || i < 3 && (d.Key != "s/u"+string(rune('1'+i)) || d.Type != "" && d.Type != worklog.TypeInfo || d.ConversationTitle != "") {
			t.Errorf("%+v, want %q", d, want)
		}
	}
	if d := r[2].Draft; d.Details != "Held message\nfrom another session" {
		t.Errorf("%+v", d)
	}
}
