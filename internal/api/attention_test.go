package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// agent posts the hooks of session s with a token that may only write, and looks at what became of them.
type agent struct {
	*server
	token string
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	s := newServer(t)
	return &agent{s, s.user("a@x.test", account.ScopeWrite)}
}

func (a *agent) says(name, rest string) {
	a.t.Helper()
	a.clock.advance(time.Second)
	a.hook(a.token, name, rest)
}

func (a *agent) conversation() store.Conversation {
	a.t.Helper()
	c, err := a.store.ConversationByKey(a.t.Context(), 1, "s")
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// wants fails unless the conversation is in that state, and these steps ask.
func (a *agent) wants(state worklog.State, asking ...string) {
	a.t.Helper()
	c := a.conversation()
	if got := c.State(a.clock.now()); got != state {
		a.t.Errorf("state %s, want %s: %+v", got, state, c)
	}
	rows, err := a.store.Running(a.t.Context(), 1, c.ID)
	if err != nil {
		a.t.Fatal(err)
	}
	var keys []string
	for _, r := range rows {
		if !r.AskedAt.IsZero() {
			keys = append(keys, r.Key)
		}
	}
	if strings.Join(keys, " ") != strings.Join(asking, " ") || c.AskingCount != int64(len(asking)) {
		a.t.Errorf("%v ask, %d counted, want %v", keys, c.AskingCount, asking)
	}
}

// question is PermissionRequest as Claude Code sends it: without the call's id.
const question = `,"tool_name":"Bash","tool_input":{"command":"npm test"}`

func TestAPermissionIsAskedByTheStepUntilItEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		event, rest string
		state       worklog.State
	}{
		"granted":    {"PostToolUse", bashCall, worklog.StateRunning},
		"failed":     {"PostToolUseFailure", bashCall + `,"error":"x"`, worklog.StateRunning},
		"denied":     {"PermissionDenied", bashCall, worklog.StateRunning},
		"new prompt": {"UserPromptSubmit", `,"prompt":"no"`, worklog.StateRunning},
		"stopped":    {"Stop", `,"last_assistant_message":"well"`, worklog.StateYourTurn},
		"gave up":    {"StopFailure", `,"error":"overloaded"`, worklog.StateFailed},
		"over":       {"SessionEnd", `,"reason":"exit"`, worklog.StateQuiet},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t)
			a.says("UserPromptSubmit", `,"prompt":"Fix it"`)
			a.says("PreToolUse", bashCall)
			a.wants(worklog.StateRunning)
			a.says("PermissionRequest", question)
			a.wants(worklog.StateNeedsYou, "s/t1")
			a.says("PermissionRequest", question)
			a.says("Notification", `,"message":"Claude needs your permission to use Bash"`)
			a.wants(worklog.StateNeedsYou, "s/t1")
			a.says(end.event, end.rest)
			a.wants(end.state)
			if n := len(a.byKey(a.user("a@x.test"))); n > 5 {
				t.Errorf("%d entries: the question has rows of its own", n)
			}
		})
	}
}

func TestEventsThatComeTwiceOrLateDoNotAskAgain(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	session := [][2]string{
		{"UserPromptSubmit", `,"prompt":"Fix it","timestamp":"2026-06-01T11:00:00Z"`},
		{"PreToolUse", bashCall + `,"timestamp":"2026-06-01T11:00:01Z"`},
		{"PermissionRequest", bashCall + `,"timestamp":"2026-06-01T11:00:02Z"`},
		{"PostToolUse", bashCall + `,"tool_response":"ok","timestamp":"2026-06-01T11:00:03Z"`},
		{"Stop", `,"last_assistant_message":"Done","timestamp":"2026-06-01T11:00:04Z"`},
	}
	for range 2 {
		for _, e := range session {
			a.says(e[0], e[1])
		}
		a.wants(worklog.StateYourTurn)
	}
	for i := len(session) - 1; i >= 0; i-- { // backwards
		a.says(session[i][0], session[i][1])
	}
	a.wants(worklog.StateYourTurn)
	a.says("PermissionRequest", question+`,"timestamp":"2026-06-01T11:00:02Z"`)
	a.wants(worklog.StateYourTurn)
	b := newAgent(t)
	for i := len(session) - 1; i >= 0; i-- { // backwards from the start: a queue that was emptied from its end
		b.says(session[i][0], session[i][1])
	}
	b.wants(worklog.StateYourTurn)
}

