package transcript

import (
	"regexp"
	"strings"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// notification is what Claude Code writes when a task in the background has news: a command, or a sub-agent.
type notification struct {
	text   string
	task   string // its id; that of a sub-agent is the sub-agent's
	status string
	said   string
}

const notificationTag = "<task-notification>"

var notificationField = regexp.MustCompile(`(?s)<(task-id|status|summary)>\s*(.*?)\s*</`)

// notificationOf reads a notification; false when text is none.
func notificationOf(text string) (n notification, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), notificationTag)
	if !ok {
		return n, false
	}
	if i := strings.LastIndex(rest, "</task-notification>"); i >= 0 {
		rest = rest[:i]
	}
	n.text = strings.TrimSpace(rest)
	facts := n.text
	begin, end := strings.Index(n.text, "<result>"), strings.LastIndex(n.text, "</result>") // in it may stand anything, such as tags
	if begin >= 0 && end > begin {
		n.said = strings.TrimSpace(n.text[begin+len("<result>") : end])
		facts = n.text[:begin] + n.text[end:]
	}
	for _, m := range notificationField.FindAllStringSubmatch(facts, -1) {
		switch m[1] {
		case "task-id":
			n.task = m[2]
		case "status":
			n.status = m[2]
		case "summary":
			n.said = orElse(n.said, m[2])
		}
	}
	return n, true
}

// notified shows what a notification says. The same one may be in the queue, beside a prompt and among the user's words.
func (c *claude) notified(l *claudeLine, n notification) {
	c.agentEnded(l, n)
	if l.parent != "" {
		c.skip("words to a sub-agent")
		return
	}
	c.put(l, worklog.Draft{Title: "A background task has news", Details: n.text, Key: agent.Key(l.session, "news", agent.TextHash(n.text))})
}

// agentEnded ends the sub-agent that a notification is about, if it says so.
func (c *claude) agentEnded(l *claudeLine, n notification) {
	end, ended := ends()[n.status]
	key := agent.AgentKey(l.session, n.task)
	known := c.agents.ended[key]
	if n.task == "" || !ended || known.status == end && known.said == n.said { // the first who says it says when
		return
	}
	c.agents.finished(key, ending{at: l.at, status: end, said: n.said})
}

// ends are the words for how a sub-agent has ended.
func ends() map[string]worklog.Status {
	return map[string]worklog.Status{
		"completed": worklog.StatusSuccess, "failed": worklog.StatusError, "error": worklog.StatusError,
		"killed": worklog.StatusWarning, "stopped": worklog.StatusWarning, "cancelled": worklog.StatusWarning, "interrupted": worklog.StatusWarning,
	}
}
