// Package view turns plain structs into HTML. It is pure: no request, no store, no clock of its own.
//
// Decisions. An entry row depends on its entry alone (absolute time, no viewer, no form), so one rendering serves
// pages, streams, polling and permalinks. Whatever people or agents wrote passes through [Text] or [Line] and stays
// text: templ escapes it, hx-disable fences it, and no attribute that htmx or the browser acts upon carries it.
// Styles are classes of one style sheet; the strict content policy of the server allows no others.
package view

import (
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Shell is what every page has around its content.
type Shell struct {
	Title   string // of the browser tab; "Worklog" is added
	Path    string // of this page with its query; where the theme switch returns to
	Email   string // of the user who is signed in; empty: nobody is
	User    int64  // its id, which whatever the page asks later comes with
	Admin   bool
	Demo    bool          // shows the banner that says so
	Theme   string        // "light", "dark", or empty for the system's
	Version string        // of the program; pages reload when it changes
	Notice  string        // what was just done, shown once
	State   worklog.State // of what the page is about; empty: the most pressing one of the conversations beside it
	Now     time.Time
	Asset   func(name string) string // the url of a file in package static
	Sidebar Sidebar
	// Dashboard: what is live on the page is a dashboard, not a list of entries.
	Dashboard bool
}

// Sidebar is the list of conversations beside every page of a signed-in user on wide screens.
type Sidebar struct {
	Conversations []Conversation // pinned first, then by last activity
	Current       string         // id of the conversation that the page shows
}

// Conversation is a conversation as lists show it.
type Conversation struct {
	worklog.Conversation
	Mine     bool  // the viewer owns it
	Failed   int64 // steps that failed
	State    worklog.State
	SilentAt time.Time // from when it counts as silent, if it runs and there is no news
}

// Row is what one entry row shows; nothing of the viewer.
type Row struct {
	worklog.Entry
	DetailsBytes int           // the full length of Details, which may hold only its beginning
	Inferred     bool          // nobody reported the end
	AskedAt      time.Time     // since when a running step waits for a permission; zero: it does not
	SilentAfter  time.Duration // a running step without news for longer than this is silent
	Redacted     int           // secrets that were replaced before it was stored
	Unfolded     bool          // all of a long output is shown at once: somebody has asked for it
}

// Feed is a list of entries with its filters.
type Feed struct {
	Path   string // of the page without its query; links, stream and polling urls start with it
	Filter Filter
	Rows   []Row // in the order shown
	Oldest bool  // the oldest entry comes first, as in conversations
	Cursor int64 // the owner's last rev, read in the same snapshot as Rows
	Epoch  string
	Older  int64 // the ?before= of the entries before these; 0: there are none
	Before int64 // the ?before= that this page was asked for; not 0: it shows the past and does not follow
}

// Activity is the page "/": everything of one user, newest first. Unfiled is the same page of entries without
// conversation.
type Activity struct {
	Shell
	Feed
	Unfiled bool
	Setup   Setup
}

// Setup is what an empty page tells a newcomer.
type Setup struct {
	BaseURL string // of this installation
	Key     string // the key of the conversation that the command should write into; empty: none
}

// Conversations is the page "/conversations".
type Conversations struct {
	Shell
	List     []Conversation
	Query    string
	Archived bool
	Team     bool
	Next     string // the ?before= of the next page; empty: the end
	Cursor   int64  // the viewer's last rev, read before List
	Epoch    string
	Setup    Setup
}

// ConversationPage is one conversation with its entries, oldest first.
type ConversationPage struct {
	Shell
	Feed
	Conversation Conversation
	Setup        Setup
	DeleteAfter  time.Duration // when retention deletes entries that are not kept; 0: never
}

// EntryPage is the permalink of one entry, with all of its details.
type EntryPage struct {
	Shell
	Row
	Cursor       int64 // the owner's last rev, read before the entry
	Epoch        string
	Conversation Conversation // zero when it belongs to none
	Token        string       // who wrote it: name and prefix of the token; empty: unknown or not the viewer's to see
}

// DeleteConversation asks whether to delete a conversation.
type DeleteConversation struct {
	Shell
	Conversation Conversation
}

// Problem is an error page.
type Problem struct {
	Shell
	Status    int
	Heading   string
	Text      string
	Fields    []worklog.FieldError
	RequestID string
	LinkHref  string // where to go from here; empty: home
	LinkText  string
}
