package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Output is what a tool has answered, as text: its own words where there are some, a diff of what it changed, else the
// answer as JSON.
func Output(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
	case '[':
		if s, ok := blocks(raw); ok {
			return s
		}
	case '{':
		var o answer
		if json.Unmarshal(raw, &o) == nil {
			if s := o.text(); s != "" {
				return s
			}
		}
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// answer is the answers of all tools that are known, in one. Every field is read on its own, since each of them may
// hold something else in tomorrow's version.
type answer map[string]json.RawMessage

func (o answer) text() string {
	if patch := diff(o["structuredPatch"]); patch != "" {
		return patch
	}
	if s := joined(o.field("stdout"), o.field("stderr")); s != "" {
		return s
	}
	var file struct{ Content string }
	if json.Unmarshal(o["file"], &file) == nil && file.Content != "" {
		return file.Content
	}
	for _, name := range []string{"content", "output", "llmContent", "returnDisplay", "result", "message", "error"} {
		if s := o.field(name); s != "" {
			return s
		}
	}
	var names []string
	if json.Unmarshal(o["filenames"], &names) == nil {
		return strings.Join(names, "\n")
	}
	return ""
}

// field is a text, or a list of blocks of text.
func (o answer) field(name string) string {
	raw := bytes.TrimSpace(o[name])
	if len(raw) == 0 {
		return ""
	}
	var s string
	switch raw[0] {
	case '"':
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
	case '[':
		s, _ = blocks(raw)
	}
	return s
}

func joined(a, b string) string {
	if a != "" && b != "" {
		return strings.TrimSuffix(a, "\n") + "\n" + b
	}
	return a + b
}

// blocks joins the texts of a list of content blocks; false when it is another list.
func blocks(raw json.RawMessage) (string, bool) {
	var list []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return "", false
	}
	texts := make([]string, 0, len(list))
	for _, b := range list {
		switch {
		case b.Text != "":
			texts = append(texts, b.Text)
		case b.Type != "":
			texts = append(texts, "["+b.Type+"]")
		default:
			return "", false
		}
	}
	return strings.Join(texts, "\n"), true
}

// diff writes the hunks of an edit.
func diff(raw json.RawMessage) string {
	var hunks []struct {
		OldStart, OldLines, NewStart, NewLines int
		Lines                                  []string
	}
	if json.Unmarshal(raw, &hunks) != nil {
		return ""
	}
	var b strings.Builder
	for _, h := range hunks {
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", h.OldStart, h.OldLines, h.NewStart, h.NewLines)
		for _, line := range h.Lines {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// exitCode finds how a command says that it failed, headLines is how far from its beginning.
var exitCode = regexp.MustCompile(`^(?:Process exited with code|Exit code:?) (-?\d+)`)

const headLines = 10

// exited reads the head that Codex writes before what a command has printed, up to "Output:". A command may print the
// same words, which say nothing about itself.
func exited(text string) (code string, said bool) {
	for i, line := range strings.SplitN(text, "\n", headLines+1) {
		if m := exitCode.FindStringSubmatch(line); m != nil {
			return m[1], true
		}
		if i == headLines || strings.HasPrefix(line, "Output:") || !strings.Contains(line, ":") {
			break
		}
	}
	return "", false
}

// Failed reports whether a tool's answer itself says that it failed: an exit code that is not 0, or an error. It is for
// those who have nothing but the answer: a tool may have printed the same words.
func Failed(raw json.RawMessage) bool {
	if Exited(raw) {
		return true
	}
	o := objectOf(raw)
	if text, ok := textOf(raw); ok {
		o = objectOf(json.RawMessage(text))
	}
	said := strings.TrimSpace(string(o["error"]))
	return nonZero(o["exit_code"]) || said != "" && said != "null" && said != `""` && said != "false" || isError(o) || string(o["success"]) == "false"
}

// Exited reports whether an agent says in a tool's answer that it failed: by an exit code that is not 0 where the agent
// writes it, or by is_error. What else stands there, and all of what stands in a text, is the tool's own.
func Exited(raw json.RawMessage) bool {
	if text, ok := textOf(raw); ok { // in which Codex writes the answer of a command
		if code, said := exited(text); said {
			return code != "0"
		}
		return nonZero(objectOf(objectOf(json.RawMessage(text))["metadata"])["exit_code"])
	}
	o := objectOf(raw)
	return nonZero(objectOf(o["metadata"])["exit_code"]) || nonZero(o["exit_code"]) || isError(o)
}

func textOf(raw json.RawMessage) (text string, ok bool) {
	return text, json.Unmarshal(raw, &text) == nil
}

// objectOf is an object by the names of its fields; nil when raw is none.
func objectOf(raw json.RawMessage) (o map[string]json.RawMessage) {
	_ = json.Unmarshal(raw, &o) // of another shape: says nothing
	return o
}

// nonZero reports whether an exit code, a number or a text, is one of a failure.
func nonZero(raw json.RawMessage) bool {
	var code json.Number
	return json.Unmarshal(raw, &code) == nil && code != "" && code != "0"
}

func isError(o map[string]json.RawMessage) bool {
	return string(o["is_error"]) == "true" || string(o["isError"]) == "true"
}