func TestAStopThatIsDeliveredTwiceLeavesTheNextTurnAlone(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.says("PreToolUse", bashCall)
	stop := func() {
		a.clock.advance(time.Second)
		a.post(a.token, `{"session_id":"s","prompt_id":"p1","hook_event_name":"Stop","last_assistant_message":"Done","background_tasks":[]}`, "Idempotency-Key", "one")
	}
	stop()
	a.clock.advance(time.Minute)
	a.says("PreToolUse", otherTID)
	stop()
	all := a.byKey(a.user("a@x.test"))
	if all["s/t1"].Status != worklog.StatusWarning || all["s/t2"].Status != worklog.StatusWorking {
		t.Errorf("%+v", all)
	}
	a.wants(worklog.StateRunning)
}

func TestAQuestionOfNoStepIsTheConversations(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.says("UserPromptSubmit", `,"prompt":"Fix it"`)
	a.says("Notification", `,"notification_type":"ToolPermission","message":"Allow it?"`)
	a.wants(worklog.StateNeedsYou)
	a.says("AfterTool", `,"tool_name":"read_file","tool_response":{"llmContent":"x"}`)
	a.wants(worklog.StateRunning)
	a.says("PermissionRequest", question)
	a.wants(worklog.StateNeedsYou)
	a.says("PreToolUse", bashCall)
	a.wants(worklog.StateRunning)
}

// by makes a call or a question that of a sub-agent.
func by(id, rest string) string { return rest + `,"agent_id":"` + id + `"` }

func TestASubAgentTakesBackItsOwnQuestionAlone(t *testing.T) {
	t.Parallel()
	for _, end := range []struct{ event, rest string }{
		{"PostToolUse", bashCall}, {"PostToolUseFailure", bashCall + `,"error":"x"`}, {"PermissionDenied", bashCall}, {"SubagentStop", `,"last_assistant_message":"done"`},
	} {
		a := newAgent(t)
		a.says("UserPromptSubmit", `,"prompt":"Fix it"`)
		a.says("PermissionRequest", by("a1", question))
		a.says("Notification", `,"message":"Claude needs your permission to use Bash"`) // it does not say who
		a.says(end.event, by("a2", strings.Replace(end.rest, "t1", "t2", 1)))
		a.wants(worklog.StateNeedsYou)
		a.says(end.event, by("a1", end.rest))
		a.wants(worklog.StateRunning)
		a.says("PermissionRequest", question)
		a.says(end.event, by("a1", strings.Replace(end.rest, "t1", "t3", 1)))
		a.wants(worklog.StateNeedsYou)
	}
}

func TestAQuestionOfTwoWaitsForTheSessionsOwnMove(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.says("PermissionRequest", by("a1", question))
	a.says("PermissionRequest", by("a2", question))
	a.says("PostToolUse", by("a2", bashCall))
	a.wants(worklog.StateNeedsYou)
	a.says("PostToolUse", by("a1", strings.Replace(bashCall, "t1", "t2", 1)))
	a.wants(worklog.StateNeedsYou)
	a.says("PostToolUse", strings.Replace(bashCall, "t1", "t3", 1))
	a.wants(worklog.StateRunning)
}

func TestAnAgentThatOnlyThinksFallsSilentWithoutANote(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.says("UserPromptSubmit", `,"prompt":"Think"`)
	a.clock.advance(4 * time.Minute)
	a.wants(worklog.StateRunning)
	a.clock.advance(2 * time.Minute)
	a.wants(worklog.StateSilent)
	a.says("Notification", `,"message":"Claude is waiting for your input"`)
	a.wants(worklog.StateYourTurn)
}

func TestAnotherTokensStepsAreNotMarked(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.says("PreToolUse", bashCall)
	a.hook(a.user("a@x.test", account.ScopeWrite), "PermissionRequest", question)
	a.wants(worklog.StateNeedsYou) // it is the conversation that asks
}
