package hook

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// maxTexts bounds what is looked at of a list of background tasks.
const maxTexts = 1000

// Ends is what can not be running any more: an agent that stops waits for none of its calls but those in the
// background; a session that ends leaves nothing.
type Ends struct {
	session    string
	agent      string // the sub-agent that stopped; empty for the session's own
	all        bool
	before     time.Time // what began later does not end
	silent     bool      // the event does not say what is in the background
	background []string  // every text that the event's background tasks have
}

// ends is what ends when an agent stops.
func (e *Event) ends(agentID string) *Ends {
	tasks := e.fields["background_tasks"]
	return &Ends{session: e.session(), agent: agentID, before: e.now, silent: len(tasks) == 0 || string(tasks) == "null", background: texts(tasks)}
}

// Since tells that the event came before, and was stored then as known: what has begun since is none of its business.
func (x *Ends) Since(known *worklog.Entry) {
	at := known.EndedAt
	if at.IsZero() {
		at = known.LoggedAt
	}
	if at.Before(x.before) {
		x.before = at
	}
}

// Conversation is the key of the conversation whose entries may end.
func (x *Ends) Conversation() string { return agent.Conversation(x.session) }

// Draft returns how e ends, and false when it may still be running, or belongs to somebody else.
func (x *Ends) Draft(e worklog.Entry) (worklog.Draft, bool) {
	if e.Status != worklog.StatusWorking || !strings.HasPrefix(e.Key, x.session+"/") || e.StartedAt.After(x.before) || !x.all && !x.mine(e) {
		return worklog.Draft{}, false
	}
	return worklog.Draft{
		Conversation: x.Conversation(), Key: e.Key, Title: e.Title, Type: e.Type, Status: worklog.StatusWarning,
		Metadata: worklog.Metadata{agent.NoResult: true},
	}, true
}

// mine reports whether e is a call of the agent that stopped, and not in the background.
func (x *Ends) mine(e worklog.Entry) bool {
	parent := ""
	if x.agent != "" {
		parent = agent.AgentKey(x.session, x.agent)
	}
	if e.Parent != parent || strings.HasPrefix(e.Key, agent.AgentKey(x.session, "")) {
		return false
	}
	if len(x.background) == 0 && !x.silent {
		return true
	}
	input, _ := e.Metadata["input"].(map[string]any)
	if later, _ := input["run_in_background"].(bool); later {
		return false
	}
	for _, v := range []any{strings.TrimPrefix(e.Key, x.session+"/"), input["command"], input["description"], input["prompt"]} {
		if s, ok := v.(string); ok && s != "" && slices.Contains(x.background, s) {
			return false
		}
	}
	return true
}

// texts returns every text in a JSON value, in whatever fields: nobody promises what a background task is made of.
func texts(raw json.RawMessage) (all []string) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	for todo := []any{v}; len(todo) > 0 && len(all) < maxTexts; {
		v, todo = todo[0], todo[1:]
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case []any:
			todo = append(todo, v...)
		case map[string]any:
			for _, x := range v {
				todo = append(todo, x)
			}
		}
	}
	return all
}
