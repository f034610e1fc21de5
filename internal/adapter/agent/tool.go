package agent

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// inputBytes is how much of a call's input is kept as metadata, inputText how much of one text in it.
	inputBytes = 16 << 10
	inputText  = 4 << 10
	inputDepth = 12
	inputItems = 100 // of one list or object
)

// Call is one use of a tool.
type Call struct {
	Session string
	Agent   string // the sub-agent that calls; empty: the session's own
	ID      string // the agent's own name of the call
	Tool    string
	Input   json.RawMessage
	Dir     string // where the agent works: paths below it are shown relative to it
}

// Draft returns the entry of a call that runs.
func (c Call) Draft() worklog.Draft {
	input := decode(c.Input)
	fields, _ := input.(map[string]any)
	d := worklog.Draft{
		Conversation: Conversation(c.Session), Key: CallKey(c.Session, c.Agent, c.ID), Tool: c.Tool, Status: worklog.StatusWorking,
		Type: typeOf(c.Tool, fields), Title: c.title(fields),
	}
	if input != nil {
		Note(&d, "input", trimmed(input, 0))
		if raw, err := json.Marshal(d.Metadata["input"]); err != nil || len(raw) > inputBytes {
			d.Metadata["input"] = cutText(string(c.Input), inputText)
		}
	}
	return d
}

// decode reads any JSON with its numbers as they are; nil when it is none.
func decode(raw json.RawMessage) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// trimmed returns v with what is long or deep in it cut, visibly.
func trimmed(v any, depth int) any {
	switch v := v.(type) {
	case string:
		return cutText(v, inputText)
	case []any:
		if depth > inputDepth {
			return "[cut here]"
		}
		out := make([]any, 0, min(len(v), inputItems))
		for _, x := range v[:min(len(v), inputItems)] {
			out = append(out, trimmed(x, depth+1))
		}
		return out
	case map[string]any:
		if depth > inputDepth || len(v) > inputItems {
			return "[cut here]"
		}
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = trimmed(x, depth+1)
		}
		return out
	}
	return v
}

func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return worklog.Cut(s, n) + "… [cut here]"
}

func isFileTool(tool string) bool {
	return slices.Contains([]string{
		"Write", "Edit", "MultiEdit", "NotebookEdit", "Read", "write_file", "replace", "read_file", "read_many_files", "apply_patch", "str_replace_editor",
	}, tool)
}

// IsShell reports whether a tool runs commands.
func IsShell(tool string) bool {
	return slices.Contains([]string{"Bash", "shell", "local_shell", "shell_command", "exec_command", "unified_exec", "write_stdin", "run_shell_command", "PowerShell"}, tool)
}

// deploys finds commands that put something where others meet it.
var deploys = regexp.MustCompile(`(?m)(?:^|&&|\|\||;|\|)\s*(?:sudo\s+)?(?:[A-Z_]+=\S*\s+)*` +
	`(?:git\s+(?:-C\s+\S+\s+)?push|kubectl\s+(?:apply|rollout)|helm\s+(?:install|upgrade)|terraform\s+apply|docker\s+push|` +
	`(?:fly|flyctl)\s+deploy|vercel\s+(?:deploy|--prod)|(?:npm|cargo)\s+publish|gcloud\s+\S+\s+deploy)\b`)

func typeOf(tool string, input map[string]any) worklog.Type {
	switch {
	case isFileTool(tool):
		return worklog.TypeFileOperation
	case IsShell(tool) && deploys.MatchString(command(input)):
		return worklog.TypeDeployment
	}
	return worklog.TypeToolCall
}

// command is what a shell was told: one text, or a list of words.
func command(input map[string]any) string {
	for _, name := range []string{"command", "cmd"} {
		switch v := input[name].(type) {
		case string:
			return v
		case []any:
			var words []string
			for _, w := range v {
				if s, ok := w.(string); ok {
					words = append(words, s)
				}
			}
			if len(words) > 2 && strings.HasSuffix(words[0], "sh") && strings.HasPrefix(words[1], "-") {
				words = words[2:]
			}
			return strings.Join(words, " ")
		}
	}
	return ""
}

// title says what a tool does with what: "Bash: npm test", "Edit main.go".
func (c Call) title(input map[string]any) string {
	tool := orElse(c.Tool, "Tool")
	if server, name, ok := strings.Cut(strings.TrimPrefix(tool, "mcp__"), "__"); ok && strings.HasPrefix(tool, "mcp__") {
		tool = server + " " + name
	}
	subject := command(input)
	for _, name := range []string{"file_path", "notebook_path", "absolute_path", "path"} {
		if s, ok := input[name].(string); ok && subject == "" && isFileTool(c.Tool) {
			return tool + " " + FirstLine(c.shortPath(s), titleChars)
		}
	}
	if id, ok := input["taskId"].(string); ok {
		status, _ := input["status"].(string)
		subject = strings.TrimSpace("#" + id + " " + status)
	}
	for _, name := range []string{"pattern", "subject", "description", "query", "url", "skill", "prompt", "file_path", "path", "dir_path", "title", "name"} {
		if s, ok := input[name].(string); ok && subject == "" {
			subject = s
		}
	}
	if patched := patchedFile(c.Tool, c.Input); patched != "" {
		return tool + " " + FirstLine(c.shortPath(patched), titleChars)
	}
	if subject = FirstLine(subject, titleChars); subject == "" {
		return tool
	}
	return tool + ": " + subject
}

// shortPath is p as seen from where the agent works.
func (c Call) shortPath(p string) string {
	if rest, ok := strings.CutPrefix(p, strings.TrimSuffix(c.Dir, "/")+"/"); ok && c.Dir != "" {
		return rest
	}
	return p
}

// patchHeader names a file in the patch format of Codex.
var patchHeader = regexp.MustCompile(`\*\*\* (?:Add|Update|Delete) File: ([^\n\\"]+)`)

// patchedFile is the first file that an apply_patch call changes.
func patchedFile(tool string, input json.RawMessage) string {
	if tool != "apply_patch" {
		return ""
	}
	if m := patchHeader.FindSubmatch(input); m != nil {
		return path.Clean(strings.TrimSpace(string(m[1])))
	}
	return ""
}
