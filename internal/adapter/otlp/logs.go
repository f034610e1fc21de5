package otlp

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

// Severities of the specification.
const (
	severityWarn  = 13
	severityError = 17
)

// event is one log record on its way to a draft.
type event struct {
	facts
	batch   *Batch
	record  *wire.Record
	name    string // without the agent's prefix
	source  string
	session string
	at      time.Time // zero: not said
}

// Logs maps log records. Now is when they were received.
func Logs(records []wire.Record, now time.Time) *Batch {
	b := newBatch(now)
	for i := range records {
		e := b.event(&records[i])
		switch e.source {
		case agent.SourceClaudeCode:
			e.claude()
		case agent.SourceCodex:
			e.codex()
		case agent.SourceGemini:
			e.gemini()
		default:
			e.other()
		}
	}
	return b
}

// prefixes are what agents write before the names of their events.
func prefixes() map[string]string {
	return map[string]string{"claude_code.": agent.SourceClaudeCode, "codex.": agent.SourceCodex, "gemini_cli.": agent.SourceGemini}
}

func (b *Batch) event(r *wire.Record) *event {
	e := &event{facts: facts{r.Attrs, r.Resource}, batch: b, record: r, at: r.Time}
	e.source, e.session = e.facts.source(r.Scope), e.facts.session()
	body, _ := r.Body.(string)
	e.name = orElse(e.first("event.name"), r.EventName)
	for prefix, source := range prefixes() {
		if e.name == "" && strings.HasPrefix(body, prefix) && !strings.ContainsAny(body, " \n") {
			e.name = body
		}
		if strings.HasPrefix(e.name, prefix) || strings.HasPrefix(body, prefix) {
			e.name, e.source = strings.TrimPrefix(e.name, prefix), source
		}
	}
	if e.at.IsZero() {
		e.at = r.Observed
	}
	if e.at.IsZero() {
		e.at, _ = time.Parse(time.RFC3339Nano, e.first("event.timestamp"))
	}
	return e
}

// id names the record within its session.
func (e *event) id() string {
	return digest(e.record.Time, e.record.Observed, e.name, e.record.Body, e.record.TraceID, e.record.SpanID, e.attrs)
}

// put finishes a draft and takes it.
func (e *event) put(d worklog.Draft) {
	e.common(&d)
	switch {
	case d.Key != "":
	case e.session == "":
		d.Key = agent.Key("otlp", e.id())
	default:
		d.Key = agent.Key(e.session, "event", e.id())
	}
	if d.LoggedAt == nil && !e.at.IsZero() {
		at := e.at
		d.LoggedAt = &at
	}
	e.batch.add(d, nil)
}

// putCall takes a draft of a call that has that id.
func (e *event) putCall(d worklog.Draft, id string) {
	if id == "" || e.session == "" {
		d.Key = ""
	}
	counted := d.Key != "" && agent.Counted(id)
	if counted {
		agent.Note(&d, eventID, e.id())
	}
	e.put(d)
	e.batch.Entries[len(e.batch.Entries)-1].counted = counted
}

// agentID is the sub-agent that the event comes from; empty: the session's own, or the agent does not say.
func (e *event) agentID() string {
	if e.source != agent.SourceClaudeCode {
		return ""
	}
	return e.first("agent_id", "agent.id")
}

func (e *event) common(d *worklog.Draft) {
	d.Source = e.source
	if e.session != "" {
		d.Conversation = agent.Conversation(e.session)
	}
	if id := e.agentID(); id != "" && d.Parent == "" && d.Key != agent.AgentKey(e.session, id) {
		d.Parent = agent.AgentKey(e.session, id)
	}
	agent.Note(d, "model", e.first(modelNames()...))
	agent.Note(d, promptID, e.first("prompt.id"))
	if e.record.Dropped > 0 {
		agent.Note(d, "attributes_left_out", e.record.Dropped)
	}
}

// info adds an entry about the session.
func (e *event) info(title, more string) {
	if more != "" {
		title += " (" + agent.FirstLine(more, 200) + ")"
	}
	e.put(worklog.Draft{Title: title})
}

// say adds a prompt or reply. Prompt ids of Claude Code are those of its hooks.
func (e *event) say(kind, text, id string) {
	w := &words{session: e.session, agent: e.agentID(), kind: kind, text: text, at: e.at, event: orElse(id, e.id()), prompt: e.first("prompt.id")}
	if e.session == "" {
		e.batch.skip(kind + " of no session")
		return
	}
	w.shape = func(d *worklog.Draft) {
		e.common(d)
		e.usage(d)
	}
	e.batch.say(w)
}

// usage notes tokens and money.
func (f facts) usage(d *worklog.Draft) {
	for _, u := range usage() {
		if v, ok := f.number(u.names...); ok {
			agent.Note(d, u.name, v)
		}
	}
}

