package transcript

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// maxTook is the longest that anybody believes a call to have taken.
const maxTook = 30 * 24 * time.Hour

// codexResult is what events say about calls.
type codexResult struct {
	Command    json.RawMessage            `json:"command"`
	Stdout     string                     `json:"stdout"`
	Stderr     string                     `json:"stderr"`
	Aggregated string                     `json:"aggregated_output"`
	ExitCode   int                        `json:"exit_code"`
	Success    *bool                      `json:"success"`
	Changes    map[string]json.RawMessage `json:"changes"`
	Query      string                     `json:"query"`
	Path       string                     `json:"path"`
	Invocation struct {
		Server    string          `json:"server"`
		Tool      string          `json:"tool"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"invocation"`
	Result struct {
		OK  json.RawMessage `json:"Ok"`
		Err json.RawMessage `json:"Err"`
	} `json:"result"`
	Duration struct {
		Secs  int64 `json:"secs"`
		Nanos int64 `json:"nanos"`
	} `json:"duration"`
}

// logged is a line of the log that the terminal interface keeps: few of them are events of the thread.
func (c *codex) logged(l codexLine, at time.Time, replaced bool) {
	switch l.Kind {
	case "codex_event":
		var e struct {
			Msg json.RawMessage `json:"msg"`
		}
		_ = json.Unmarshal(l.Payload, &e)
		c.event(payloadOf(e.Msg), at, replaced)
	case "session_start":
		c.dir, c.model = orElse(l.Dir, c.dir), orElse(l.Model, c.model)
		c.skip(l.Kind)
	default:
		c.skip(l.Kind)
	}
}

func (c *codex) event(p codexPayload, at time.Time, replaced bool) {
	switch p.Type {
	case "session_configured":
		c.session, c.dir, c.model = orElse(p.SessionID, c.session), orElse(p.Dir, c.dir), orElse(p.Model, c.model)
		c.skip(p.Type)
	case "user_message":
		if injected(p.Message) {
			c.skip("message of user")
			return
		}
		c.words(agent.KindPrompt, "event", p.Message, at, replaced)
	case "agent_message":
		c.words(agent.KindReply, "event", p.Message, at, replaced)
	case "task_complete", "turn_complete":
		c.words(agent.KindReply, "end", p.Last, at, replaced)
	case "turn_aborted":
		c.put(worklog.Draft{Title: "Turn aborted", Status: worklog.StatusWarning, Details: p.Reason, Key: c.moment(p.Type, p.Reason, at)}, at, replaced)
	case "context_compacted":
		c.put(worklog.Draft{Title: "Conversation compacted", Key: c.moment(p.Type, "", at)}, at, replaced)
	case "error", "stream_error":
		d := worklog.Draft{Title: orElse(agent.FirstLine(p.Message, 200), "Error"), Details: p.Message, Type: worklog.TypeError, Status: worklog.StatusError, Key: c.moment(p.Type, p.Message, at)}
		c.put(d, at, replaced)
	case "exec_approval_request", "apply_patch_approval_request":
		d := c.call(p)
		d.Title, d.Type, d.Status, d.Details = "Asks for permission: "+d.Title, worklog.TypeInfo, worklog.StatusWarning, p.Reason
		d.Parent = c.current(c.session, c.use(p, "event", at))
		d.Key = agent.Key(d.Parent, "permission")
		c.put(d, at, replaced)
	default:
		c.step(p, at, replaced)
	}
}

// step is the beginning or end of a call.
func (c *codex) step(p codexPayload, at time.Time, replaced bool) {
	switch p.Type {
	case "exec_command_begin", "patch_apply_begin", "mcp_tool_call_begin", "web_search_begin":
		d := c.call(p)
		d.Key = c.called(c.session, c.use(p, "event", at))
		c.common(&d)
		c.begin(d, at, replaced)
	case "exec_command_end", "patch_apply_end", "mcp_tool_call_end", "web_search_end":
		c.finished(p, at, replaced)
	default:
		c.skip(p.Type)
	}
}

// finished is the end of a call: of one that the file has begun, or of one of which it only has the end.
func (c *codex) finished(p codexPayload, at time.Time, replaced bool) {
	d := c.call(p)
	d.Key = c.answered(c.session, c.use(p, "event", at))
	d.Status, d.Details = p.outcome()
	c.common(&d)
	took := time.Duration(p.Duration.Secs)*time.Second + time.Duration(p.Duration.Nanos)
	begun := c.open[d.Key]
	switch {
	case begun == nil && took > 0 && took < maxTook && !replaced:
		from := at.Add(-took)
		d.StartedAt = &from
	case begun != nil && begun.row.Draft.Metadata["input"] == nil: // a search tells at its end what it was for
		begun.row.Draft.Title = d.Title
	}
	c.searched["event"+p.Query]++
	c.end(d, at, replaced)
}

// call is the entry of a call that an event announces.
func (c *codex) call(p codexPayload) worklog.Draft {
	x := agent.Call{Session: c.session, ID: p.callID(), Dir: orElse(p.Dir, c.dir)}
	switch {
	case p.Changes != nil:
		files := slices.Sorted(maps.Keys(p.Changes))
		x.Tool, x.Input = "apply_patch", inputOf("changes", p.Changes)
		if len(files) > 0 {
			x.Input = inputOf("file_path", files[0], "changes", p.Changes)
		}
	case p.Invocation.Tool != "":
		x.Tool, x.Input = "mcp__"+p.Invocation.Server+"__"+p.Invocation.Tool, p.Invocation.Arguments
	case len(p.Command) > 0:
		x.Tool, x.Input = "shell", inputOf("command", p.Command)
	default:
		x.Tool = strings.TrimSuffix(strings.TrimSuffix(p.Type, "_begin"), "_end")
		if p.Query != "" {
			x.Input = inputOf("query", p.Query)
		}
	}
	return x.Draft()
}

// inputOf returns an object of names and values.
func inputOf(pairs ...any) json.RawMessage {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	raw, _ := json.Marshal(m) // of what was JSON, and texts
	return raw
}

// outcome is how a call ended and what it said.
func (r codexResult) outcome() (worklog.Status, string) {
	said := orElse(r.Aggregated, strings.TrimSpace(strings.TrimSuffix(r.Stdout, "\n")+"\n"+r.Stderr))
	if said == "" {
		said = orElse(agent.Output(r.Result.OK), orElse(agent.Output(r.Result.Err), r.Query))
	}
	var answer struct {
		IsError bool `json:"isError"`
	}
	_ = json.Unmarshal(r.Result.OK, &answer)
	if r.ExitCode != 0 || r.Success != nil && !*r.Success || len(r.Result.Err) > 0 || answer.IsError {
		return worklog.StatusError, said
	}
	return worklog.StatusSuccess, said
}
