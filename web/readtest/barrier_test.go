package readtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// terminal is what terminals show in every colour and style that there is, each on each ground.
func terminal() string {
	var b strings.Builder
	for _, params := range []string{"1", "2", "3", "4", "7", "9", "1;31;7", "38;5;196", "48;5;226", "38;2;10;200;10"} {
		fmt.Fprintf(&b, "\x1b[%sm%s\x1b[0m ", params, params)
	}
	for ink := range 8 {
		fmt.Fprintf(&b, "\x1b[%dmink\x1b[0m \x1b[%dmbright\x1b[0m \x1b[2;%dmfaint\x1b[0m\n", 30+ink, 90+ink, 30+ink)
		for ground := range 8 {
			fmt.Fprintf(&b, "\x1b[%d;%dmon\x1b[0m\x1b[%d;%dmon\x1b[0m ", 30+ink, 40+ground, 90+ink, 100+ground)
		}
	}
	return b.String()
}

// shown is what unfolds in colours, and what is cut.
func shown() []worklog.Draft {
	step := func(key string, s worklog.Status, details string) worklog.Draft {
		return worklog.Draft{Title: "Bash: " + key, Tool: "Bash", Type: worklog.TypeToolCall, Key: key, Status: s, Details: details, Conversation: "shown"}
	}
	return []worklog.Draft{
		step("colours", worklog.StatusSuccess, terminal()), step("json", worklog.StatusSuccess, `{"a":[1,true,null,"text"],"b":{"c":"d"}}`),
		step("diff", worklog.StatusWarning, "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@ func x\n same\n-old\n+new\n same\n"),
		step("long", worklog.StatusError, strings.Repeat("\x1b[33ma line of a long output\x1b[0m\n", 3000)),
	}
}

func TestBrowserFindsNoBarrierInWhatAgentsDoAndPrint(t *testing.T) {
	t.Parallel()
	r := newReader(t, shown()...)
	token := r.app.Token(apptest.Email, account.ScopeWrite)
	event := func(session, name, rest string) {
		r.postHook(token, fmt.Sprintf(`{"session_id":%q,"prompt_id":"p","hook_event_name":%q,"tool_name":"Bash","tool_input":{"command":"make"}%s}`, session, name, rest))
	}
	event("asks", "PreToolUse", `,"tool_use_id":"t1"`)
	event("asks", "PermissionRequest", "")
	event("runs", "PreToolUse", `,"tool_use_id":"t2"`)
	event("runs", "PreToolUse", `,"tool_use_id":"t3"`)
	event("runs", "PostToolUseFailure", `,"tool_use_id":"t3","error":"exit 1"`)
	event("failed", "StopFailure", `,"error":"overloaded"`)
	event("turn", "Stop", `,"last_assistant_message":"Done."`)
	page, err := r.client.Conversations(t.Context(), worklog.ConversationQuery{})
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"/", "/conversations"}
	for _, c := range page.Conversations {
		paths = append(paths, "/conversations/"+c.ID)
	}
	r.open("/")
	for _, selector := range []string{".row.asks .asked", ".row.s-working", ".row.s-error", ".c1", ".g1", ".da", ".dd", ".jk"} {
		r.wait(selector+" is there", fmt.Sprintf("document.querySelector(%q)", selector))
	}
	for _, theme := range []string{"light", "dark"} {
		r.theme(theme)
		for i, path := range paths {
			for _, later := range []string{"now", "silent"}[:2-min(i, 1)] { // all that is silent is on the first page
				r.open(path)
				r.do("for (const d of document.querySelectorAll('.row details')) d.open = true")
				if later == "silent" {
					apptest.Clock(t, r.ctx, time.Now().Add(20*time.Minute))
					r.wait("what runs is silent", "[...document.querySelectorAll('.row.s-working:not(.asks)')].every((e) => 'silence' in e.dataset) && !document.querySelector('.threads .is-running')")
				}
				apptest.Accessible(t, r.ctx)
				if t.Failed() {
					t.Fatalf("that was %s in the %s theme, %s", path, theme, later)
				}
			}
		}
	}
}
