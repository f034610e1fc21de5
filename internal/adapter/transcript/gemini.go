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

// maxDocument bounds a chat that is written as one object.
const maxDocument = 64 << 20

// gemini reads chats of Gemini CLI: one object with all messages, or a line for each.
type gemini struct {
	track
	session  string
	document bytes.Buffer            // what is no object of its own so far
	begun    int                     // its first line
	shown    map[string]*geminiWords // by id of the message
	last     *step                   // the words of the last message: they may be written again, with others
}

// geminiWords are the words of a message.
type geminiWords struct {
	first string // the key of the first time that somebody said them
	nth   int
	step  *step
}

func newGemini(o Options) *gemini {
	return &gemini{track: newTrack(o, agent.SourceGemini), session: orElse(o.Session, "unknown"), shown: map[string]*geminiWords{}}
}

type geminiChat struct {
	SessionID string            `json:"sessionId"`
	Messages  []json.RawMessage `json:"messages"`
}

type geminiMessage struct {
	ID        string            `json:"id"`
	Timestamp string            `json:"timestamp"`
	Type      string            `json:"type"`
	Content   json.RawMessage   `json:"content"`
	Model     string            `json:"model"`
	ToolCalls []json.RawMessage `json:"toolCalls"`
}

type geminiCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Args      json.RawMessage `json:"args"`
	Status    string          `json:"status"`
	Timestamp string          `json:"timestamp"`
	Display   json.RawMessage `json:"resultDisplay"`
	Result    json.RawMessage `json:"result"`
	AgentID   string          `json:"agentId"`
}

// Line takes the next line.
func (g *gemini) Line(raw []byte) ([]Row, error) {
	g.line++
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	if g.document.Len() == 0 && json.Valid(raw) {
		g.object(raw)
		return g.ready(), nil
	}
	if g.document.Len() == 0 && bytes.TrimSpace(raw)[0] == '{' && len(bytes.TrimSpace(raw)) > 1 && g.line > 1 {
		return nil, worklog.Errorf(worklog.CodeMalformed, "is not JSON")
	}
	if g.document.Len()+len(raw) > maxDocument {
		return nil, worklog.Errorf(worklog.CodeTooLarge, "belongs to a chat of more than %d bytes", maxDocument)
	}
	if g.document.Len() == 0 {
		g.begun = g.line
	}
	g.document.Write(raw)
	return nil, nil
}

// settle takes the words of the last message for its own.
func (g *gemini) settle() {
	if g.last != nil {
		g.last.waiting, g.last = false, nil
	}
}

// Close reads what was written over several lines.
func (g *gemini) Close() ([]Row, error) {
	var err error
	if g.document.Len() > 0 {
		g.line = g.begun
		err = objects(g.document.Bytes(), func(o json.RawMessage) { g.object(o) })
		g.document.Reset()
	}
	g.settle()
	return g.rest(), err
}

// object is a chat, its head, or a message.
func (g *gemini) object(raw json.RawMessage) {
	var chat geminiChat
	_ = json.Unmarshal(raw, &chat) // what can be read of it
	if chat.SessionID != "" {
		g.session = chat.SessionID
		for _, m := range chat.Messages {
			g.message(m)
		}
		return
	}
	g.message(raw)
}

