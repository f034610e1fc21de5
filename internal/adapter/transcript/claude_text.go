package transcript

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// tag finds what Claude Code writes into a person's words: the name of a command, or what a command has printed.
var tag = regexp.MustCompile(`(?s)<(command-name|command-args|bash-input|bash-stdout|bash-stderr|local-command-stdout|local-command-stderr)>(.*?)</`)

// tagged finds texts that begin with such a tag, or with one that says less than those behind it.
var tagged = regexp.MustCompile(`(?s)^\s*(?:<command-message>.*?</command-message>\s*)?<(?:command-name|command-args|bash-input|bash-stdout|bash-stderr|local-command-stdout|local-command-stderr|task-notification)>`)

func (c *claude) user(l *claudeLine) {
	_, list := c.blocks(l)
	results := 0
	for _, b := range list {
		if b.Type == "tool_result" {
			results++
		}
	}
	for i, b := range list {
		switch {
		case b.Type == "tool_result":
			c.result(l, b, i, results == 1)
		case l.Meta || b.Type != "text" || strings.TrimSpace(b.Text) == "":
			c.skip("user " + b.Type + " without words")
		case l.CompactSummary:
			c.put(l, worklog.Draft{Title: "Continued from a summary", Details: b.Text, Key: agent.Key(l.session, l.UUID)})
		default:
			c.words(l, b.Text)
		}
	}
}

// words are what a person has written, or what Claude Code writes in their place.
func (c *claude) words(l *claudeLine, text string) {
	if n, ok := notificationOf(text); ok {
		c.notified(l, n)
		return
	}
	said := map[string]string{}
	if strings.HasPrefix(strings.TrimSpace(text), "<") {
		for _, m := range tag.FindAllStringSubmatch(text, -1) {
			said[m[1]] = strings.TrimSpace(m[2])
		}
	}
	key := agent.Key(l.session, l.UUID)
	output := strings.TrimSpace(said["bash-stdout"] + said["local-command-stdout"] + "\n" + said["bash-stderr"] + said["local-command-stderr"])
	switch {
	case l.parent != "":
		c.task(l, text)
	case said["command-name"] != "":
		c.prompt(l, strings.TrimSpace(said["command-name"]+" "+said["command-args"]))
	case said["bash-input"] != "":
		c.put(l, worklog.Draft{Title: "! " + said["bash-input"], Details: said["bash-input"], Key: key, Type: worklog.TypeToolCall, Tool: "Bash"})
	case output != "":
		c.put(l, worklog.Draft{Title: "Output: " + output, Details: output, Key: key})
	case len(said) > 0:
		c.skip("empty output")
	case strings.HasPrefix(text, "[Request interrupted by user"):
		c.put(l, worklog.Draft{Title: "Interrupted by the user", Details: text, Status: worklog.StatusWarning, Key: key})
	default:
		c.prompt(l, text)
	}
}

// task is the first word of a sub-agent's caller: it says what the sub-agent is for.
func (c *claude) task(l *claudeLine, text string) {
	h := c.helpers[l.parent]
	if h == nil || h.step.row.Draft.Details != "" || h.step.out {
		c.skip("words to a sub-agent")
		return
	}
	s := h.step
	s.row.Draft.Details = text
	if s.row.Draft.Title == "Subagent" {
		s.row.Draft.Title = "Subagent: " + agent.FirstLine(text, 120)
	}
}

// prompt is what a person wants from the agent. One that was queued and taken in the middle of a turn may come again as
// a line of its own.
func (c *claude) prompt(l *claudeLine, text string) {
	if q := c.queued[l.session]; q.taken[agent.TextHash(text)] > 0 {
		q.taken[agent.TextHash(text)]--
		c.skip("prompt that was queued")
		return
	}
	c.put(l, agent.Prompt(l.session, "", text, c.nth(l.session, "", agent.KindPrompt, text)))
}

func (c *claude) queueOperation(l *claudeLine) {
	q := c.queued[l.session]
	switch l.Operation {
	case "enqueue":
		if text := agent.Output(l.Content); strings.TrimSpace(text) != "" {
			q.waiting = append(q.waiting, text)
			if n, ok := notificationOf(text); ok { // nobody takes it from the queue when the session ends before
				c.agentEnded(l, n)
			}
		}
	case "remove", "dequeue":
		if len(q.waiting) > 0 {
			text := q.waiting[0]
			q.waiting = q.waiting[1:]
			c.queued[l.session] = q
			c.takeQueued(l, text)
			return
		}
	case "popAll":
		q.waiting = nil
	}
	c.queued[l.session] = q
	c.skip(l.Type)
}

// takeQueued is a prompt that the agent has taken from the queue.
func (c *claude) takeQueued(l *claudeLine, text string) {
	if strings.HasPrefix(strings.TrimSpace(text), "<") {
		c.words(l, text)
		return
	}
	c.prompt(l, text)
	q := c.queued[l.session]
	if q.taken == nil {
		q.taken = map[string]int{}
	}
	q.taken[agent.TextHash(text)]++
	c.queued[l.session] = q
}

// attachment is something that was put beside a prompt; only a prompt that was queued is an entry.
func (c *claude) attachment(l *claudeLine) {
	var a struct {
		Type   string          `json:"type"`
		Prompt json.RawMessage `json:"prompt"`
	}
	_ = json.Unmarshal(l.Attachment, &a)
	text := agent.Output(a.Prompt)
	if a.Type != "queued_command" || strings.TrimSpace(text) == "" {
		c.skip(l.Type)
		return
	}
	c.words(l, text)
}

func (c *claude) system(l *claudeLine) {
	key := agent.Key(l.session, l.UUID)
	content := agent.Output(l.Content)
	switch {
	case l.Subtype == "api_error":
		d := worklog.Draft{Type: worklog.TypeError, Status: worklog.StatusWarning, Title: "API error", Details: agent.Output(l.Error), Key: key}
		if l.RetryAttempt > 0 {
			d.Title = fmt.Sprintf("API error, attempt %d", l.RetryAttempt)
		}
		c.put(l, d)
	case l.Subtype == "compact_boundary":
		d := worklog.Draft{Title: "Conversation compacted", Key: key}
		var facts struct {
			Trigger string `json:"trigger"`
			Tokens  int64  `json:"preTokens"`
		}
		if json.Unmarshal(l.Compact, &facts) == nil {
			agent.Note(&d, "trigger", facts.Trigger)
			agent.Note(&d, "tokens_before", facts.Tokens)
		}
		c.put(l, d)
	case strings.TrimSpace(content) == "" || l.Meta:
		c.skip("system " + l.Subtype)
	case !tagged.MatchString(content): // a word of the program to its user
		c.put(l, worklog.Draft{Title: agent.FirstLine(content, worklog.MaxTitleChars), Details: content, Key: key})
	default:
		c.words(l, content)
	}
}
