package hook

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// Turn is whose move it is in a session after an event.
type Turn string

// The turns.
const (
	TurnSame   Turn = ""        // the event does not say
	TurnAgent  Turn = "agent"   // the agent works
	TurnGoesOn Turn = "goes on" // the agent, or sub-agent, does not wait any more, if it did
	TurnUser   Turn = "user"    // the agent waits for the next prompt
	TurnFailed Turn = "failed"  // the agent gave up
	TurnOver   Turn = "over"    // nobody waits
)

// Ask is a question of the agent: it does not go on before somebody has answered.
type Ask struct {
	// Told: its entry is stored even if one of the running steps turns out to be what asks.
	Told bool

	session, parent string
	tool            string // cut as those of entries are
	input           any
}

// Conversation is the key of the conversation that the question belongs to.
func (x *Ask) Conversation() string { return agent.Conversation(x.session) }

// Draft finds the running step that asks, and returns the draft to mark it with. The agents do not say which one it is:
// it is the newest with the same input, else the newest of the same tool. Running are the oldest first.
func (x *Ask) Draft(running []worklog.Entry) (worklog.Draft, bool) {
	found := -1
	for i := range running {
		e := &running[i]
		if e.Tool != x.tool || e.Parent != x.parent || !strings.HasPrefix(e.Key, x.session+"/") {
			continue
		}
		if found < 0 || x.matches(e) || !x.matches(&running[found]) {
			found = i
		}
	}
	if found < 0 {
		return worklog.Draft{}, false
	}
	e := &running[found]
	return worklog.Draft{Conversation: x.Conversation(), Key: e.Key, Title: e.Title, Type: e.Type, Status: worklog.StatusWorking}, true
}

func (x *Ask) matches(e *worklog.Entry) bool {
	if x.input == nil {
		return false
	}
	return reflect.DeepEqual(plain(x.input), plain(e.Metadata["input"]))
}

// plain is v as JSON has it, whatever Go types hold its numbers.
func plain(v any) (out any) {
	raw, err := json.Marshal(v)
	if err != nil || json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

// permission is PermissionRequest. With the call's id, it is a word of that step.
func (e *Event) permission() {
	c := e.call(e.first("tool_use_id", "call_id"))
	d := c.Draft()
	if c.ID != "" {
		e.AskedAt, e.counted = e.now, agent.Counted(c.ID)
		e.Drafts = append(e.Drafts, d)
		return
	}
	e.Ask = &Ask{session: e.session(), parent: e.parent(), tool: agent.FirstLine(d.Tool, worklog.MaxToolChars), input: d.Metadata["input"]}
	d.Key, d.Type, d.Status, d.Title = "", worklog.TypeInfo, worklog.StatusWarning, "Asks for permission: "+d.Title
	e.Drafts = append(e.Drafts, d)
}

// notification is a word to the user. Two kinds of it say that the agent waits.
func (e *Event) notification() {
	text := e.first("message", "title")
	e.Drafts = append(e.Drafts, worklog.Draft{Title: orElse(text, "Notification"), Details: e.text("message")})
	kind := e.text("notification_type")
	tool, asks := permissionFor(text)
	switch {
	case kind == "permission_prompt" || kind == "ToolPermission" || kind == "" && asks:
		e.Ask = &Ask{Told: true, session: e.session(), parent: e.parent(), tool: tool}
	case kind == "idle_prompt" || kind == "" && strings.HasSuffix(text, "is waiting for your input"):
		e.Turn = TurnUser
	}
}

// permissionFor reads "Claude needs your permission to use Bash".
func permissionFor(text string) (tool string, asks bool) {
	_, rest, asks := strings.Cut(text, "permission to use ")
	name, _, _ := strings.Cut(rest, "\n")
	return agent.FirstLine(strings.TrimRight(name, ".! \r"), worklog.MaxToolChars), asks
}

// parent is the entry of the sub-agent that the event comes from; empty for the session's own.
func (e *Event) parent() string {
	if id := e.text("agent_id"); id != "" {
		return agent.AgentKey(e.session(), id)
	}
	return ""
}

// turn finds out whose move it is. What sub-agents do says nothing about it but that they wait for nobody.
func (e *Event) turn() Turn {
	if e.Turn != TurnSame {
		return e.Turn
	}
	if e.parent() != "" && e.Name != "SessionEnd" {
		return e.subagentTurn()
	}
	switch e.Name {
	case "UserPromptSubmit", "PreToolUse":
		return TurnAgent
	case "PostToolUse", "PostToolUseFailure", "PermissionDenied":
		return TurnGoesOn
	case "Stop":
		return TurnUser
	case "StopFailure":
		return TurnFailed
	case "SessionEnd":
		return TurnOver
	}
	return TurnSame
}

func (e *Event) subagentTurn() Turn {
	switch e.Name {
	case "PostToolUse", "PostToolUseFailure", "PermissionDenied", "SubagentStop", "StopFailure":
		return TurnGoesOn
	}
	return TurnSame
}

// SubAgent is the key of the sub-agent's entry that the event comes from; empty for the session's own agent.
func (e *Event) SubAgent() string { return e.parent() }

// At is when the event happened, as far as anybody knows.
func (e *Event) At() time.Time { return e.now }

// Prompt reports whether the event is a word of the user: it answers what was asked before.
func (e *Event) Prompt() bool {
	return e.Name == "UserPromptSubmit" && e.parent() == "" && e.session() != ""
}

// Answer returns how a prompt answers what step e asks.
func (e *Event) Answer(step worklog.Entry) worklog.Draft {
	return worklog.Draft{Conversation: e.Conversation(), Key: step.Key, Title: step.Title, Type: step.Type, Status: worklog.StatusWorking}
}

// Conversation is the key of the event's conversation.
func (e *Event) Conversation() string { return agent.Conversation(e.session()) }
