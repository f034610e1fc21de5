package otlp

import (
	"encoding/json"
	"strings"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// codex maps an event of Codex.
func (e *event) codex() {
	switch e.name {
	case "conversation_starts":
		d := worklog.Draft{Title: "Session started (" + orElse(e.first("model", "slug"), "Codex") + ")", Key: agent.Key(e.session, "start", e.id())}
		e.note(&d, "provider_name", "reasoning_effort", "approval_policy", "sandbox_policy")
		e.put(d)
	case "user_prompt":
		e.say(agent.KindPrompt, e.first("prompt"), "")
	case "agent_message", "assistant_response":
		e.say(agent.KindReply, e.first("message", "response"), "")
	case "tool_result":
		e.codexResult()
	case "tool_decision":
		if d := e.first("decision"); strings.HasPrefix(d, "denied") || d == "abort" || d == "reject" {
			e.denied()
			return
		}
		e.batch.skip(e.name)
	case "api_request":
		code, known := e.number("http.response.status_code", "status_code")
		if e.first("error.message", "error") == "" && (!known || code < 400) {
			e.batch.skip(e.name)
			return
		}
		e.apiFailure(e.retried())
	case "sse_event", "websocket_event", "websocket_request", "websocket_connect":
		if e.first("error.message", "error") == "" || e.succeeded() && e.first("event.kind") == "response.completed" {
			e.batch.skip(e.name)
			return
		}
		e.apiFailure(true)
	case "sandbox_outcome", "startup_phase", "turn_ttft", "turn_ttfm":
		e.batch.skip(e.name)
	default:
		e.unknown("Codex")
	}
}

// codexResult is a call of a tool with all of its output.
func (e *event) codexResult() {
	output := jsonOf(e.first("output"))
	c := agent.Call{ID: e.first("call_id"), Tool: orElse(e.first("tool_name"), "tool"), Input: jsonOf(e.first("arguments"))}
	status := worklog.StatusSuccess
	if !e.succeeded() || e.codexFailed(c.Tool) {
		status = worklog.StatusError
	}
	e.call(c, status, agent.Output(output))
}

// codexFailed reports whether a call failed that is not said to have failed. Of a command Codex says success when it
// could be run; with what code it ended stands before what it has printed.
func (e *event) codexFailed(tool string) bool {
	if e.first("success") == "" {
		return agent.Failed(jsonOf(e.first("output")))
	}
	text, err := json.Marshal(e.first("output"))
	return err == nil && agent.IsShell(tool) && agent.Exited(text)
}
