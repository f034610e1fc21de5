// Package hook turns what coding agents post from their hooks into drafts: the JSON of Claude Code, of Codex, which has
// the same, and of Gemini CLI, which has other names for it.
//
// An event is never refused. Each field is read on its own, an event that is not known becomes an entry that shows it,
// and only what is no JSON object at all says nothing.
package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// newestUses is how many calls of one id an event may be about.
	newestUses = 16
	// shownJSON is how much of an event that is not known is shown.
	shownJSON = 8 << 10
)

// Event is one event of an agent.
type Event struct {
	Name string // as Claude Code calls it
	// Drafts are what it says. None: it says nothing that is not said by another event.
	Drafts []worklog.Draft
	// Ends is what can not be running any more after it, nil for nothing.
	Ends *Ends
	// Ask is what it asks of the user, nil for nothing. Its drafts are for when no running step is what asks.
	Ask *Ask
	// AskedAt is set when the step that it is about asks for a permission.
	AskedAt time.Time
	// Turn is whose move it is now.
	Turn Turn

	fields   fields
	sender   string // the source that its sender names; empty: it does not
	now      time.Time
	replaced bool // the time that the event names can not be true: now is when it was received
	words    *words
	counted  bool // the id of its call may have been that of another one before, see [Event.Number]
}

// fields are an event's fields as they came.
type fields map[string]json.RawMessage

// Sender returns the name of the agent that a sender names, or nothing if it is none of the known ones.
func Sender(name string) string {
	if senders()[name] == "" {
		return ""
	}
	return name
}

// senders are the sources of events by what "worklog connect" calls the agents.
func senders() map[string]string {
	return map[string]string{"claude-code": agent.SourceClaudeCode, "codex": agent.SourceCodex, "gemini": agent.SourceGemini}
}

// Decode reads an event; false when raw is no JSON object. Sender is the agent that has sent it, empty if nobody says.
// Now is when it was received.
func Decode(raw []byte, sender string, now time.Time) (*Event, bool) {
	e := &Event{sender: senders()[sender], now: now}
	if err := json.Unmarshal(raw, &e.fields); err != nil || e.fields == nil {
		return nil, false
	}
	e.Name = commonName(e.text("hook_event_name"))
	if said := e.text("timestamp"); said != "" {
		at, err := time.Parse(time.RFC3339Nano, said)
		if e.replaced = err != nil || !agent.Believable(at, now); !e.replaced {
			e.now = at
		}
	}
	e.read()
	e.Turn = e.turn()
	if e.session() == "" { // nothing tells whose steps they are
		e.Ends, e.Ask, e.Turn = nil, nil, TurnSame
	}
	for i := range e.Drafts {
		e.finish(&e.Drafts[i])
	}
	return e, true
}

// commonName is what Claude Code calls an event of Gemini CLI.
func commonName(name string) string {
	switch name {
	case "BeforeTool":
		return "PreToolUse"
	case "AfterTool":
		return "PostToolUse"
	case "BeforeAgent":
		return "UserPromptSubmit"
	case "AfterAgent":
		return "Stop"
	case "PreCompress":
		return "PreCompact"
	}
	return name
}

// text is a field that should be a text; of anything else it is the JSON.
func (e *Event) text(name string) string {
	raw := bytes.TrimSpace(e.fields[name])
	var s string
	if len(raw) == 0 || string(raw) == "null" || (raw[0] == '"' && json.Unmarshal(raw, &s) == nil) {
		return s
	}
	return string(raw)
}

func (e *Event) is(name string) bool { return e.text(name) == "true" }

