package account

import "time"

// Session is one signed-in browser. What tells it from others, the cookie's value, is never part of it.
type Session struct {
	ID         string // its public handle; empty until it is stored
	User       User
	SignedInAt time.Time // when the password was last checked
	Agent      string    // what the browser calls itself
	Address    string    // where it signed in from
	CreatedAt  time.Time
	LastSeen   time.Time
	ExpiresAt  time.Time // it ends then unless it is used
	Deadline   time.Time // it ends then whatever happens
	// PasswordHash is the user's when the way in was checked, empty if there was none. It only goes into the store, which
	// starts no session of a user whose password has changed since.
	PasswordHash string
}

// LinkKind says what a one-time link does.
type LinkKind string

// The kinds of links.
const (
	LinkSetup  LinkKind = "setup"  // makes the first admin
	LinkInvite LinkKind = "invite" // sets a first password
	LinkReset  LinkKind = "reset"  // sets a new password
	LinkDemo   LinkKind = "demo"   // signs in with one click
)

// How long the links work that somebody hands over.
const (
	InviteLife = 7 * 24 * time.Hour
	ResetLife  = 24 * time.Hour
)

// DemoEmail is the account that "serve --demo" makes. It has no password: each start prints a link that signs in.
const DemoEmail = "demo@localhost"

// Link is a one-time link. Its secret is never kept.
type Link struct {
	Kind      LinkKind
	User      User // zero for LinkSetup
	ExpiresAt time.Time
}
