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

// maxSidechain bounds the lines of sub-agents inside a main file whose beginnings are remembered.
const maxSidechain = 200_000

// claude reads transcripts of Claude Code: one line is one event of a session or of one of its sub-agents.
type claude struct {
	track
	session string // of the last line that named one
	agents  *Agents
	title   string             // as the file says, before the first entry
	queued  map[string]queued  // by session, prompts that wait for the agent
	roots   map[string]string  // by uuid of a sub-agent's line, the uuid of its first
	helpers map[string]*helper // by key, the sub-agents of this file
}

// queued are the prompts that a person has typed while the agent worked.
type queued struct {
	waiting []string
	taken   map[string]int // by hash: handed to the agent in the middle of its turn, may be written again as a line of their own
}

func newClaude(o Options) *claude {
	return &claude{
		track: newTrack(o, agent.SourceClaudeCode), session: orElse(o.Session, "unknown"), agents: o.Agents,
		queued: map[string]queued{}, roots: map[string]string{}, helpers: map[string]*helper{},
	}
}

// claudeLine is what entries need of a line. What may hold anything stays raw.
type claudeLine struct {
	Type           string          `json:"type"`
	Subtype        string          `json:"subtype"`
	UUID           string          `json:"uuid"`
	ParentUUID     string          `json:"parentUuid"`
	SessionID      string          `json:"sessionId"`
	Timestamp      string          `json:"timestamp"`
	Dir            string          `json:"cwd"`
	Version        string          `json:"version"`
	Branch         string          `json:"gitBranch"`
	PromptID       string          `json:"promptId"`
	AgentID        string          `json:"agentId"`
	Sidechain      bool            `json:"isSidechain"`
	Meta           bool            `json:"isMeta"`
	APIError       bool            `json:"isApiErrorMessage"`
	CompactSummary bool            `json:"isCompactSummary"`
	Message        json.RawMessage `json:"message"`
	ToolUseResult  json.RawMessage `json:"toolUseResult"`
	Content        json.RawMessage `json:"content"`
	Compact        json.RawMessage `json:"compactMetadata"`
	Error          json.RawMessage `json:"error"`
	Attachment     json.RawMessage `json:"attachment"`
	RetryAttempt   int             `json:"retryAttempt"`
	Operation      string          `json:"operation"`
	Summary        string          `json:"summary"`
	CustomTitle    string          `json:"customTitle"`
	AITitle        string          `json:"aiTitle"`
	PRNumber       int             `json:"prNumber"`
	PRURL          string          `json:"prUrl"`

	at       time.Time
	replaced bool
	session  string
	agent    string // the id of the sub-agent it belongs to
	parent   string // the key of that
}

type claudeMessage struct {
	Model      string          `json:"model"`
	StopReason string          `json:"stop_reason"`
	Content    json.RawMessage `json:"content"`
}

type claudeBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"`
	IsError   bool            `json:"is_error"`
}

// Line takes the next line.
func (c *claude) Line(raw []byte) ([]Row, error) {
	c.line++
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	var unread error
	err := objects(raw, func(o json.RawMessage) {
		var l claudeLine
		// A field of an unexpected type does not stop the others from being read.
		if err := json.Unmarshal(o, &l); err != nil && l.Type == "" {
			unread = worklog.Errorf(worklog.CodeMalformed, "is not a line of a transcript")
			return
		}
		c.take(&l)
	})
	if unread != nil {
		err = unread
	}
	return c.ready(), err
}

func (c *claude) take(l *claudeLine) {
	if l.SessionID != "" {
		c.session = l.SessionID
	}
	l.session = c.session
	l.at, l.replaced = c.at(l.Timestamp)
	c.helper(l)
	switch l.Type {
	case "assistant":
		c.assistant(l)
	case "user":
		c.user(l)
	case "system":
		c.system(l)
	case "queue-operation":
		c.queueOperation(l)
	case "attachment":
		c.attachment(l)
	case "summary", "custom-title", "ai-title":
		if c.title == "" {
			c.title = agent.FirstLine(orElse(l.CustomTitle, orElse(l.AITitle, l.Summary)), worklog.MaxTitleChars)
		}
		c.skip(l.Type)
	case "pr-link":
		d := worklog.Draft{Title: fmt.Sprintf("Pull request #%d", l.PRNumber), Details: l.PRURL, Key: agent.Key(l.session, "pr", fmt.Sprint(l.PRNumber))}
		c.put(l, d)
	default:
		c.skip(l.Type)
	}
}

// put adds a draft of a line with what all lines say.
func (c *claude) put(l *claudeLine, d worklog.Draft) *step {
	c.common(l, &d)
	return c.add(d, l.at, l.replaced)
}

func (c *claude) common(l *claudeLine, d *worklog.Draft) {
	d.Conversation = agent.Conversation(l.session)
	if c.title != "" {
		d.ConversationTitle = c.title
	}
	if d.Parent == "" && d.Key != l.parent {
		d.Parent = l.parent
	}
	agent.Note(d, "cwd", l.Dir)
	agent.Note(d, "branch", l.Branch)
	agent.Note(d, "version", l.Version)
	agent.Note(d, "prompt_id", l.PromptID)
}