// call adds a call of a tool that has ended.
func (e *event) call(c agent.Call, status worklog.Status, details string) {
	c.Session, c.Agent = e.session, e.agentID()
	d := c.Draft()
	if e.session == "" {
		d.Conversation = ""
	}
	d.Status, d.Details = status, details
	ms, ok := e.number("duration_ms", "duration")
	if !ok {
		ms = -1
	}
	between(&d, e.at, ms)
	e.note(&d, "error_type", "error.type", "decision_source", "decision_type", "decision", "mcp_server", "mcp_server_name", "tool_type")
	e.putCall(d, c.ID)
}

// succeeded reads how an event says that it went well.
func (e *event) succeeded() bool {
	switch e.first("success") {
	case "false", "0":
		return false
	case "":
		return e.first("error", "error.type", "error_type", "error.message") == ""
	}
	return true
}

// failure adds an error. One after which the agent tries again is a warning.
func (e *event) failure(title, details string, again bool) {
	d := worklog.Draft{Type: worklog.TypeError, Status: worklog.StatusError, Title: title, Details: details}
	if again {
		d.Status = worklog.StatusWarning
	}
	if ms, ok := e.number("duration_ms", "duration"); ok {
		between(&d, e.at, ms)
	}
	e.note(&d, "status_code", "http.response.status_code", "attempt", "error_type", "error.type", "request_id")
	e.put(d)
}

// apiFailure adds a call of a model that failed: "Model X failed (429), attempt 2".
func (e *event) apiFailure(again bool) {
	title := "Model " + orElse(e.first(modelNames()...), "call") + " failed"
	if code := e.first("status_code", "http.response.status_code", "error_type", "error.type"); code != "" && code != "undefined" {
		title += " (" + agent.FirstLine(code, 40) + ")"
	}
	if n := e.first("attempt"); n != "" {
		title += ", attempt " + agent.FirstLine(n, 10)
	}
	e.failure(title, e.first("error", "error.message", "error_message", "message"), again)
}

// retried reports whether a failure of this kind is tried again.
func (e *event) retried() bool {
	code, ok := e.number("status_code", "http.response.status_code")
	return !ok || code == 0 || code == 408 || code == 409 || code == 429 || code >= 500
}

// unknown shows an event that nobody here has heard of.
func (e *event) unknown(who string) {
	if e.name == "" { // no event but a message
		e.other()
		return
	}
	d := worklog.Draft{Title: who + ": " + strings.ReplaceAll(e.name, "_", " ")}
	if s := e.first("message", "error", "error.message", "reason"); s != "" {
		d.Title += ": " + agent.FirstLine(s, 200)
	}
	if raw, err := json.MarshalIndent(e.attrs, "", "  "); err == nil {
		d.Details = worklog.Cut(string(raw), shownJSON)
	}
	d.Type, d.Status = e.severity()
	e.put(d)
}

// severity is the type and status that a record's severity stands for.
func (e *event) severity() (worklog.Type, worklog.Status) {
	switch {
	case e.record.Severity >= severityError:
		return worklog.TypeError, worklog.StatusError
	case e.record.Severity >= severityWarn:
		return worklog.TypeInfo, worklog.StatusWarning
	}
	return worklog.TypeInfo, worklog.StatusInfo
}

// other is a record of a program that is none of the known agents: a message, or what its attributes say of a model.
func (e *event) other() {
	body := textOf(e.record.Body)
	if e.name == "gen_ai.client.inference.operation.details" {
		e.inference()
		return
	}
	if e.first(toolNames()...) != "" && e.first(callNames()...) != "" {
		c := agent.Call{ID: e.first(callNames()...), Tool: e.first(toolNames()...), Input: jsonOf(e.first(inputNames()...))}
		status := worklog.StatusSuccess
		if !e.succeeded() || e.record.Severity >= severityError {
			status = worklog.StatusError
		}
		e.call(c, status, orElse(e.first(outputNames()...), body))
		return
	}
	d := worklog.Draft{Title: orElse(agent.FirstLine(body, 300), orElse(e.name, "(no message)")), Details: body}
	if d.Title == strings.TrimSpace(body) { // said already
		d.Details = ""
	}
	d.Type, d.Status = e.severity()
	if s := e.first("exception.message"); s != "" {
		d.Details = strings.TrimSpace(fmt.Sprintf("%s\n%s\n%s", body, s, e.first("exception.stacktrace")))
	}
	e.noteRest(&d, map[string]bool{"event.name": true, "exception.stacktrace": true})
	e.put(d)
}

// inference is one call of a model in all its details: the entry of its span.
func (e *event) inference() {
	d := modelCall(e.facts, "")
	if e.record.TraceID != "" && e.record.SpanID != "" {
		d.Key = spanKey(e.record.TraceID, e.record.SpanID)
	}
	d.EndedAt = nil
	if e.session == "" && e.record.TraceID != "" {
		d.Conversation = e.record.TraceID
	}
	e.put(d)
}
