package otlp

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// maxAncestors ends the search for an ancestor in a circle of spans.
	maxAncestors = 100
	// covered is the share of a call of a model that lies within another one when both are the same call.
	covered = 0.9
	// maxTogether bounds the attributes of a call that several spans tell of.
	maxTogether = 1000
	// conversationTitle is how many characters of the first question name a conversation.
	conversationTitle = 120
	// clockSlack is how exact the clocks of some SDKs are: a span may seem to end after the one around it.
	clockSlack = 2 * time.Millisecond
)

// span is one span on its way to a draft.
type span struct {
	*wire.Span
	facts
	kind kind
	into *span  // the span that has swallowed this one: the same call, seen from further outside
	row  string // the key of the row that an earlier request has given to the same call
}

// trace is the spans of one trace in a request.
type trace struct {
	id    string
	spans map[string]*span // by id
	order []*span
}

// Spans maps the spans of owner. Traces remembers from one request to the next what the spans of a trace have in common;
// it may be nil.
func Spans(spans []wire.Span, traces *Traces, owner int64, now time.Time) *Batch {
	b := newBatch(now)
	for _, t := range byTrace(spans) {
		t.collapse()
		traces.collapseLater(owner, t)
		session := traces.session(b, owner, t)
		for _, s := range t.order {
			if s.kind == noKind || s.kind == kindPart || s.into != nil {
				b.skip(s.skipped())
				continue
			}
			d := s.draft(orElse(s.session(), session))
			parent, missing := t.parent(s)
			if parent != nil {
				d.Parent = parent.key(orElse(parent.session(), session))
			}
			traces.remember(owner, t.id, s, missing, &d)
			b.add(d, nil)
		}
		traces.reunite(b, owner, t, session)
	}
	return b
}

func (s *span) skipped() string {
	if s.into != nil || s.kind == kindPart {
		return "span of a call that has one"
	}
	return "span of nothing that an agent does"
}

// byTrace sorts spans into traces, each in the order in which its spans began.
func byTrace(spans []wire.Span) (traces []*trace) {
	known := map[string]*trace{}
	for i := range spans {
		w := &spans[i]
		t := known[w.TraceID]
		if t == nil {
			t = &trace{id: w.TraceID, spans: map[string]*span{}}
			known[w.TraceID] = t
			traces = append(traces, t)
		}
		s := &span{Span: w, facts: facts{w.Attrs, w.Resource}}
		s.kind = s.kindOf()
		t.order = append(t.order, s)
		t.spans[w.SpanID] = s
	}
	for _, t := range traces {
		slices.SortStableFunc(t.order, func(a, b *span) int { return a.Start.Compare(b.Start) })
	}
	return traces
}

// kindOf says what a span is about. An id of a conversation alone is no reason to show it: those sit on HTTP calls, too.
func (s *span) kindOf() kind {
	for i, name := range kindNames() {
		k := kindOf(textOf(s.Attrs[name]))
		if k == kindOther && i > 2 { // these names are used for other things as well
			continue
		}
		if k == kindAgent && s.ParentID != "" && isChain(textOf(s.Attrs[name])) {
			return noKind
		}
		if k != noKind {
			return k
		}
	}
	switch {
	case s.says("gen_ai.tool.name", "tool.name", "ai.toolCall.name") || textOf(s.Attrs["mcp.method.name"]) == "tools/call":
		return kindTool
	case s.says("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "ai.model.id"):
		return kindLLM
	case isAgentScope(s.Scope):
		first, _, _ := strings.Cut(s.Name, " ")
		if k := kindOf(first); k != kindOther && (k != kindAgent || strings.HasPrefix(first, "invoke_")) {
			return k
		}
	}
	return noKind
}

// isChain reports whether an operation is a step of a framework, of which only the outermost says something.
func isChain(name string) bool {
	return strings.EqualFold(name, "chain") || strings.EqualFold(name, "task")
}

// isAgentScope reports whether an instrumentation is one of generative AI.
func isAgentScope(scope string) bool {
	return slices.ContainsFunc([]string{
		"gcp.vertex.agent", "com.anthropic.claude_code", "gemini-cli", "openinference.", "@ai-sdk/", "opentelemetry.instrumentation.openai",
		"opentelemetry.instrumentation.anthropic", "opentelemetry.instrumentation.langchain", "opentelemetry.instrumentation.mcp", "pydantic-ai", "strands.",
	}, func(known string) bool { return strings.HasPrefix(scope, known) })
}

func (s *span) says(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.TrimSpace(textOf(s.Attrs[n])) != "" })
}

// ancestor returns the nearest span above s that has a row. Without one, missing is the id of a span above it that is not
// in the request, empty when s is under none.
func (t *trace) ancestor(s *span) (_ *span, missing string) {
	for range maxAncestors {
		up := t.spans[s.ParentID]
		if s.ParentID == "" || up == nil || up == s {
			return nil, s.ParentID
		}
		if up.kind != noKind && up.kind != kindPart {
			return up, ""
		}
		s = up
	}
	return nil, ""
}

// parent is ancestor after the collapse: what was swallowed has no row.
func (t *trace) parent(s *span) (_ *span, missing string) {
	up, missing := t.ancestor(s)
	for range maxAncestors {
		if up == nil || up.into == nil {
			break
		}
		up = up.into
	}
	if up == s {
		return nil, ""
	}
	return up, missing
}

