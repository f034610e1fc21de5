package view

import "time"

// Login is the page "/login". Its form posts email, password and next to the same path.
type Login struct {
	Shell
	Email string
	Next  string // where to go afterwards
	Wrong Wrong
}

// Confirm asks for the password again before something delicate ("/settings/confirm"). Its form posts password and
// next to the same path, or with them the form that waits. An account without a password has none to give: it needs a
// fresh link, and in a demo one click.
type Confirm struct {
	Shell
	Next        string
	Action      string  // of the form that waits; empty: a page does
	Fields      []Field // that were typed into it
	Download    bool    // the form brings a file, and this page stays
	Wrong       Wrong
	HasPassword bool
	OneClick    bool // the demo's own account
}

// Field is one field of a form and what was typed into it.
type Field struct{ Name, Value string }

// EnterKind says what a one-time link is for.
type EnterKind string

// The kinds of one-time links, and EnterUsed for one that is spent, out of date or unknown.
const (
	EnterAdmin  EnterKind = "admin"  // the first account: asks for e-mail and password
	EnterInvite EnterKind = "invite" // asks for a first password
	EnterReset  EnterKind = "reset"  // asks for a new password
	EnterDemo   EnterKind = "demo"   // asks for one click
	EnterUsed   EnterKind = "used"
)

// Enter is the page of a one-time link. Its form posts email (only EnterAdmin) and password to Action.
type Enter struct {
	Shell
	Kind        EnterKind
	Action      string
	Email       string
	Wrong       Wrong
	MinPassword int
}

// Tokens is the page "/settings/tokens". Revoking posts to /settings/tokens/{id}/revoke.
type Tokens struct {
	Shell
	Tokens  []Token
	Secret  string // of the token that was just created; shown this once
	Name    string // its name
	BaseURL string
}

// NewToken is the page "/settings/tokens/new". Its form posts name, scope (repeated), limit and expires (days, empty
// for never) to /settings/tokens.
type NewToken struct {
	Shell
	Scopes []Scope
	Form   TokenForm
	Wrong  Wrong
}

// Token is an API token as its owner sees it.
type Token struct {
	ID        string
	Name      string
	Prefix    string
	Scopes    []string
	Limit     int // 0: the installation's
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	LastUsed  time.Time // zero: never
	Expired   bool
}

// Scope is a right that the form offers.
type Scope struct {
	Value string
	Help  string
}

// TokenForm is what was typed into the form.
type TokenForm struct {
	Name    string
	Scopes  []string
	Limit   string
	Expires string // days
}

// Sessions is the page "/settings/sessions". Ending one posts to /settings/sessions/{id}/end, all others to
// /settings/sessions/end-others.
type Sessions struct {
	Shell
	Sessions []Session
}

// Session is one signed-in browser.
type Session struct {
	ID        string // its public handle, never the cookie's value
	Agent     string // what the browser calls itself
	Address   string
	CreatedAt time.Time
	LastSeen  time.Time
	ExpiresAt time.Time
	Current   bool
}

// Settings is the page "/settings". Its form posts current and password to /settings/password.
type Settings struct {
	Shell
	Wrong       Wrong
	Saved       bool
	HasPassword bool // false: the account has none yet, so the form does not ask for it
	MinPassword int
}