func (e *Event) first(names ...string) string {
	for _, name := range names {
		if s := e.text(name); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

func (e *Event) session() string { return e.text("session_id") }

// promptID tells apart the turns of a session. Agents that number nothing at least say when.
func (e *Event) promptID() string { return e.first("prompt_id", "turn_id", "timestamp") }

// source finds out who sent it: all of them use the same words, mostly.
func (e *Event) source() string {
	switch path := e.text("transcript_path"); {
	case e.sender != "":
		return e.sender
	case e.text("turn_id") != "" || strings.Contains(path, "/.codex/"):
		return agent.SourceCodex
	case strings.Contains(path, "/.gemini/") || commonName(e.text("hook_event_name")) != e.text("hook_event_name"):
		return agent.SourceGemini
	}
	return agent.SourceClaudeCode
}

// finish adds what every event says, and makes the draft valid whatever it says.
func (e *Event) finish(d *worklog.Draft) {
	d.Conversation = ""
	if e.session() != "" {
		d.Conversation = agent.Conversation(e.session())
	}
	d.Source = e.source()
	if parent := e.parent(); d.Parent == "" && d.Key != parent {
		d.Parent = parent
	}
	for _, name := range []string{"cwd", "permission_mode", "agent_id", "agent_type", "model"} {
		agent.Note(d, name, e.text(name))
	}
	agent.Note(d, "prompt_id", e.first("prompt_id", "turn_id"))
	if e.text("timestamp") != "" && d.LoggedAt == nil {
		at := e.now
		d.LoggedAt = &at
	}
	if e.replaced {
		agent.Note(d, "time_replaced", true)
	}
	agent.Fit(d, e.now)
}

// read makes the drafts of an event.
func (e *Event) read() {
	switch e.Name {
	case "PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionDenied":
		e.step()
	case "UserPromptSubmit":
		e.say(agent.KindPrompt, e.text("prompt"))
	case "Stop":
		e.stop()
	case "SubagentStart", "SubagentStop":
		e.subagent()
	case "SessionEnd":
		e.info("Session ended", e.text("reason"), "end")
		e.Ends = &Ends{session: e.session(), all: true, before: e.now}
	case "PostToolBatch", "BeforeModel", "AfterModel", "BeforeToolSelection": // each call in them has events of its own
	default:
		e.note()
	}
}

// note makes an entry of an event that is no step: the ones that are known have words of their own.
func (e *Event) note() {
	switch e.Name {
	case "SessionStart":
		e.info("Session started", e.text("source"), "")
	case "StopFailure":
		d := worklog.Draft{Type: worklog.TypeError, Status: worklog.StatusError, Title: "API error: " + e.text("error"), Details: e.first("error_details", "last_assistant_message")}
		if id := e.promptID(); id != "" {
			d.Key = agent.Key(e.session(), "failure", id, e.text("agent_id"), agent.TextHash(d.Title+d.Details))
		}
		e.Drafts = append(e.Drafts, d)
		e.Ends = e.ends(e.text("agent_id"))
	case "PermissionRequest":
		e.permission()
	case "PreCompact", "PostCompact":
		e.info(map[string]string{"PreCompact": "Compacting the conversation", "PostCompact": "Conversation compacted"}[e.Name], e.text("trigger"), "")
	case "TaskCreated", "TaskCompleted":
		e.info(map[string]string{"TaskCreated": "Task created", "TaskCompleted": "Task completed"}[e.Name], e.first("task_subject", "subject", "task_id"), "")
	case "Notification":
		e.notification()
	default:
		d := worklog.Draft{Title: orElse(e.Name, "Event without a name")}
		if s := e.first("message", "title", "reason"); s != "" {
			d.Title += ": " + agent.FirstLine(s, 200)
		}
		d.Details = e.fields.shown()
		e.Drafts = append(e.Drafts, d)
	}
}

// info adds an entry about the session. One with a name happens once in a session and prompt.
func (e *Event) info(title, more, name string) {
	d := worklog.Draft{Title: title}
	if more != "" {
		d.Title += " (" + agent.FirstLine(more, 200) + ")"
	}
	if id := e.promptID(); name != "" && id != "" {
		d.Key = agent.Key(e.session(), name, id)
	}
	e.Drafts = append(e.Drafts, d)
}

// step is a call of a tool: it begins, or ends in one of several ways, always under the same key.
func (e *Event) step() {
	id := e.first("tool_use_id", "call_id")
	d := e.call(id).Draft()
	e.counted = id != "" && agent.Counted(id)
	if id == "" { // nothing tells which beginning belongs to which end: the step is shown when it has ended
		if e.Name == "PreToolUse" {
			return
		}
		d.Key = ""
	}
	response := e.fields["tool_response"]
	switch e.Name {
	case "PreToolUse":
		at := e.now
		d.StartedAt = &at
		e.Drafts = append(e.Drafts, d)
		return
	case "PostToolUse":
		d.Status, d.Details = worklog.StatusSuccess, agent.Output(response)
		if e.failed(response) {
			d.Status = worklog.StatusError
		}
	case "PostToolUseFailure":
		d.Status, d.Details = worklog.StatusError, agent.Output(e.fields["error"])
		d.Details = strings.TrimSuffix(strings.TrimPrefix(d.Details, "<tool_use_error>"), "</tool_use_error>")
		if e.is("is_interrupt") {
			d.Status = worklog.StatusWarning
			agent.Note(&d, "interrupted", true)
		}
	case "PermissionDenied":
		d.Status, d.Details = worklog.StatusWarning, orElse(e.text("reason"), "Permission denied")
		agent.Note(&d, "denied", true)
	}
	e.end(&d, response)
	e.Drafts = append(e.Drafts, d)
}

// failed reads from its answer whether a call failed, for agents that have no event for that.
func (e *Event) failed(response json.RawMessage) bool {
	switch e.source() {
	case agent.SourceCodex:
		return agent.Exited(response)
	case agent.SourceGemini: // its answer is an object with a field for errors
		return agent.Failed(response)
	}
	return false
}

func (e *Event) call(id string) agent.Call {
	return agent.Call{Session: e.session(), Agent: e.text("agent_id"), ID: id, Tool: e.text("tool_name"), Input: e.fields["tool_input"], Dir: e.text("cwd")}
}

// Number finds out which of the calls an event is about whose agent gives all of them the same id. It comes before the
// drafts are stored; find returns entries by their keys.
func (e *Event) Number(find func(keys []string) (map[string]worklog.Entry, error)) error {
	if !e.counted || len(e.Drafts) == 0 {
		return nil
	}
	d := &e.Drafts[0]
	u, err := agent.LoadUses(d.Key, newestUses, find)
	switch {
	case err != nil:
		return err
	case e.Name == "PreToolUse":
		u.Begun(d, e.now)
	default:
		u.Ended(d, e.now)
	}
	return nil
}

// end says when a step ended and, when the agent knows how long it took, when it began.
func (e *Event) end(d *worklog.Draft, response json.RawMessage) {
	at := e.now
	d.EndedAt = &at
	var ms float64
	if json.Unmarshal(e.fields["duration_ms"], &ms) == nil && ms >= 0 && ms < float64(365*24*time.Hour/time.Millisecond) {
		begin := at.Add(-time.Duration(ms * float64(time.Millisecond)))
		d.StartedAt = &begin
	}
	var started struct {
		AgentID string `json:"agentId"`
	}
	if json.Unmarshal(response, &started) == nil {
		agent.Note(d, "started_agent", started.AgentID)
	}
}

// Named gives the drafts that nothing names the name of their delivery, so that whoever delivers twice stores once.
func (e *Event) Named(delivery string) {
	if e.words != nil && e.Name == "Stop" {
		e.words.delivery = delivery
		agent.Note(&e.Drafts[0], deliveryNote, delivery)
	}
	for i := range e.Drafts {
		if d := &e.Drafts[i]; d.Key == "" {
			d.Key = agent.Key(orElse(e.session(), "unknown"), "event", delivery, strconv.Itoa(i))
		}
	}
}

// Received says when the event came, for one that is stored later: entries without a time of their own get this one.
func (e *Event) Received() {
	for i := range e.Drafts {
		if d := &e.Drafts[i]; d.LoggedAt == nil {
			at := e.now
			d.LoggedAt = &at
		}
	}
}

func (e *Event) stop() {
	text := e.first("last_assistant_message", "prompt_response")
	if text != "" {
		e.say(agent.KindReply, text)
	} else {
		e.info("Finished its turn", "", "")
	}
	e.Ends = e.ends(e.text("agent_id"))
}

func (e *Event) subagent() {
	id := e.text("agent_id")
	d := worklog.Draft{Title: strings.TrimSpace("Subagent " + e.text("agent_type")), Status: worklog.StatusWorking}
	if id != "" {
		d.Key = agent.AgentKey(e.session(), id)
	}
	at := e.now
	if e.Name == "SubagentStart" {
		d.StartedAt = &at
	} else {
		d.Status, d.EndedAt, d.Details = worklog.StatusSuccess, &at, e.text("last_assistant_message")
		if id != "" {
			e.Ends = e.ends(id)
		}
	}
	e.Drafts = append(e.Drafts, d)
}

func orElse(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}

// shown is an event as somebody can read it: what is long in it is left out, visibly.
func (f fields) shown() string {
	short := make(fields, len(f))
	for name, raw := range f {
		if short[name] = raw; len(raw) > shownJSON {
			short[name] = json.RawMessage(fmt.Sprintf(`"[%d bytes left out]"`, len(raw)))
		}
	}
	raw, _ := json.MarshalIndent(short, "", "  ") // it came as JSON
	if len(raw) <= shownJSON {
		return string(raw)
	}
	return worklog.Cut(string(raw), shownJSON) + "… [cut here]"
}
