package worklog

import "time"

// Conversation is a named thread of work.
type Conversation struct {
	ID         string     `json:"id"`
	Key        string     `json:"key"` // the writer's own name for it, unique per owner; empty when made on a page
	Title      string     `json:"title"`
	Visibility Visibility `json:"visibility"`
	// Keep says that its entries are never deleted by retention.
	Keep bool `json:"keep"`
	// Pinned puts it on top of its owner's list.
	Pinned       bool       `json:"pinned"`
	Owner        string     `json:"owner"` // the owner's e-mail address
	EntryCount   int64      `json:"entry_count"`
	CreatedAt    time.Time  `json:"created_at"`
	LastEntryAt  *time.Time `json:"last_entry_at"`
	ArchivedAt   *time.Time `json:"archived_at"`
	WorkingCount int64      `json:"working_count"` // steps that are running now
}

// DisplayTitle is the title, or the key, or a neutral text: never empty.
func (c Conversation) DisplayTitle() string {
	switch {
	case c.Title != "":
		return c.Title
	case c.Key != "":
		return c.Key
	default:
		return "Untitled conversation"
	}
}

// State says what a conversation wants of its owner.
type State string

// The states, the most pressing first.
const (
	StateNeedsYou State = "needs_you" // an agent has asked for something, and waits
	StateFailed   State = "failed"    // the last thing that happened is a failure
	StateRunning  State = "running"
	StateSilent   State = "silent"    // it should be running, and there is no news for longer than is usual
	StateYourTurn State = "your_turn" // the agent has finished
	StateQuiet    State = "quiet"     // nobody waits
)

// States returns every state, the most pressing first.
func States() []State {
	return []State{StateNeedsYou, StateFailed, StateRunning, StateSilent, StateYourTurn, StateQuiet}
}
