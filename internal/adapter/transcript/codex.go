package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// codex reads what Codex writes about its threads, a line for each item or event: rollouts, the log of its terminal
// interface, and what "codex exec --json" prints. Words of people and of the model come as item and as event, and a
// thread's rollout and its log name calls alike.
type codex struct {
	track
	session, dir, model string
	said                map[string]int    // by channel, kind and text
	items               map[string]string // by the id of a running item of exec, its key
	searched            map[string]int    // by channel and query
	saidSoFar           string            // hash of what was said so far, see execKey
	lastError           string
	named               bool // by its first session_meta
	agents              *Agents
	own                 thread             // where the rows of this one stand
	helpers             map[string]*helper // the row of this thread, if it has one
	timeless            bool               // the line does not say when
}

func newCodex(o Options) *codex {
	return &codex{
		track: newTrack(o, agent.SourceCodex), session: orElse(o.Session, "unknown"), said: map[string]int{}, searched: map[string]int{}, agents: o.Agents, helpers: map[string]*helper{}, items: map[string]string{},
	}
}

// codexLine is a line of any of the forms.
type codexLine struct {
	Timestamp string          `json:"timestamp"`
	Logged    string          `json:"ts"`
	Type      string          `json:"type"`
	Kind      string          `json:"kind"` // of the terminal's log
	Payload   json.RawMessage `json:"payload"`
	Msg       json.RawMessage `json:"msg"`
	Item      json.RawMessage `json:"item"`
	ThreadID  string          `json:"thread_id"`
	Dir       string          `json:"cwd"`
	Model     string          `json:"model"`
	Message   string          `json:"message"`
	Error     json.RawMessage `json:"error"`
}

// codexPayload is what entries need of an item or event of any type.
type codexPayload struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	SessionID string          `json:"session_id"`
	Dir       string          `json:"cwd"`
	Model     string          `json:"model"`
	Role      string          `json:"role"`
	Status    string          `json:"status"`
	Content   json.RawMessage `json:"content"`
	Name      string          `json:"name"`
	CallID    string          `json:"call_id"`
	Arguments json.RawMessage `json:"arguments"`
	Input     json.RawMessage `json:"input"`
	Action    json.RawMessage `json:"action"`
	Output    json.RawMessage `json:"output"`
	Message   string          `json:"message"`
	Reason    string          `json:"reason"`
	Last      string          `json:"last_agent_message"`
	codexOrigin
	codexResult
}

// Line takes the next line.
func (c *codex) Line(raw []byte) ([]Row, error) {
	c.line++
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	err := objects(raw, func(o json.RawMessage) {
		var l codexLine
		_ = json.Unmarshal(o, &l) // what can be read of it
		at, replaced := c.at(orElse(l.Timestamp, l.Logged))
		c.timeless = replaced || orElse(l.Timestamp, l.Logged) == ""
		switch {
		case l.Kind != "":
			c.logged(l, at, replaced)
		case len(l.Msg) > 0:
			c.event(payloadOf(l.Msg), at, replaced)
		case len(l.Payload) > 0:
			c.take(l.Type, payloadOf(l.Payload), at, replaced)
		default:
			c.executed(l, at, replaced)
		}
	})
	return c.ready(), err
}

func payloadOf(raw json.RawMessage) (p codexPayload) {
	_ = json.Unmarshal(raw, &p) // what can be read of it
	return p
}

func (c *codex) take(kind string, p codexPayload, at time.Time, replaced bool) {
	switch kind {
	case "session_meta":
		if c.named { // a fork copies the history that it has come from, with the heads of those threads
			c.skip("session_meta of another thread")
			return
		}
		c.session, c.dir, c.named = orElse(p.ID, c.session), p.Dir, p.ID != ""
		c.spawned(p.codexOrigin, at, replaced)
	case "turn_context":
		c.dir, c.model = orElse(p.Dir, c.dir), p.Model
	case "compacted":
		c.put(worklog.Draft{Title: "Conversation compacted", Details: p.Message, Key: c.moment("compacted", p.Message, at)}, at, replaced)
	case "response_item":
		c.heard(p.Type, at)
		c.item(p, at, replaced)
	case "event_msg":
		c.heard(p.Type, at)
		c.event(p, at, replaced)
	default:
		c.skip(kind)
	}
}

func (c *codex) put(d worklog.Draft, at time.Time, replaced bool) *step {
	c.common(&d)
	return c.add(d, at, replaced)
}

// moment names something that only its time tells from others of its kind. Without one, what was said before it does.
func (c *codex) moment(kind, about string, at time.Time) string {
	if !c.timeless {
		return agent.Key(c.session, kind, at.Format(time.RFC3339Nano))
	}
	before := c.saidSoFar + agent.TextHash(about)
	return agent.Key(c.session, kind, before, fmt.Sprint(c.nth(c.session, "", kind, before)))
}

