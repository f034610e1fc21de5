package otlp

import (
	"encoding/json"
	"strings"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// claude maps an event of Claude Code. It is long because it is one table.
func (e *event) claude() {
	switch e.name {
	case "user_prompt":
		e.say(agent.KindPrompt, e.first("prompt"), e.first("message.uuid"))
	case "assistant_response":
		e.say(agent.KindReply, e.first("response"), e.first("message.uuid", "request_id"))
	case "tool_result":
		e.claudeResult()
	case "tool_decision":
		if d := e.first("decision"); d == "reject" || d == "deny" {
			e.denied()
			return
		}
		e.batch.skip("tool_decision")
	case "api_error":
		e.apiFailure(e.first("attempt") != "" && e.retried())
	case "api_retries_exhausted":
		e.apiFailure(false)
	case "api_refusal":
		e.failure("Model "+orElse(e.first("model"), "call")+" refused", e.first("message", "explanation"), true)
	case "internal_error":
		e.failure("Internal error: "+orElse(e.first("error_name", "error"), "unknown"), e.first("error", "error_name"), false)
	case "compaction":
		if !e.succeeded() {
			e.failure("Compacting the conversation failed", e.first("error"), true)
			return
		}
		e.info("Conversation compacted", e.first("trigger"))
	case "subagent_completed":
		e.claudeSubagent()
	case "mcp_server_connection":
		e.claudeServer()
	case "permission_mode_changed":
		e.info("Permission mode: "+orElse(e.first("to_mode", "new_mode", "mode"), "changed"), e.first("trigger"))
	case "api_request", "hook_execution_start", "hook_execution_complete", "auth", "skill_activated", "at_mention", "api_request_body", "api_response_body",
		"hook_registered", "plugin_loaded", "plugin_installed", "feedback_survey":
		e.batch.skip(e.name) // statistics, or said by another event
	default:
		e.unknown("Claude Code")
	}
}

// claudeResult is a call of a tool. What it was called with and what went wrong is there when the agent was told to send it.
func (e *event) claudeResult() {
	c := agent.Call{ID: e.first("tool_use_id"), Tool: e.first("tool_name"), Input: jsonOf(e.first("tool_input"))}
	var p struct {
		Command     string `json:"full_command"`
		Description string `json:"description"`
		Server      string `json:"mcp_server_name"`
		Tool        string `json:"mcp_tool_name"`
		Skill       string `json:"skill_name"`
	}
	_ = json.Unmarshal([]byte(e.first("tool_parameters")), &p) // what can be read of it
	if p.Server != "" && p.Tool != "" {
		c.Tool = "mcp__" + p.Server + "__" + p.Tool
	}
	if c.Input == nil {
		for name, v := range map[string]string{"command": p.Command, "skill": p.Skill} {
			if v != "" {
				c.Input, _ = json.Marshal(map[string]string{name: v}) // texts alone
			}
		}
	}
	if e.succeeded() {
		e.call(c, worklog.StatusSuccess, e.first("tool_output", "tool_result"))
		return
	}
	said := e.first("error", "error_type")
	e.call(c, worklog.StatusError, strings.TrimSuffix(strings.TrimPrefix(said, "<tool_use_error>"), "</tool_use_error>"))
}

// denied is a call that was not allowed.
func (e *event) denied() {
	c := agent.Call{ID: e.first(callNames()...), Tool: e.first("tool_name", "function_name"), Input: jsonOf(e.first("tool_input", "tool_parameters", "arguments", "function_args"))}
	c.Session, c.Agent = e.session, e.agentID()
	d := c.Draft()
	d.Status, d.Details = worklog.StatusWarning, "Rejected by "+orElse(e.first("source"), "the user")
	between(&d, e.at, -1)
	agent.Note(&d, "denied", true)
	e.putCall(d, c.ID)
}

func (e *event) claudeSubagent() {
	kind := strings.TrimSpace("Subagent " + e.first("agent_type"))
	if e.first("model_swapped") == "true" {
		title := "Model " + orElse(e.first("model"), "call") + " failed, switching to " + orElse(e.first("final_model"), "another")
		e.put(worklog.Draft{Title: title, Status: worklog.StatusWarning, Details: kind})
		return
	}
	id := e.first("agent_id", "agent.id")
	if id == "" { // the call that has started it is an entry already
		e.batch.skip(e.name)
		return
	}
	d := worklog.Draft{Title: kind, Status: worklog.StatusSuccess, Key: agent.AgentKey(e.session, id)}
	if ms, ok := e.number("duration_ms"); ok {
		between(&d, e.at, ms)
	}
	e.note(&d, "total_tool_uses", "agent_type", "model")
	e.put(d)
}

func (e *event) claudeServer() {
	status := e.first("status")
	if status != "failed" && status != "error" {
		e.batch.skip(e.name)
		return
	}
	e.put(worklog.Draft{
		Title: "MCP server " + orElse(e.first("server_name", "mcp_server_name"), "") + " can not be reached", Status: worklog.StatusWarning, Details: e.first("error"),
	})
}
