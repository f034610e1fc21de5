// Package replay turns recorded hook events of a coding agent into drafts and writes them again at the agent's pace, or
// faster: a real session for tests to watch. Tests alone use it; it knows just enough of the format to be lifelike, and
// is not the door for agents.
package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// thinking is the pause before an event whose time nobody recorded.
	thinking = 2 * time.Second
	// maxLine bounds one recorded event: a tool's whole output.
	maxLine = 16 << 20
	// titleChars is how much of a command or prompt goes into a title.
	titleChars = 160
)

// Beat is one draft and its moment since the session began.
type Beat struct {
	At    time.Duration
	Draft worklog.Draft
}

// event is one line of a recording: the body of a hook.
type event struct {
	Session   string          `json:"session_id"`
	Name      string          `json:"hook_event_name"`
	PromptID  string          `json:"prompt_id"`
	Prompt    string          `json:"prompt"`
	Tool      string          `json:"tool_name"`
	ToolUseID string          `json:"tool_use_id"`
	Input     map[string]any  `json:"tool_input"`
	Response  json.RawMessage `json:"tool_response"`
	Error     string          `json:"error"`
	Duration  int64           `json:"duration_ms"`
}

// Read turns a recording, one event a line, into drafts: a tool starts as a running step, and completes in place.
func Read(r io.Reader) ([]Beat, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var beats []Beat
	at := time.Duration(0)
	started := make(map[string]time.Duration)
	for n := 1; lines.Scan(); n++ {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		d, err := e.draft()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if begun, ends := started[e.ToolUseID]; ends && e.ToolUseID != "" {
			at = max(at, begun+time.Duration(e.Duration)*time.Millisecond)
		} else {
			if len(beats) > 0 {
				at += thinking
			}
			started[e.ToolUseID] = at
		}
		beats = append(beats, Beat{At: at, Draft: d})
	}
	return beats, lines.Err()
}

// Play writes beats, speed times as fast as they were recorded. It returns the error of the first draft that was not
// taken as it is.
func Play(ctx context.Context, beats []Beat, speed float64, to *worklog.Client) error {
	began := time.Now()
	for _, b := range beats {
		if err := until(ctx, began.Add(time.Duration(float64(b.At)/speed))); err != nil {
			return err
		}
		receipts, err := to.Append(ctx, b.Draft)
		if err != nil {
			return err
		}
		if o := receipts[0].Outcome; o != worklog.OutcomeStored && o != worklog.OutcomeUpdated {
			return fmt.Errorf("%q: outcome %s: %s", b.Draft.Title, o, receipts[0].Reason)
		}
	}
	return nil
}

func until(ctx context.Context, at time.Time) error {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (e *event) draft() (worklog.Draft, error) {
	d := worklog.Draft{
		Conversation: e.Session, ConversationTitle: "Recorded session", Source: "claude-code", Tool: e.Tool, Type: typeOf(e.Tool),
		Key: e.Session + "/" + e.ToolUseID, Title: e.Tool,
	}
	if s := e.subject(); s != "" {
		d.Title = e.Tool + ": " + s
	}
	switch e.Name {
	case "UserPromptSubmit":
		d.Type, d.Title, d.Details, d.Key = worklog.TypeInfo, "Prompt: "+firstLine(e.Prompt), e.Prompt, e.Session+"/"+e.PromptID
	case "Stop":
		d.Type, d.Title, d.Key = worklog.TypeInfo, "Stopped", e.Session+"/stop/"+e.PromptID
	case "PreToolUse":
		d.Status = worklog.StatusWorking
	case "PostToolUse":
		d.Status, d.Details = worklog.StatusSuccess, output(e.Response)
	case "PostToolUseFailure":
		d.Status, d.Details = worklog.StatusError, e.Error
	default:
		return d, fmt.Errorf("unknown event %q", e.Name)
	}
	return d, nil
}

func typeOf(tool string) worklog.Type {
	switch tool {
	case "Read", "Write", "Edit", "MultiEdit", "NotebookEdit":
		return worklog.TypeFileOperation
	default:
		return worklog.TypeToolCall
	}
}

// subject is what a tool was used on.
func (e *event) subject() string {
	for _, name := range []string{"command", "file_path", "pattern", "subject", "skill", "description", "prompt"} {
		if s, ok := e.Input[name].(string); ok && s != "" {
			return firstLine(s)
		}
	}
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return worklog.Cut(line, titleChars)
}

// output is what a tool has answered, as text where there is one.
func output(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var known struct {
		Stdout, Stderr, Content string
		File                    struct{ Content string }
	}
	if json.Unmarshal(raw, &known) == nil {
		if s := known.Stdout + known.Stderr + known.Content + known.File.Content; s != "" {
			return s
		}
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}