// collapse merges what several instrumentations report of one call: a call of a model within another one that covers
// nearly all of it, and a call of a tool within a call of the same. The outer one takes over what it does not say itself.
func (t *trace) collapse() {
	for _, s := range slices.Backward(t.order) { // the innermost first: what they say is handed up
		up, _ := t.ancestor(s)
		if up == nil || s.kind != up.kind {
			continue
		}
		switch s.kind {
		case kindLLM:
			if !s.call().within(up.call()) {
				continue
			}
		case kindTool:
			if a, b := s.first(callNames()...), up.first(callNames()...); s.tool() != up.tool() || a != b && a != "" && b != "" {
				continue
			}
		default:
			continue
		}
		s.into = up
		up.take(s.attrs)
	}
}

// take adds what s does not say itself.
func (s *span) take(attrs wire.Attrs) {
	if s.attrs == nil {
		s.attrs = wire.Attrs{}
	}
	for name, v := range attrs {
		if _, known := s.attrs[name]; !known && len(s.attrs) < maxTogether {
			s.attrs[name] = v
		}
	}
}

func (s *span) tool() string { return orElse(s.first(toolNames()...), s.toolByName()) }

// toolByName finds the tool in a name like "execute_tool ls" or "tools/call ls".
func (s *span) toolByName() string {
	if s.kind == kindTool && s.says("traceloop.entity.name") {
		return s.first("traceloop.entity.name")
	}
	for _, prefix := range []string{"execute_tool ", "tools/call ", "execute_tool_"} {
		if name, ok := strings.CutPrefix(s.Name, prefix); ok {
			return name
		}
	}
	return s.Name
}

// spanKey names the entry of a span that no call has an id for.
func spanKey(traceID, spanID string) string { return agent.Key(traceID, spanID) }

// key names the entry of a span: that of its call where the agent has an id for it that no other call has; else the
// span's own id has to do.
func (s *span) key(session string) string {
	if s.row != "" {
		return s.row
	}
	if id := s.first(callNames()...); s.kind == kindTool && !agent.Counted(id) {
		return agent.Key(session, id)
	}
	if s.SpanID == "" { // against the specification
		return agent.Key("otlp", digest(s.TraceID, s.Name, s.Start, s.End, s.Attrs))
	}
	return spanKey(s.TraceID, s.SpanID)
}

// draft makes the entry of a span.
func (s *span) draft(session string) worklog.Draft {
	var d worklog.Draft
	switch s.kind {
	case kindTool:
		d = agent.Call{Session: session, Tool: s.tool(), Input: jsonOf(s.first(inputNames()...))}.Draft()
		d.Status, d.Details = worklog.StatusSuccess, agent.Output(jsonOf(orElse(s.first(outputNames()...), s.eventText("tool.output", "content", "output"))))
	case kindLLM:
		d = modelCall(s.facts, s.Name)
		d.ConversationTitle = agent.Name(asked(s.facts), conversationTitle)
	case kindAgent:
		d = worklog.Draft{Status: worklog.StatusSuccess, Title: s.agentTitle("finished"), Details: messagesText(s.first("gen_ai.output.messages", "output.value", "traceloop.entity.output", "ai.response.text", "pydantic_ai.all_messages"))}
	default:
		d = worklog.Draft{Status: worklog.StatusSuccess, Title: orElse(s.Name, "Span")}
	}
	d.Key, d.Conversation, d.Source = s.key(session), agent.Conversation(session), s.source(s.Scope)
	s.outcome(&d)
	s.times(&d)
	agent.Note(&d, "agent", s.first(agentNames()...))
	agent.Note(&d, "trace_id", s.TraceID)
	agent.Note(&d, "span_id", s.SpanID)
	if s.Dropped > 0 {
		agent.Note(&d, "attributes_left_out", s.Dropped)
	}
	s.noteRest(&d, shown())
	return d
}

func (s *span) agentTitle(how string) string {
	switch s.first(kindNames()...) {
	case "user_prompt", "interaction", "agent_turn": // from a person's words to the answer
		return "Turn " + how
	}
	name := orElse(s.first("gen_ai.agent.name", "agent.name", "agent_name", "gen_ai.workflow.name", "traceloop.entity.name", "traceloop.workflow.name", "ai.telemetry.functionId"), s.Name)
	return "Agent " + strings.TrimPrefix(orElse(name, "run"), "invoke_agent ") + " " + how
}

// outcome says whether a span went well.
func (s *span) outcome(d *worklog.Draft) {
	said := s.first("error.message", "error.type", "error_type", "error")
	if s.first("success") == "true" || said == "false" {
		said = ""
	}
	if !s.Failed && said == "" && s.first("success") != "false" {
		return
	}
	d.Status = worklog.StatusError
	if s.kind == kindAgent {
		d.Title = s.agentTitle("failed")
	}
	why := orElse(s.eventText("exception", "exception.message", "exception.type"), orElse(s.Message, said))
	if strings.TrimSpace(d.Details) != "" {
		agent.Note(d, "error", cutText(why))
	}
	d.Details = orElse(d.Details, why)
	agent.Note(d, "error_type", s.first("error.type", "error_type"))
}

// eventText is what an event of the span says.
func (s *span) eventText(name string, attrs ...string) string {
	for _, e := range s.Events {
		if e.Name == name {
			if text := (facts{attrs: e.Attrs}).first(attrs...); text != "" {
				return text
			}
		}
	}
	return ""
}

func (s *span) times(d *worklog.Draft) {
	start, end := s.Start, s.End
	if !end.IsZero() {
		d.EndedAt, d.LoggedAt = &end, &end
	}
	if !start.IsZero() && (end.IsZero() || !end.Before(start)) {
		d.StartedAt = &start
		d.LoggedAt = cmp.Or(d.LoggedAt, &start)
	}
}
