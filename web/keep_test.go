package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestTheOwnerKeepsAConversationAndLetsItGo(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.server.cfg.RetainCold = 90 * 24 * time.Hour
	x.write(worklog.Draft{Title: "x", Conversation: "c"}, worklog.Draft{Title: "y", Conversation: "c"})
	path := "/conversations/" + x.conversation("c")
	for _, want := range []struct {
		button, value, note, facts, list, question string
	}{
		{"Keep it for good", "true", "deleted 90 days after", "[2 steps]", "[]", "2 entries stay readable"},
		{"Let retention delete it again", "false", "Kept. Nothing in it is ever deleted by age", "[2 steps kept]", "[kept]", "They stay kept"},
		{"Keep it for good", "true", "deleted 90 days after", "[2 steps]", "[]", "2 entries stay readable"},
	} {
		doc := x.see(path)
		button := texts(doc, ".keep button")
		if len(button) != 1 || button[0] != want.button || attr(doc, ".keep button", "name") != "keep" || attr(doc, ".keep button", "value") != want.value {
			t.Fatalf("the button is %q", button)
		}
		if note := texts(doc, ".keep p"); !strings.Contains(strings.Join(strings.Fields(note[0]), " "), want.note) {
			t.Errorf("it explains itself by %q", note)
		}
		if facts := fmt.Sprint(texts(doc, ".head .facts span")); facts != want.facts {
			t.Errorf("facts = %s", facts)
		}
		if list := fmt.Sprint(texts(x.see("/conversations"), ".threads-list .word")); list != want.list {
			t.Errorf("the list says %s", list)
		}
		if question := texts(x.see(path+"/delete"), ".prose p"); !strings.Contains(strings.Join(strings.Fields(question[0]), " "), want.question) {
			t.Errorf("before it is deleted stands %q", question)
		}
		if w := x.ask(http.MethodPost, path, url.Values{"keep": {attr(doc, ".keep button", "value")}}); w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