func (g *gemini) message(raw json.RawMessage) {
	var m geminiMessage
	if json.Unmarshal(raw, &m); m.Type == "" {
		g.skip("change of the chat")
		return
	}
	if g.shown[m.ID] == nil || g.shown[m.ID].step != g.last {
		g.settle()
	}
	at, replaced := g.at(m.Timestamp)
	text := agent.Output(m.Content)
	var d worklog.Draft
	switch m.Type {
	case "user":
		d = agent.Prompt(g.session, "", text, g.times(m.ID, agent.KindPrompt, text))
	case "gemini":
		d = agent.Reply(g.session, "", text, g.times(m.ID, agent.KindReply, text))
		agent.Note(&d, "model", m.Model)
	case "info", "warning", "error":
		d = worklog.Draft{Conversation: agent.Conversation(g.session), Title: agent.FirstLine(text, 200), Details: text, Key: agent.Key(g.session, m.ID), Status: worklog.Status(m.Type)}
		if m.Type == "error" {
			d.Type = worklog.TypeError
		}
	}
	switch {
	case d.Key == "":
		g.skip(m.Type)
	case strings.TrimSpace(text) == "":
		g.skip("empty message")
	default:
		g.say(m.ID, d, at, replaced)
	}
	for i, raw := range m.ToolCalls {
		var c geminiCall
		_ = json.Unmarshal(raw, &c)
		key := g.called(g.session, use{id: c.ID, mark: fmt.Sprint(orElse(m.ID, fmt.Sprint("line ", g.line, " ", m.Timestamp)), " ", i)})
		g.call(c, key, m.Timestamp)
	}
}

// times says which one of its text a message is. One that is written again is the same.
func (g *gemini) times(id, kind, text string) int {
	first := agent.TextKey(g.session, "", kind, text, 1)
	w := g.shown[id]
	switch {
	case id == "" || strings.TrimSpace(text) == "":
		return g.nth(g.session, "", kind, text)
	case w == nil:
		w = &geminiWords{}
		if len(g.shown) < maxEnded {
			g.shown[id] = w
		}
	case w.first == first:
		return w.nth
	default: // those words were not its last
		g.seen[w.first]--
	}
	w.first, w.nth = first, g.nth(g.session, "", kind, text)
	return w.nth
}

// say adds the words of a message, or corrects them when it is written again. Those that have left are corrected under
// their key.
func (g *gemini) say(id string, d worklog.Draft, at time.Time, replaced bool) {
	w := g.shown[id]
	switch {
	case w == nil || w.step == nil:
		s := g.add(d, at, replaced)
		if w != nil {
			w.step, g.last = s, s
			s.waiting = true
		}
	case w.step.out:
		d.Key = w.step.row.Draft.Key
		g.add(d, at, replaced)
	default:
		known := w.step.row.Draft
		d.Source, d.LoggedAt, d.Details = known.Source, known.LoggedAt, worklog.CutDetails(d.Details)
		g.bytes += len(d.Details) - len(known.Details)
		w.step.row.Draft = d
	}
}

// call is a use of a tool: it began when the model asked for it, and its own time is that of its end.
func (g *gemini) call(c geminiCall, key, asked string) {
	begin, replaced := g.at(asked)
	end, _ := g.at(orElse(c.Timestamp, asked))
	d := agent.Call{Session: g.session, ID: c.ID, Tool: c.Name, Input: c.Args}.Draft()
	d.Key, d.StartedAt = key, &begin
	switch c.Status {
	case "success":
		d.Status = worklog.StatusSuccess
	case "error":
		d.Status = worklog.StatusError
	case "cancelled":
		d.Status = worklog.StatusWarning
	}
	agent.Note(&d, "started_agent", c.AgentID)
	switch {
	case !d.Status.Final():
		g.begin(d, begin, replaced)
	case g.open[d.Key] != nil: // its message is written again now that it has ended
		d.Details = g.output(c)
		g.end(d, end, replaced)
	default:
		d.EndedAt, d.Details = &end, g.output(c)
		g.over(d.Key)
		g.add(d, begin, replaced)
	}
}

// output is what a tool has told the model, else what it has shown to the person.
func (g *gemini) output(c geminiCall) string {
	var parts []struct {
		FunctionResponse struct {
			Response json.RawMessage `json:"response"`
		} `json:"functionResponse"`
	}
	if json.Unmarshal(c.Result, &parts) == nil {
		for _, p := range parts {
			if s := agent.Output(p.FunctionResponse.Response); s != "" {
				return s
			}
		}
	}
	return agent.Output(c.Display)
}
