package view

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/worklogdev/worklog/worklog"
)

// User is an account as administrators see it.
type User struct {
	ID       int64
	Email    string
	Admin    bool
	Disabled bool
	Invited  bool // has no password yet
	Erasing  bool
	Erased   bool
	Limit    int // new entries a minute; 0: the installation's
	AddedAt  time.Time
	Entries  int64
	LastUsed time.Time // when an entry was last logged; zero: never
	Tokens   int
	Sessions int
}

// Users is the page "/admin/users".
type Users struct {
	Shell
	List  []User
	Query string
	Next  string // the ?after= of the next page; empty: the end
}

// NewUser is the page "/admin/users/new". Its form posts email and role to /admin/users.
type NewUser struct {
	Shell
	Email string
	Admin bool // the role that was chosen
	Wrong Wrong
}

// UserLink shows a one-time link, this once.
type UserLink struct {
	Shell
	User  User
	Link  string
	Reset bool // the user has a password already
	Until time.Time
}

// UserPage is the page "/admin/users/{id}". Its forms post to paths below its own.
type UserPage struct {
	Shell
	User         User
	Self         bool // the viewer's own account
	DefaultLimit int  // the installation's
	Stats        worklog.Stats
	Browsers     []Session
	Keys         []Token
	Holds        []Hold
	Acts         []Act
	Until        time.Time // when the viewer's reading of private entries ends; zero: it has not begun
	Form         string    // the form that comes back, as its address ends; empty: none of those that ask for something
	Typed        string    // into it
	Wrong        Wrong
}

// wrong is what is wrong in a form of the page.
func (v UserPage) wrong(form string) Wrong {
	if form != v.Form {
		return nil
	}
	return v.Wrong
}

// typed is what stands in the field of a form: what was typed if it comes back.
func (v UserPage) typed(form, otherwise string) string {
	if form != v.Form || form == "" {
		return otherwise
	}
	return v.Typed
}

// EraseUser is the page "/admin/users/{id}/erase". Its form posts confirm (the address) and reason to the same path.
type EraseUser struct {
	Shell
	User    User
	Holds   int
	Reason  string // that was typed
	Confirm string
	Wrong   Wrong
}

// Hold is a conversation that neither sweep, deletion nor erasure touches.
type Hold struct {
	ID      string // of the conversation
	OwnerID int64
	Owner   string
	Entries int64
	Since   time.Time // zero: unknown
	Reason  string
	By      string
}

// Holds is the page "/admin/holds". Its form posts conversation and reason to the same path.
type Holds struct {
	Shell
	List         []Hold
	Gone         bool   // Released is under hold no more
	Released     string // the conversation whose form of release comes back; empty: that of a new hold
	Conversation string // that was typed
	Reason       string
	Wrong        Wrong
}

// released is what comes back of the form that releases h.
func (v Holds) released(h Hold) (reason string, wrong Wrong) {
	if v.Released != h.ID {
		return "", nil
	}
	return v.Reason, v.Wrong
}

// AdminTokens is the page "/admin/tokens". Revoking posts to /admin/tokens/{id}/revoke.
type AdminTokens struct {
	Shell
	List  []OwnedToken
	Query string
	Which string // "", "unused" or "powerful"
	Next  string // the ?before= of the next page
}

// OwnedToken is a token and whose it is.
type OwnedToken struct {
	Token
	OwnerID int64
	Owner   string
}

// Reading is the page "/admin/users/{id}/entries": private entries that a reason has opened, or the form that asks for
// one. The form posts reason to /admin/users/{id}/read.
type Reading struct {
	Shell
	User          User
	Until         time.Time // zero: no reason was given yet
	Reason        string    // that was typed
	Wrong         Wrong
	Conversations []Conversation
	Conversation  Conversation // the one that is shown; zero: all
	Rows          []Row
	Older         int64 // the ?before= of the next page; 0: there is none
}

// link is the address of the user's page, or of something below it.
func (u User) link(below string) templ.SafeURL { return userURL(u.ID) + templ.SafeURL(below) }

func userURL(id int64) templ.SafeURL { return templ.SafeURL("/admin/users/" + idText(id)) }

func idText(id int64) string { return strconv.FormatInt(id, 10) }

func revokeURL(t Token) templ.SafeURL { return templ.SafeURL("/admin/tokens/" + t.ID + "/revoke") }

func releaseURL(h Hold) templ.SafeURL { return templ.SafeURL("/admin/holds/" + h.ID + "/release") }

func auditAbout(u User) templ.SafeURL { return pageURL("/admin/audit", "user", idText(u.ID)) }

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// stateWords are what is special about an account.
func (u User) stateWords() (words []string) {
	switch {
	case u.Erased:
		return []string{"erased"}
	case u.Erasing:
		return []string{"being erased"}
	}
	if u.Admin {
		words = append(words, "administrator")
	}
	if u.Disabled {
		words = append(words, "disabled")
	}
	if u.Invited {
		words = append(words, "no password yet")
	}
	return words
}

// userFacts is what is counted of a user in one line.
func userFacts(u User) string {
	words := []string{"since " + date(u.AddedAt), count(u.Entries, "entry")}
	if u.Tokens > 0 {
		words = append(words, count(int64(u.Tokens), "token"))
	}
	if u.Limit > 0 {
		words = append(words, thousands(int64(u.Limit))+" a minute")
	}
	return strings.Join(words, " · ")
}

func limitText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (v Users) nextURL() templ.SafeURL { return pageURL("/admin/users", "q", v.Query, "after", v.Next) }

func (v AdminTokens) url(which, before string) templ.SafeURL {
	return pageURL("/admin/tokens", "q", v.Query, "which", which, "before", before)
}

func (v Reading) url(conversation string, before int64) templ.SafeURL {
	older := ""
	if before > 0 {
		older = strconv.FormatInt(before, 10)
	}
	return pageURL("/admin/users/"+idText(v.User.ID)+"/entries", "conversation", conversation, "before", older)
}

// pageURL is a path with those of the pairs that have a value.
func pageURL(path string, pairs ...string) templ.SafeURL {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return templ.SafeURL(path)
}

// eraseWords says what an erasure takes.
func eraseWords(u User) string {
	return count(u.Entries, "entry") + ", the conversations, " + count(int64(u.Tokens), "token") + ", sessions and the name go for ever. What was counted stays, under a number."
}
