package transcript

import (
	"fmt"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/adapter/agent"
)

func geminiLines(messages ...string) []byte {
	var b strings.Builder
	b.WriteString(`{"sessionId":"g","projectHash":"h"}` + "\n")
	for i, m := range messages {
		id, text, _ := strings.Cut(m, " ")
		fmt.Fprintf(&b, `{"id":%q,"timestamp":"2026-05-01T10:00:%02dZ","type":"gemini","content":%q}`+"\n", id, i, text)
	}
	return []byte(b.String())
}

func TestAMessageThatIsWrittenAgainIsOneRow(t *testing.T) {
	t.Parallel()
	key := func(text string, n int) string { return agent.TextKey("g", "", agent.KindReply, text, n) }
	for name, c := range map[string]struct {
		text []byte
		want []string
	}{
		"at once":        {geminiLines("m1 I wi", "m1 I will.", "m2 Done."), []string{key("I will.", 1), key("Done.", 1)}},
		"shorter":        {geminiLines("m1 I will, I think", "m1 I will."), []string{key("I will.", 1)}},
		"unchanged":      {geminiLines("m1 Done.", "m1 Done.", "m2 Done.", "m1 Done."), []string{key("Done.", 1), key("Done.", 2)}},
		"to another's":   {geminiLines("m1 Done.", "m1 Over.", "m2 Done."), []string{key("Over.", 1), key("Done.", 1)}},
		"after the next": {geminiLines("m1 I wi", "m2 Done.", "m1 I will."), []string{key("I wi", 1), key("Done.", 1)}},
	} {
		got := parse(t, New(Gemini, Options{Now: now()}), c.text).byKey()
		for _, key := range c.want {
			if _, known := got[key]; !known {
				t.Errorf("%s: %s is missing", name, key)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %d rows, want %d", name, len(got), len(c.want))
		}
		if name == "after the next" && got[c.want[0]].Details != "I will." {
			t.Errorf("%+v", got[c.want[0]])
		}
	}
	p := New(Gemini, Options{Now: now()})
	var sent []Row
	for line := range strings.Lines(string(geminiLines("m1 I wi"))) {
		rows, _ := p.Line([]byte(line))
		sent = append(sent, rows...)
	}
	if sent = append(sent, p.Flush(now())...); len(sent) != 1 { // somebody watches: what there is, is shown
		t.Errorf("%+v", sent)
	}
}
