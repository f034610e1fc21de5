// Package connect writes worklog into the configuration of coding agents, and takes it out again. It works on bytes: what
// a file holds besides stays as it is, to the comment and the blank.
//
// Claude Code and Gemini CLI have JSON, which is edited in place; Codex has TOML, where a marked block is added at the end.
package connect

import (
	"errors"
	"fmt"
	"strings"
)

// The agents that can be connected.
const (
	ClaudeCode = "claude-code"
	Codex      = "codex"
	Gemini     = "gemini"
)

// Agents returns the names of the agents.
func Agents() []string { return []string{ClaudeCode, Codex, Gemini} }

// Setting is what an agent needs to know.
type Setting struct {
	URL   string // of the server
	Token string
	// Command is a shell command that hands over the event on its standard input.
	Command string
}

// Curl returns a command that needs nothing but curl. It waits for the server, though not for long.
func Curl(url, token string) string {
	return "curl -s -m 3 -o /dev/null --data-binary @- -H 'Content-Type: application/json' -H 'Authorization: Bearer " + token + "' " + hooksURL(url) + " || true"
}

func hooksURL(url string) string { return strings.TrimRight(url, "/") + "/api/v1/hooks" }

const (
	// seconds is how long an agent waits for a hook that hangs.
	seconds = 5
	// marker is part of every command that worklog writes.
	marker = " hook --agent "
)

// HookCommand returns the command that hands over an agent's events with the program at path.
func HookCommand(path, agent string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-") != "" {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path + marker + agent
}

// Merge adds s to the configuration old of an agent, or brings up to date what is there. Made are the places that had to be
// made, together with those of earlier calls; Remove wants to know them.
func Merge(agent string, old []byte, s Setting, made []string) (merged []byte, nowMade []string, err error) {
	switch agent {
	case Codex:
		merged, err = mergeTOML(old, s)
		return merged, nil, err
	case ClaudeCode, Gemini:
		return mergeJSON(agent, old, s, made)
	}
	return nil, nil, unknown(agent)
}

// Remove takes out what Merge has put in, and the places that it made.
func Remove(agent string, old []byte, made []string) ([]byte, error) {
	switch agent {
	case Codex:
		return removeTOML(old)
	case ClaudeCode, Gemini:
		return removeJSON(agent, old, made)
	}
	return nil, unknown(agent)
}

func unknown(agent string) error {
	return fmt.Errorf("there is no agent %q: it is one of %s", agent, strings.Join(Agents(), ", "))
}

// Empty reports whether a configuration says nothing.
func Empty(agent string, text []byte) bool {
	rest := strings.TrimSpace(string(text))
	return rest == "" || agent != Codex && strings.Join(strings.Fields(rest), "") == "{}"
}

// ErrBroken says that a configuration can not be read, so that nobody should write to it.
var ErrBroken = errors.New("the file is broken")

// hook is one handler of an event, in the words that the agents share.
type hook struct {
	Name    string            `json:"name,omitempty"`
	Type    string            `json:"type"`
	URL     string            `json:"url,omitempty"`
	Command string            `json:"command,omitempty"`
	Timeout int               `json:"timeout"`
	Headers map[string]string `json:"headers,omitempty"`
}

// group is what stands in the list of an event.
type group struct {
	Matcher string `json:"matcher,omitempty"`
	Hooks   []hook `json:"hooks"`
}

// events are an agent's events that worklog wants, in the order in which they happen.
func events(agent string) []string {
	switch agent {
	case Codex:
		return []string{"SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "Stop"}
	case Gemini: // a BeforeTool can not be recognised again when its AfterTool comes
		return []string{"SessionStart", "BeforeAgent", "AfterTool", "AfterAgent", "Notification", "PreCompress", "SessionEnd"}
	}
	return []string{
		"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest", "PermissionDenied", "Notification",
		"SubagentStart", "SubagentStop", "Stop", "StopFailure", "PreCompact", "SessionEnd",
	}
}

// wanted is the group for an event of an agent with a JSON configuration.
func wanted(agent, event string, s Setting) group {
	command := hook{Type: "command", Command: s.Command, Timeout: seconds}
	switch {
	case agent == Gemini:
		command.Name, command.Timeout = "worklog", seconds*1000
		return group{Matcher: "*", Hooks: []hook{command}}
	case event == "SessionStart": // the one that Claude Code does not post itself
		return group{Hooks: []hook{command}}
	}
	return group{Hooks: []hook{{Type: "http", URL: hooksURL(s.URL), Timeout: seconds, Headers: map[string]string{"Authorization": "Bearer " + s.Token}}}}
}

// ours reports whether a handler in a configuration hands events to a worklog.
func ours(h map[string]any) bool {
	if url, _ := h["url"].(string); strings.HasSuffix(url, "/api/v1/hooks") {
		return true
	}
	command, _ := h["command"].(string)
	return strings.Contains(command, marker) || strings.Contains(command, "/api/v1/hooks")
}
