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

// Written is what an earlier Merge has written. The zero value: nothing, or nobody knows.
type Written struct {
	Setting
	Made []string // places in the configuration that there were not
}

// Curl returns a command that needs nothing but curl. It waits for the server, though not for long.
func Curl(url, token string) string { return curlHead + token + curlTail(url) }

const curlHead = "curl -s -m 3 -o /dev/null --data-binary @- -H 'Content-Type: application/json' -H 'Authorization: Bearer "

func curlTail(url string) string { return "' " + hooksURL(url) + " || true" }

func hooksURL(url string) string { return strings.TrimRight(url, "/") + "/api/v1/hooks" }

const (
	// seconds is how long an agent waits for a hook that hangs.
	seconds = 5
	// marker is part of every command that calls this program.
	marker = " hook --agent "
)

// HookCommand returns the command that hands over an agent's events with the program at path.
func HookCommand(path, agent string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-") != "" {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path + marker + agent
}

// Merge adds s to the configuration old of an agent, or brings up to date what is there. Its own is what speaks to the
// server of s or of before, and the very commands of both; for Codex every worklog between the marks, too. Everything else
// stays.
// The answer is what the next Merge or Remove wants to know.
func Merge(agent string, old []byte, s Setting, before Written) (merged []byte, now Written, err error) {
	now = Written{Setting: s}
	switch agent {
	case Codex:
		merged, err = mergeTOML(old, s, before)
	case ClaudeCode, Gemini:
		merged, now.Made, err = mergeJSON(agent, old, s, before)
	default:
		err = unknown(agent)
	}
	return merged, now, err
}

// Remove takes out what Merge has put in, and the places that it made.
func Remove(agent string, old []byte, before Written) ([]byte, error) {
	switch agent {
	case Codex:
		return removeTOML(old, before)
	case ClaudeCode, Gemini:
		return removeJSON(agent, old, before)
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

// owned returns what recognises the handlers that s or before has written. Others may call a worklog, too: another
// server, or another program of that name.
func owned(s Setting, before Written) func(handler map[string]any) bool {
	return func(h map[string]any) bool {
		url, _ := h["url"].(string)
		command, _ := h["command"].(string)
		for _, x := range []Setting{s, before.Setting} {
			if x.Command != "" && command == x.Command {
				return true
			}
			if x.URL != "" && (url == hooksURL(x.URL) || strings.HasPrefix(command, curlHead) && strings.HasSuffix(command, curlTail(x.URL))) {
				return true
			}
		}
		return false
	}
}
