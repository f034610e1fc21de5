package transcript

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// execItem is an item as "codex exec --json" prints it.
type execItem struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	Status    string          `json:"status"`
	Text      string          `json:"text"`
	Message   string          `json:"message"`
	Command   string          `json:"command"`
	Output    string          `json:"aggregated_output"`
	ExitCode  int             `json:"exit_code"`
	Server    string          `json:"server"`
	Tool      string          `json:"tool"`
	Arguments json.RawMessage `json:"arguments"`
	Result    json.RawMessage `json:"result"`
	Error     json.RawMessage `json:"error"`
	Query     string          `json:"query"`
	Changes   []struct {
		Path string `json:"path"`
		Kind string `json:"kind"`
	} `json:"changes"`
}

// executed is a line that "codex exec --json" prints. None of them has a time.
func (c *codex) executed(l codexLine, at time.Time, replaced bool) {
	switch l.Type {
	case "thread.started":
		c.session = orElse(l.ThreadID, c.session)
		c.skip(l.Type)
	case "error":
		c.failed(l.Message, at, replaced)
	case "turn.failed":
		c.failed(agent.Output(l.Error), at, replaced)
	case "item.started", "item.updated", "item.completed":
		var item execItem
		_ = json.Unmarshal(l.Item, &item) // what can be read of it
		c.printed(item, l.Type == "item.completed", at, replaced)
	default:
		c.skip(l.Type)
	}
}

// failed is the end of a turn by an error, which is printed twice.
func (c *codex) failed(message string, at time.Time, replaced bool) {
	if message == c.lastError && message != "" {
		c.lastError = ""
		c.skip("error that is there twice")
		return
	}
	c.lastError = message
	d := worklog.Draft{Title: orElse(agent.FirstLine(message, 200), "The turn failed"), Details: message, Type: worklog.TypeError, Status: worklog.StatusError}
	d.Key = agent.Key(c.session, "failed", c.saidSoFar, agent.TextHash(message), fmt.Sprint(c.nth(c.session, "", "failed", message)))
	c.put(d, at, replaced)
}

// printed is an item that has begun, has news or is complete.
func (c *codex) printed(item execItem, complete bool, at time.Time, replaced bool) {
	x := agent.Call{Session: c.session, Dir: c.dir}
	switch item.Type {
	case "agent_message":
		if complete {
			c.words(agent.KindReply, "exec", item.Text, at, replaced)
		}
		return
	case "error":
		c.put(worklog.Draft{
			Title: orElse(agent.FirstLine(item.Message, 200), "Warning"), Details: item.Message, Type: worklog.TypeError, Status: worklog.StatusWarning, Key: c.execKey(item, item.Message),
		}, at, replaced)
		return
	case "command_execution":
		x.Tool, x.Input = "shell", inputOf("command", unwrapShell(item.Command))
	case "file_change":
		x.Tool, x.Input = "apply_patch", inputOf("changes", item.Changes)
		if len(item.Changes) > 0 {
			x.Input = inputOf("file_path", item.Changes[0].Path, "changes", item.Changes)
		}
	case "mcp_tool_call":
		x.Tool, x.Input = "mcp__"+item.Server+"__"+item.Tool, item.Arguments
	case "collab_tool_call":
		x.Tool, x.Input = orElse(item.Tool, item.Type), item.Arguments
	case "web_search":
		x.Tool, x.Input = item.Type, inputOf("query", item.Query)
	default: // reasoning, todo_list, and what comes tomorrow
		c.skip(orElse(item.Type, "item without a type"))
		return
	}
	d := x.Draft()
	d.Key = c.execKey(item, d.Title)
	c.common(&d)
	c.progress(d, item, complete, at, replaced)
}

// progress begins or ends the call of an item.
func (c *codex) progress(d worklog.Draft, item execItem, complete bool, at time.Time, replaced bool) {
	if !complete {
		if len(c.items) < maxAgents {
			c.items[item.ID] = d.Key
		}
		c.begin(d, at, replaced)
		return
	}
	delete(c.items, item.ID)
	d.Status, d.Details = item.outcome()
	if c.open[d.Key] == nil && !c.ended[d.Key] { // nobody saw it begin
		c.add(d, at, replaced)
		return
	}
	c.end(d, at, replaced)
}

// execKey names an item. Ids begin anew with each run, and a thread may have several: what the item is about, and what
// was said before it, tell them apart.
func (c *codex) execKey(item execItem, about string) string {
	if key := c.items[item.ID]; key != "" {
		return key
	}
	return agent.Key(c.session, item.ID, agent.TextHash(item.Type+"\x00"+c.saidSoFar+"\x00"+about))
}

func (item execItem) outcome() (worklog.Status, string) {
	said := orElse(item.Output, orElse(agent.Output(item.Error), agent.Output(item.Result)))
	for _, change := range item.Changes {
		said += strings.TrimSpace(change.Kind+" "+change.Path) + "\n"
	}
	said = strings.TrimSuffix(said, "\n")
	switch {
	case item.Status == "declined":
		return worklog.StatusWarning, said
	case item.Status == "failed", item.ExitCode != 0:
		return worklog.StatusError, said
	}
	return worklog.StatusSuccess, said
}

// wrapped finds what a shell was told, in the text of the call of a shell.
var wrapped = regexp.MustCompile(`(?s)^(?:\S*/)?(?:bash|zsh|sh) -l?c (?:'(.*)'|"(.*)"|(.*))$`)

func unwrapShell(command string) string {
	if m := wrapped.FindStringSubmatch(command); m != nil {
		return m[1] + m[2] + m[3]
	}
	return command
}
