package view

import (
	"slices"
	"time"

	"github.com/a-h/templ"

	"github.com/worklogdev/worklog/worklog"
)

// stateWord says what a conversation wants. app.js says the same words when it finds that one has fallen silent.
func stateWord(s worklog.State) string {
	switch s {
	case worklog.StateNeedsYou:
		return "needs you"
	case worklog.StateFailed:
		return "failed"
	case worklog.StateRunning:
		return "running"
	case worklog.StateSilent:
		return "silent"
	case worklog.StateYourTurn:
		return "your turn"
	}
	return ""
}

// tabWord is how a state begins the title of a tab. The same words as in app.js.
func tabWord(s worklog.State) string {
	switch s {
	case worklog.StateNeedsYou:
		return "✋ Needs you · "
	case worklog.StateFailed:
		return "✕ Failed · "
	case worklog.StateRunning:
		return "▸ Running · "
	case worklog.StateSilent:
		return "… Silent · "
	case worklog.StateYourTurn:
		return "↩ Your turn · "
	}
	return ""
}

// pressingFor is how long a conversation counts among the pressing ones after its last news: nobody works for a day on
// end, and who has not answered until then does not need to be told by every tab.
const pressingFor = 24 * time.Hour

// pressing is the most pressing state: of what the page is about, else of the user's conversations.
func pressing(s Shell) worklog.State {
	if s.State != "" {
		return s.State
	}
	order := worklog.States()
	most := len(order) - 1
	for _, c := range s.Sidebar.Conversations {
		if i := slices.Index(order, c.State); i >= 0 && c.Mine && s.Now.Sub(lastActivity(c)) < pressingFor {
			most = min(most, i)
		}
	}
	return order[most]
}

// pressingState is a state that a list says in a word, too.
func pressingState(s worklog.State) bool {
	return s != worklog.StateRunning && stateWord(s) != ""
}

// stateClass is made of our own words only.
func stateClass(s worklog.State) string {
	if slices.Contains(worklog.States(), s) {
		return string(s)
	}
	return string(worklog.StateQuiet)
}

// stateAttributes are what app.js reads of a conversation: how it stands, and from when its running is silence.
func stateAttributes(c Conversation) templ.Attributes {
	a := templ.Attributes{"data-state": stateClass(c.State)}
	if c.State == worklog.StateRunning {
		a["data-silent-at"] = machine(c.SilentAt)
	}
	return a
}

// openWord is what is said of steps that have not ended: of silent ones nobody knows that they run.
func openWord(c Conversation) string {
	if c.State == worklog.StateSilent {
		return "open"
	}
	return "running"
}
