package hook

import (
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func step(key, tool, parent, command string) worklog.Entry {
	return worklog.Entry{
		Key: key, Tool: tool, Parent: parent, Title: tool + ": " + command, Type: worklog.TypeToolCall, Status: worklog.StatusWorking,
		Metadata: worklog.Metadata{"input": map[string]any{"command": command}},
	}
}

func TestAQuestionFindsTheStepThatAsks(t *testing.T) {
	t.Parallel()
	running := []worklog.Entry{
		step("s/t1", "Bash", "", "npm test"), step("s/t2", "Bash", "", "git push"), step("s/t3", "Bash", "s/agent/a1", "npm test"),
		step("x/t4", "Bash", "", "npm test"), step("s/t5", "Edit", "", "main.go"),
	}
	for _, c := range []struct{ name, rest, asks string }{
		{"PermissionRequest", `,"tool_name":"Bash","tool_input":{"command":"npm test"}`, "s/t1"},
		{"PermissionRequest", `,"tool_name":"Bash","tool_input":{"command":"something that was changed on the way"}`, "s/t2"},
		{"PermissionRequest", `,"tool_name":"Bash","tool_input":{"command":"npm test"},"agent_id":"a1"`, "s/t3"},
		{"PermissionRequest", `,"tool_name":"Write","tool_input":{}`, ""},
		{"Notification", `,"message":"Claude needs your permission to use Bash"`, "s/t2"},
		{"Notification", `,"message":"May I?","notification_type":"permission_prompt"`, ""},
		{"Notification", `,"message":"Allow it?","notification_type":"ToolPermission"`, ""},
	} {
		e := event(t, c.name, c.rest)
		if e.Ask == nil || e.Ask.Conversation() != "s" || e.Ask.Told != (c.name == "Notification") || len(e.Drafts) != 1 {
			t.Fatalf("%s %s: %+v", c.name, c.rest, e)
		}
		d, found := e.Ask.Draft(running)
		if found != (c.asks != "") || d.Key != c.asks {
			t.Errorf("%s %s: %v %q, want %q", c.name, c.rest, found, d.Key, c.asks)
		}
		if found {
			valid(t, []worklog.Draft{{Title: d.Title, Key: d.Key, Type: d.Type, Status: d.Status, Conversation: d.Conversation, Source: "x"}})
		}
	}
}

func TestAQuestionFindsAStepWhoseToolHasALongName(t *testing.T) {
	t.Parallel()
	for _, length := range []int{worklog.MaxToolChars, worklog.MaxToolChars + 1, 100} {
		tool := "mcp__" + strings.Repeat("x", length-5)
		running := []worklog.Entry{step("s/t1", "Bash", "", "x"), step("s/t2", only(t, event(t, "PreToolUse", `,"tool_use_id":"t2","tool_name":"`+tool+`"`)).Tool, "", "y")}
		for name, rest := range map[string]string{
			"PermissionRequest": `,"tool_name":"` + tool + `","tool_input":{"command":"y"}`, "Notification": `,"message":"Claude needs your permission to use ` + tool + `."`,
		} {
			if d, found := event(t, name, rest).Ask.Draft(running); !found || d.Key != "s/t2" {
				t.Errorf("%s of a tool of %d characters: %v %q", name, length, found, d.Key)
			}
		}
	}
}

func TestAQuestionWithTheIDOfItsCallIsAWordOfThatStep(t *testing.T) {
	t.Parallel()
	e := event(t, "PermissionRequest", bash)
	if d := only(t, e); e.Ask != nil || !e.AskedAt.Equal(now()) || d.Key != "s/t1" || d.Status != worklog.StatusWorking {
		t.Errorf("%+v", e)
	}
}

func TestEventsSayWhoseMoveItIs(t *testing.T) {
	t.Parallel()
	sub := `,"agent_id":"a1"`
	for _, c := range []struct {
		name, rest string
		turn       Turn
	}{
		{"UserPromptSubmit", `,"prompt":"x"`, TurnAgent},
		{"PreToolUse", bash, TurnAgent},
		{"PreToolUse", bash + sub, TurnSame},
		{"PostToolUse", bash, TurnGoesOn},
		{"AfterTool", `,"tool_name":"read_file"`, TurnGoesOn},
		{"PermissionDenied", bash, TurnGoesOn},
		{"Stop", ``, TurnUser},
		{"PostToolUse", bash + sub, TurnGoesOn},
		{"SubagentStop", sub, TurnGoesOn},
		{"StopFailure", `,"error":"rate_limit"`, TurnFailed},
		{"StopFailure", sub, TurnGoesOn},
		{"Notification", `,"message":"Claude is waiting for your input"`, TurnUser},
		{"Notification", `,"message":"Build done"`, TurnSame},
		{"SessionEnd", ``, TurnOver},
		{"SessionStart", ``, TurnSame},
		{"Tomorrow", ``, TurnSame},
	} {
		if e := event(t, c.name, c.rest); e.Turn != c.turn || !e.At().Equal(now()) || e.Prompt() != (c.name == "UserPromptSubmit") {
			t.Errorf("%s %s: turn %q, want %q", c.name, c.rest, e.Turn, c.turn)
		}
	}
	if e, _ := Decode([]byte(`{"hook_event_name":"Stop"}`), "", now()); e.Turn != TurnSame || e.Ends != nil {
		t.Errorf("an event of no session: %+v", e)
	}
}

func TestAStopEndsNothingThatBeganAfterIt(t *testing.T) {
	t.Parallel()
	early, late := step("s/t1", "Bash", "", "a"), step("s/t2", "Bash", "", "b")
	early.StartedAt, late.StartedAt = now().Add(-time.Minute), now().Add(time.Second)
	ends := event(t, "Stop", ``).Ends
	if _, ok := ends.Draft(early); !ok {
		t.Error("a step of the turn goes on")
	}
	if _, ok := ends.Draft(late); ok {
		t.Error("a step of the next turn ends")
	}
	ends.Since(&worklog.Entry{LoggedAt: now().Add(-time.Hour)})
	if _, ok := ends.Draft(early); ok {
		t.Error("a stop that came an hour ago ends a step that began a minute ago")
	}
}
