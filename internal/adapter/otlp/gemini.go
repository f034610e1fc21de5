package otlp

import (
	"strconv"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// gemini maps an event of Gemini CLI.
func (e *event) gemini() {
	switch e.name {
	case "user_prompt":
		e.say(agent.KindPrompt, e.first("prompt"), "")
	case "tool_call":
		e.geminiCall()
	case "api_error":
		e.apiFailure(false)
	case "flash_fallback", "ripgrep_fallback", "model_fallback":
		d := worklog.Draft{Title: "Switching to another model", Status: worklog.StatusWarning}
		if e.name == "ripgrep_fallback" {
			d.Title = "Falling back from ripgrep"
		}
		e.put(d)
	case "model_routing":
		if e.first("failed") != "true" {
			e.batch.skip(e.name)
			return
		}
		e.put(worklog.Draft{Title: "Choosing a model failed", Status: worklog.StatusWarning, Details: e.first("error_message")})
	case "chat.content_retry", "chat.invalid_chunk", "invalid_content_retry":
		e.failure("Model "+orElse(e.first("model"), "call")+" answered with nothing usable, trying again", e.first("error_type", "error.message"), true)
	case "chat.content_retry_failure":
		e.failure("Model "+orElse(e.first("model"), "call")+" answered with nothing usable", e.first("final_error_type"), false)
	case "chat_compression":
		e.info("Conversation compacted", "")
	case "agent.start", "agent.finish":
		e.geminiAgent()
	case "loop_detected":
		e.put(worklog.Draft{Title: "A loop was detected", Status: worklog.StatusWarning, Details: e.first("loop_type")})
	case "conversation_finished":
		e.info("Finished its turn", e.first("approvalMode"))
	case "config", "api_request", "api_response", "file_operation", "next_speaker_check", "token_usage", "slash_command", "slash_command.model",
		"startup_stats", "edit_strategy", "edit_correction", "tool_output_truncated", "output_truncated":
		e.batch.skip(e.name) // statistics, or said by another event
	case "gen_ai.client.inference.operation.details":
		e.batch.skip(e.name) // its prompt and calls have events of their own
	default:
		e.unknown("Gemini CLI")
	}
}

// geminiCall is a call of a tool, which has no id here: it is known by all that it says.
func (e *event) geminiCall() {
	c := agent.Call{ID: e.first(callNames()...), Tool: e.first("function_name"), Input: jsonOf(e.first("function_args"))}
	if at, ok := e.stamp("end_time"); ok {
		e.at = at
	}
	status := worklog.StatusSuccess
	switch {
	case !e.succeeded() && e.first("decision") == "reject":
		status = worklog.StatusWarning
	case !e.succeeded():
		status = worklog.StatusError
	}
	e.call(c, status, e.first("error", "error.message"))
}

// stamp is a time in milliseconds since 1970, or in words.
func (e *event) stamp(name string) (time.Time, bool) {
	s := e.first(name)
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms > 0 {
		return time.UnixMilli(ms).UTC(), true
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}

// geminiAgent is the beginning or end of a sub-agent.
func (e *event) geminiAgent() {
	d := worklog.Draft{Title: "Subagent " + orElse(e.first("agent_name"), "of no name"), Status: worklog.StatusWorking}
	if id := e.first("agent_id"); id != "" {
		d.Key = agent.AgentKey(e.session, id)
	}
	if e.name == "agent.start" {
		if d.Key == "" {
			e.batch.skip(e.name)
			return
		}
		e.put(d)
		return
	}
	d.Status = worklog.StatusSuccess
	if reason := e.first("terminate_reason"); reason != "" && reason != "GOAL" {
		d.Status = worklog.StatusWarning
		agent.Note(&d, "terminate_reason", reason)
	}
	if ms, ok := e.number("duration_ms"); ok {
		between(&d, e.at, ms)
	}
	e.put(d)
}
