package hub

import (
	"context"
	"time"
)

// Watch is what an open page or a program asks for. The caller has checked that the user may see it.
type Watch struct {
	User  int64 // who watches
	Owner int64 // whose feed; another user's for a conversation of the team
	// Conversation is empty for all of the owner's feed.
	Conversation string
	// UnfiledAt is when, by [Hub.Now], a page was read that shows only what belongs to no conversation; zero: another page.
	UnfiledAt time.Time
	// Entry is empty for all of them; else the tab shows one entry alone.
	Entry string
	// Session and Token are what the stream ends with; one of them is set.
	Session, Token string
	// TabID names the open document, and Generation counts its resumes. A stream without a TabID belongs to a program:
	// it is never evicted, but refused when there are too many.
	TabID      string
	Generation int
	Format     Format
	After      int64 // the rev up to which the page is complete
	// MaxBehind is how many changes may be replayed before the tab ends as EndBehind; 0: any number.
	MaxBehind int
	Expires   time.Time // of the session or token; zero: never
	// AsOf is when the caller began to find out who the user is and what they may read: what was closed after that counts.
	AsOf time.Time
	// Read replaces the feed's frames for a tab that shows only some: the same contract as Source.Frames. Such a tab
	// does not use the ring.
	Read func(ctx context.Context, after int64, limit int) ([]*Frame, error)
}

// program names the account of streams that a watch without a tab counts on.
func (w *Watch) program() string {
	if w.TabID != "" {
		return ""
	}
	return w.principal()
}

// principal is the session or token that the watch ends with.
func (w *Watch) principal() string {
	if w.Token != "" {
		return w.Token
	}
	return w.Session
}

// End says why a tab is over.
type End uint8

// The ends. The zero End means that the tab is open.
const (
	// Terminal ends: the page says why and does not come back by itself.
	EndEvicted   End = iota + 1 // too many tabs, and this was the oldest
	EndSignedOut                // the session or token ended
	EndGone                     // the conversation was deleted, or may not be read any more
	EndRefused                  // the token has too many streams already
	// EndBehind: the page has to be loaded again.
	EndBehind
	// Transient ends: the page comes back at once, from its cursor.
	EndAged
	EndStopping // the server shuts down
	EndSlow     // the reader took too long
	EndBusy     // too many tabs in the process, or the database has no place for a replay
	EndFailed   // the database or a rendering failed
	EndReplaced // the same tab opened a new stream
	EndRecheck  // rights have changed: who may still read comes back
	EndLeft     // the reader has gone
)

// Terminal reports whether the tab must not come back by itself.
func (e End) Terminal() bool { return e >= EndEvicted && e <= EndRefused }

// String returns the word for e in events, logs and metrics.
func (e End) String() string {
	words := [...]string{
		0: "open", EndEvicted: "evicted", EndSignedOut: "signed-out", EndGone: "gone", EndRefused: "refused", EndBehind: "behind", EndAged: "age",
		EndStopping: "shutdown", EndSlow: "slow", EndBusy: "busy", EndFailed: "error", EndReplaced: "replaced", EndRecheck: "recheck", EndLeft: "left",
	}
	return words[e]
}
