package view

import (
	"time"

	"github.com/a-h/templ"
)

// Act is a line of the audit list.
type Act struct {
	At        time.Time
	Actor     string // an address, or "command line"
	ActorID   int64  // 0: not a user
	Action    string
	Subject   string
	SubjectID int64 // 0: nobody
	Object    string
	Detail    string
	Reason    string
	Address   string
}

// Audit is the page "/admin/audit".
type Audit struct {
	Shell
	Acts   []Act
	Action string   // the one that is shown; empty: all
	About  User     // the user that is shown; zero: all
	Kinds  []string // of actions, for the filter
	Next   string   // the ?before= of the next page
}

// OwnData is the page "/settings/data": what administrators did with the account, and the way to take everything out.
// Its form posts to /settings/export.
type OwnData struct {
	Shell
	Acts    []Act
	Entries int64
}

func (v Audit) url(action, before string) templ.SafeURL {
	about := ""
	if v.About.ID != 0 {
		about = idText(v.About.ID)
	}
	return pageURL("/admin/audit", "action", action, "user", about, "before", before)
}

// actWord says what was done, to go before the name of whom it concerns.
func actWord(action string) string {
	if w, ok := actWords()[action]; ok {
		return w
	}
	return action
}

func actWords() map[string]string {
	return map[string]string{
		"user.create":          "added",
		"user.link":            "made a link for",
		"user.password":        "set the password of",
		"user.disable":         "disabled",
		"user.enable":          "let in again",
		"user.promote":         "made an administrator of",
		"user.demote":          "took the administrator's role from",
		"user.limit":           "changed the limit of",
		"user.sign_out":        "signed out",
		"user.export":          "exported everything of",
		"user.erase":           "ordered to erase",
		"user.erased":          "finished erasing",
		"token.create":         "made a token for",
		"token.revoke":         "revoked a token of",
		"entries.read":         "opened the private entries of",
		"entries.read_end":     "closed the private entries of",
		"conversation.hold":    "put a hold on a conversation of",
		"conversation.release": "released a conversation of",
		"retention.sweep":      "started a sweep",
		"archive.restore":      "restored entries of",
		"archive.prune":        "deleted from the archive what nobody needs",
		"backup.write":         "wrote a backup",
		"backup.restore":       "restored a backup",
	}
}
