package web

import (
	"strings"

	"github.com/worklogdev/worklog/internal/connect"
	"github.com/worklogdev/worklog/web/view"
)

// steps is what connects an agent to the server at url. The README shows the same: a test compares them.
func steps(agent view.Agent, url, secret string) []view.Step {
	switch agent.Name {
	case agentTelemetry:
		return telemetrySteps(url, secret)
	case agentMCP:
		return mcpSteps(url, secret)
	case agentImport:
		return importSteps(url, secret)
	case agentCurl:
		return curlSteps(url, secret)
	}
	files := map[string]string{connect.ClaudeCode: "~/.claude/settings.json", connect.Codex: "~/.codex/config.toml", connect.Gemini: "~/.gemini/settings.json"}
	file := files[agent.Name]
	away, after := "What happens while this server is away is kept and delivered later.", "It takes effect with the next session."
	switch agent.Name {
	case connect.ClaudeCode:
		away = "What Claude Code does while this server is away comes in with: worklog import ~/.claude/projects."
	case connect.Codex:
		after = "Codex asks you once to trust new hooks: type /hooks in it."
	}
	return []view.Step{
		{
			Title: "With worklog on that machine",
			Text:  "Shows what it adds to " + file + " and asks. " + away + " " + after,
			Code:  "WORKLOG_URL=" + url + " WORKLOG_TOKEN=" + secret + " \\\n  worklog connect " + agent.Name,
		},
		{Title: "Or with curl alone:", Text: "what to add to " + file, Code: Snippet(agent.Name, url, secret), Long: true},
	}
}

// Snippet is what goes into the configuration of an agent that has none, for a machine without worklog.
func Snippet(agent, url, secret string) string {
	text, _, err := connect.Merge(agent, nil, connect.Setting{URL: url, Token: secret, Command: connect.Curl(url, secret)}, connect.Written{})
	if err != nil { // of an empty file: can not happen
		return ""
	}
	return strings.TrimSpace(string(text))
}

func telemetrySteps(url, secret string) []view.Step {
	return []view.Step{
		{
			Title: "In the environment of the program", Text: "Logs and traces that speak of agents become entries.",
			Code: "export OTEL_EXPORTER_OTLP_ENDPOINT=" + url + "\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_HEADERS=\"Authorization=Bearer " + secret + "\"",
		},
		{Title: "If it can send no headers", Text: "The token may be part of the address. It can do nothing but send telemetry.", Code: "export OTEL_EXPORTER_OTLP_ENDPOINT=" + url + "/otlp/" + secret},
		{
			Title: "Claude Code needs this, too", Code: "export CLAUDE_CODE_ENABLE_TELEMETRY=1 OTEL_LOGS_EXPORTER=otlp OTEL_LOG_TOOL_DETAILS=1 OTEL_LOG_USER_PROMPTS=1 OTEL_LOG_ASSISTANT_RESPONSES=1",
		},
		{
			Title: "Codex has this in ~/.codex/config.toml",
			Code:  "[otel]\nlog_user_prompt = true\nexporter = { otlp-http = { endpoint = \"" + url + "/v1/logs\", protocol = \"json\", headers = { \"Authorization\" = \"Bearer " + secret + "\" } } }",
		},
		{
			Title: "And Gemini CLI this in ~/.gemini/settings.json",
			Code:  `{"telemetry": {"enabled": true, "target": "local", "otlpProtocol": "http", "otlpEndpoint": "` + url + "/otlp/" + secret + `", "logPrompts": true}}`,
		},
	}
}

func mcpSteps(url, secret string) []view.Step {
	return []view.Step{
		{
			Title: "Claude Code", Text: "The agent gets the tools log_work and update_work. A token that may read as well, made under Tokens, gives it list_work, too.",
			Code: "claude mcp add --transport http worklog " + url + "/mcp --header \"Authorization: Bearer " + secret + "\"",
		},
		{
			Title: "Codex has this in ~/.codex/config.toml",
			Code:  "[mcp_servers.worklog]\nurl = \"" + url + "/mcp\"\nhttp_headers = { \"Authorization\" = \"Bearer " + secret + "\" }",
		},
		{
			Title: "And Gemini CLI this in ~/.gemini/settings.json",
			Code:  `{"mcpServers": {"worklog": {"httpUrl": "` + url + `/mcp", "headers": {"Authorization": "Bearer ` + secret + `"}}}}`,
		},
		{
			Title: "A line for CLAUDE.md, AGENTS.md or GEMINI.md", Text: "Tools are used more often when somebody asks for it.",
			Code: "Log each milestone with worklog's tool log_work: what you begin, what came out of it, what failed and what you try instead.",
		},
	}
}

func importSteps(url, secret string) []view.Step {
	return []view.Step{
		{Title: "First, on the machine with the transcripts", Code: "export WORKLOG_URL=" + url + " WORKLOG_TOKEN=" + secret},
		{
			Title: "Then what you have", Text: "With its own times. To import again adds only what is new.",
			Code: "worklog import ~/.claude/projects\nworklog import ~/.codex/sessions\nworklog import ~/.gemini/tmp",
		},
		{Title: "Or what is there and what is written from now on, live", Code: "worklog import --follow ~/.claude/projects"},
		{Title: "Or what a program prints", Code: "codex exec --json \"fix the build\" | worklog import --follow"},
	}
}

func curlSteps(url, secret string) []view.Step {
	post := func(draft string) string {
		return "curl -s " + url + "/api/v1/logs \\\n  -H \"Authorization: Bearer " + secret + "\" \\\n  -H \"Content-Type: application/json\" \\\n  -d '" + draft + "'"
	}
	return []view.Step{
		{Title: "Write one entry", Code: post(`{"title":"Hello from curl","status":"success","conversation":"first-steps"}`)},
		{
			Title: "Show a running step, and complete it", Text: "The same key is the same entry: send it again with another status.",
			Code: post(`{"title":"Nightly backup","status":"working","conversation":"first-steps","key":"backup-1"}`) + "\n" +
				post(`{"title":"Nightly backup","status":"success","conversation":"first-steps","key":"backup-1"}`),
		},
	}
}
