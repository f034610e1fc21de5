package transcript

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// thread is where the rows of a thread stand that another one has started: in the conversation of the one that nobody
// has started, under a row of their own. The zero thread stands for itself.
type thread struct {
	conversation string
	row          string // the key of its row
}

// codexOrigin is what the head of a rollout says about where its thread has come from.
type codexOrigin struct {
	Parent   string          `json:"parent_thread_id"`
	Nickname string          `json:"agent_nickname"`
	Role     string          `json:"agent_role"`
	Source   json.RawMessage `json:"source"`
}

// parent is the thread that has started this one; empty when a person has.
func (o codexOrigin) parent() string {
	var source struct {
		Subagent struct {
			Spawn codexOrigin `json:"thread_spawn"`
		} `json:"subagent"`
	}
	_ = json.Unmarshal(o.Source, &source) // of other threads it is a word
	return orElse(o.Parent, source.Subagent.Spawn.Parent)
}

// spawned gives the thread of the file a row if another thread has started it.
func (c *codex) spawned(o codexOrigin, at time.Time, replaced bool) {
	parent := o.parent()
	if parent == "" || parent == c.session {
		return
	}
	up := c.agents.threads[parent]
	c.own = thread{orElse(up.conversation, parent), agent.AgentKey(parent, c.session)}
	if len(c.agents.threads) < maxAgents {
		c.agents.threads[c.session] = c.own
	}
	d := worklog.Draft{Title: strings.TrimSpace("Subagent " + orElse(o.Nickname, o.Role)), Key: c.own.row, Parent: up.row, Status: worklog.StatusWorking}
	if !replaced {
		d.StartedAt = &at
	}
	h := &helper{step: c.put(d, at, replaced), last: at}
	h.step.waiting = true
	c.helpers[c.own.row] = h
}

// heard notes a sign of life of a thread that has a row.
func (c *codex) heard(kind string, at time.Time) {
	h := c.helpers[c.own.row]
	if h == nil || kind == "token_count" {
		return
	}
	h.last, h.done = at, kind == "task_complete" || kind == "turn_complete"
}

// Flush hands out everything as it stands. A thread that has completed its task has ended.
func (c *codex) Flush(now time.Time) []Row {
	c.finishHelpers(c.helpers, c.agents, true)
	return c.track.Flush(now)
}

// Close returns what is left.
func (c *codex) Close() ([]Row, error) {
	c.finishHelpers(c.helpers, c.agents, true)
	return c.rest(), nil
}