func (c *codex) common(d *worklog.Draft) {
	d.Conversation = agent.Conversation(orElse(c.own.conversation, c.session))
	if c.own.row != "" {
		d.ConversationTitle = "" // its parent's words name the conversation
	}
	if d.Parent == "" && d.Key != c.own.row {
		d.Parent = c.own.row
	}
	agent.Note(d, "cwd", c.dir)
}

func (c *codex) item(p codexPayload, at time.Time, replaced bool) {
	switch p.Type {
	case "message":
		text := agent.Output(p.Content)
		switch {
		case p.Role == "assistant":
			c.words(agent.KindReply, "item", text, at, replaced)
		case p.Role == "user" && !injected(text) && !strings.HasPrefix(strings.TrimSpace(text), "<"): // an event has words of a user that begin so
			c.words(agent.KindPrompt, "item", text, at, replaced)
		default:
			c.skip("message of " + p.Role)
		}
	case "function_call", "custom_tool_call", "local_shell_call":
		input := p.Arguments
		for _, other := range []json.RawMessage{p.Input, p.Action} {
			if len(input) == 0 {
				input = other
			}
		}
		d := agent.Call{Session: c.session, ID: p.callID(), Tool: orElse(p.Name, strings.TrimSuffix(p.Type, "_call")), Input: unwrapped(input), Dir: c.dir}.Draft()
		d.Key = c.called(c.session, c.use(p, "item", at))
		c.common(&d)
		c.begin(d, at, replaced)
	case "function_call_output", "custom_tool_call_output", "local_shell_call_output":
		d := worklog.Draft{Key: c.answered(c.session, c.use(p, "item", at)), Type: worklog.TypeToolCall, Status: worklog.StatusSuccess}
		d.Details = agent.Output(unwrapped(p.Output))
		if agent.Failed(p.Output) {
			d.Status = worklog.StatusError
		}
		c.common(&d)
		c.end(d, at, replaced)
	case "web_search_call":
		c.search(p, at, replaced)
	default:
		c.skip(p.Type)
	}
}

// injected reports whether Codex has written a text in its user's place: instructions from files, the state of the machine.
func injected(text string) bool {
	text = strings.TrimSpace(text)
	for _, head := range []string{"# AGENTS.md instructions for ", "<environment_context>", "<user_instructions>"} {
		if strings.HasPrefix(text, head) {
			return true
		}
	}
	return strings.HasPrefix(text, "# AGENTS.md instructions") && strings.Contains(text, "\n<INSTRUCTIONS>")
}

// search is a search of the web, which is told as a whole. An event may have told of it already.
func (c *codex) search(p codexPayload, at time.Time, replaced bool) {
	var action struct{ Query string }
	_ = json.Unmarshal(p.Action, &action) // another action has none
	c.searched["item"+action.Query]++
	if p.callID() == "" && action.Query != "" && c.searched["item"+action.Query] <= c.searched["event"+action.Query] {
		c.skip("search that is there twice")
		return
	}
	d := agent.Call{Session: c.session, ID: p.callID(), Tool: "web_search", Input: p.Action}.Draft()
	d.Key = c.called(c.session, c.use(p, "item", at))
	c.common(&d)
	switch p.Status {
	case "in_progress", "searching":
		c.begin(d, at, replaced)
		return
	case "failed":
		d.Status = worklog.StatusError
	default:
		d.Status = worklog.StatusSuccess
	}
	c.end(d, at, replaced)
}

func (p codexPayload) callID() string { return orElse(p.CallID, p.ID) }

// use is the call that a payload tells of. Nothing but its time and what it says tells it from another one.
func (c *codex) use(p codexPayload, channel string, at time.Time) use {
	u := use{id: p.callID(), channel: channel, mark: fmt.Sprint(channel, " line ", c.line)}
	if !c.timeless && u.id != "" {
		u.mark = fmt.Sprint(channel, at.UnixNano(), string(p.Arguments), string(p.Input), string(p.Action), string(p.Output), string(p.Command), p.Aggregated)
	}
	return u
}

// unwrapped is the JSON object that a text holds, or the text as it is.
func unwrapped(raw json.RawMessage) json.RawMessage {
	var text string
	if json.Unmarshal(raw, &text) == nil && strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return raw
}

// words adds a prompt or reply when this is the first of its channels to say it: the nth time that one of them has a
// text is the same as the nth time of the other.
func (c *codex) words(kind, channel, text string, at time.Time, replaced bool) {
	if strings.TrimSpace(text) == "" {
		c.skip("empty message")
		return
	}
	key := agent.TextKey(c.session, "", kind, text, 1)
	c.saidSoFar = agent.TextHash(c.saidSoFar + text)
	c.said[channel+key]++
	n := c.said[channel+key]
	if n <= c.seen[key] {
		c.skip("message that is there twice")
		return
	}
	c.seen[key] = n
	d := agent.Prompt(c.session, "", text, n)
	if kind == agent.KindReply {
		d = agent.Reply(c.session, "", text, n)
		agent.Note(&d, "model", c.model)
	}
	c.put(d, at, replaced)
}