// helper makes sure that the sub-agent of a line has an entry, which begins with its first line and ends with its last.
func (c *claude) helper(l *claudeLine) {
	if !l.Sidechain || (l.Type != "user" && l.Type != "assistant") {
		return
	}
	id := l.AgentID
	if id == "" { // older versions write sub-agents between the lines of the main file
		if id = c.roots[l.ParentUUID]; id == "" {
			id = l.UUID
		}
		if len(c.roots) < maxSidechain {
			c.roots[l.UUID] = id
		}
	}
	l.agent, l.parent = id, agent.AgentKey(l.session, id)
	h := c.helpers[l.parent]
	if h == nil {
		h = &helper{step: c.put(l, worklog.Draft{Title: "Subagent", Key: l.parent, Parent: c.agents.callers[l.parent], Status: worklog.StatusWorking, StartedAt: &l.at})}
		h.step.waiting = true
		c.helpers[l.parent] = h
	}
	h.last, h.done = l.at, l.Type == "assistant" && c.lastWord(l)
}

// lastWord reports whether a message is one after which an agent has nothing more to do.
func (c *claude) lastWord(l *claudeLine) bool {
	m, list := c.blocks(l)
	for _, b := range list {
		if b.Type != "text" && b.Type != "thinking" {
			return false
		}
	}
	return len(list) > 0 && list[len(list)-1].Type == "text" && m.StopReason != "tool_use"
}

func (c *claude) blocks(l *claudeLine) (claudeMessage, []claudeBlock) {
	var m claudeMessage
	_ = json.Unmarshal(l.Message, &m) // what can be read of it
	var text string
	if json.Unmarshal(m.Content, &text) == nil {
		return m, []claudeBlock{{Type: "text", Text: text}}
	}
	var raws []json.RawMessage
	_ = json.Unmarshal(m.Content, &raws)
	list := make([]claudeBlock, len(raws))
	for i, raw := range raws {
		_ = json.Unmarshal(raw, &list[i])
	}
	return m, list
}

func (c *claude) assistant(l *claudeLine) {
	m, list := c.blocks(l)
	for i, b := range list {
		switch b.Type {
		case "text":
			c.reply(l, m.Model, b.Text)
		case "tool_use", "server_tool_use", "mcp_tool_use":
			d := agent.Call{Session: l.session, ID: b.ID, Tool: b.Name, Input: b.Input, Dir: l.Dir}.Draft()
			d.Key = c.called(l.session, c.use(l, b.ID, i))
			c.common(l, &d)
			c.begin(d, l.at, l.replaced)
		default:
			c.skip(b.Type)
		}
	}
	if len(list) == 0 {
		c.skip("empty message")
	}
}

func (c *claude) reply(l *claudeLine, model, text string) {
	if strings.TrimSpace(text) == "" || text == "(no content)" {
		c.skip("empty message")
		return
	}
	if l.APIError {
		c.put(l, worklog.Draft{Type: worklog.TypeError, Status: worklog.StatusError, Title: text, Details: text, Key: agent.Key(l.session, l.UUID)})
		return
	}
	d := agent.Reply(l.session, l.agent, text, c.nth(l.session, l.agent, agent.KindReply, text))
	agent.Note(&d, "model", model)
	c.put(l, d)
}

// use is the call of the ith block of a line.
func (c *claude) use(l *claudeLine, id string, i int) use {
	return use{id: id, agent: l.agent, mark: fmt.Sprint(orElse(l.UUID, fmt.Sprint("line ", c.line)), " ", i)}
}

// result completes the call of the ith block of a line.
func (c *claude) result(l *claudeLine, b claudeBlock, i int, alone bool) {
	d := worklog.Draft{Conversation: agent.Conversation(l.session), Key: c.answered(l.session, c.use(l, b.ToolUseID, i)), Type: worklog.TypeToolCall, Status: worklog.StatusSuccess}
	d.Details = agent.Output(b.Content)
	if b.IsError {
		d.Status = worklog.StatusError
		d.Details = strings.TrimSuffix(strings.TrimPrefix(d.Details, "<tool_use_error>"), "</tool_use_error>")
	} else if alone && len(l.ToolUseResult) > 0 && l.ToolUseResult[0] == '{' { // as a hook has it: both doors show the same
		d.Details = agent.Output(l.ToolUseResult)
	}
	var started struct {
		AgentID string `json:"agentId"`
		Status  string `json:"status"`
	}
	if json.Unmarshal(l.ToolUseResult, &started) == nil && started.AgentID != "" {
		c.agents.started(agent.AgentKey(l.session, started.AgentID), d.Key)
		if end, ended := endingOf(started.Status, b.IsError); ended {
			end.at, end.said = l.at, d.Details
			c.agents.finished(agent.AgentKey(l.session, started.AgentID), end)
		}
		agent.Note(&d, "started_agent", started.AgentID)
	}
	d.Parent = l.parent
	c.end(d, l.at, l.replaced)
}

// endingOf reads how a caller says that its sub-agent has ended; false while it works in the background.
func endingOf(status string, failed bool) (ending, bool) {
	end, said := ends()[status]
	switch {
	case status == "async_launched":
		return ending{}, false
	case failed:
		return ending{status: worklog.StatusError}, true
	case said:
		return ending{status: end}, true
	}
	return ending{status: worklog.StatusSuccess}, true
}

// Flush hands out everything as it stands. A sub-agent has ended when its caller has its answer.
func (c *claude) Flush(now time.Time) []Row {
	c.finishHelpers(c.helpers, c.agents, false)
	return c.track.Flush(now)
}

// Close returns what is left. A sub-agent that has said its last word has ended.
func (c *claude) Close() ([]Row, error) {
	c.finishHelpers(c.helpers, c.agents, true)
	return c.rest(), nil
}
