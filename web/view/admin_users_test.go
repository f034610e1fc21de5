package view_test

import (
	"maps"
	"time"

	"github.com/a-h/templ"

	"github.com/worklogdev/worklog/web/view"
)

// adminPagesOf is every admin page with s wherever somebody could have written it.
func adminPagesOf(sh view.Shell, s string) map[string]templ.Component {
	sh.Admin = true
	u := view.User{ID: 7, Email: s, Admin: true, Limit: 120, AddedAt: ago(900 * time.Hour), Entries: 12345, LastUsed: ago(time.Hour), Tokens: 2}
	tok := view.Token{ID: id(2), Name: "t" + s, Prefix: "p" + s, Scopes: []string{"s" + s}, CreatedAt: ago(900 * time.Hour), LastUsed: ago(time.Minute)}
	browser := view.Session{ID: id(3), Agent: s, Address: "a" + s, CreatedAt: ago(time.Hour), LastSeen: ago(0), ExpiresAt: now().AddDate(0, 0, 7)}
	hold := view.Hold{ID: id(4), OwnerID: 7, Owner: s, Entries: 3, Since: ago(time.Hour), Reason: "r" + s, By: "b" + s}
	acts := []view.Act{
		{At: ago(time.Hour), Actor: s, ActorID: 1, Action: "entries.read", Subject: "u" + s, SubjectID: 7, Detail: "for 15 minutes", Reason: "r" + s, Address: "a" + s},
		{At: ago(2 * time.Hour), Actor: "command line", Action: "token.revoke", Subject: "u" + s, SubjectID: 7, Object: id(2)},
	}
	c := conversation(1, "c"+s, 0, func(*view.Conversation) {})
	page := view.UserPage{
		Shell: sh, User: u, DefaultLimit: 60, Browsers: []view.Session{browser}, Keys: []view.Token{tok}, Holds: []view.Hold{hold}, Acts: acts,
		Until: now().Add(9 * time.Minute), Form: "limit", Typed: s, Wrong: view.Wrong{{Field: "limit", Text: s}},
	}
	off := page
	off.User.Disabled, off.User.Invited, off.User.Admin, off.Self, off.Until, off.Form, off.Wrong = true, true, false, true, time.Time{}, "", view.Wrong{{Text: "e" + s}}
	reading := view.Reading{Shell: sh, User: u, Until: now().Add(9 * time.Minute), Conversations: []view.Conversation{c}, Rows: []view.Row{rowOf(s)}, Older: 3}
	one := reading
	one.Conversation = c
	return map[string]templ.Component{
		"admin-users":       view.UsersPage(view.Users{Shell: sh, List: []view.User{u, {ID: 8, Email: "erased user 8", Erasing: true, Erased: true}}, Query: "q" + s, Next: "n" + s}),
		"admin-user":        view.UserDetailPage(page),
		"admin-user-off":    view.UserDetailPage(off),
		"admin-user-new":    view.NewUserPage(view.NewUser{Shell: sh, Email: s, Wrong: view.Wrong{{Field: "email", Text: s}}}),
		"admin-user-link":   view.UserLinkPage(view.UserLink{Shell: sh, User: u, Link: "https://worklog.example.org/enter/x", Until: now()}),
		"admin-user-erase":  view.EraseUserPage(view.EraseUser{Shell: sh, User: u, Reason: s, Confirm: s, Wrong: view.Wrong{{Field: "confirm", Text: "E" + s}}}),
		"admin-tokens":      view.AdminTokensPage(view.AdminTokens{Shell: sh, List: []view.OwnedToken{{Token: tok, OwnerID: 7, Owner: s}}, Query: "q" + s, Next: "n" + s}),
		"admin-holds":       view.HoldsPage(view.Holds{Shell: sh, List: []view.Hold{hold}, Conversation: s, Reason: s, Wrong: view.Wrong{{Field: "conversation", Text: "E" + s}, {Field: "reason", Text: "e" + s}}}),
		"admin-audit":       view.AuditPage(view.Audit{Shell: sh, Acts: acts, Action: "token.revoke", Kinds: []string{"token.revoke"}, About: u, Next: "3"}),
		"admin-reading":     view.ReadingPage(reading),
		"admin-reading-one": view.ReadingPage(one),
		"admin-reading-ask": view.ReadingPage(view.Reading{Shell: sh, User: u, Reason: s, Wrong: view.Wrong{{Field: "reason", Text: "e" + s}}}),
		"admin-retention": view.RetentionPage(view.Retention{
			Shell: sh, Hot: 7 * 24 * time.Hour, Warm: 30 * 24 * time.Hour, Cold: 90*24*time.Hour + time.Hour, Next: now().Add(time.Hour), Objects: 3, ArchiveBytes: 5 << 20,
			Sweeps: []view.Sweep{
				{By: "page", State: "running", StartedAt: ago(time.Minute), Took: time.Minute, Warm: 12345, Freed: 1 << 20},
				{By: "schedule", State: "failed", StartedAt: ago(24 * time.Hour), Took: time.Second, Error: "e" + s},
			},
			Counted: true, Due: []view.Due{{Step: "deleted", Entries: 7, Bytes: 9000, Owners: []view.DueOwner{{Email: s, Entries: 4}, {Email: "b" + s, Entries: 2}}, More: 1}}, Wrong: view.Wrong{{Text: "e" + s}},
		}),
		"own-data": view.OwnDataPage(view.OwnData{Shell: sh, Acts: acts, Entries: 5}),
	}
}

// withAdmin adds the admin pages to others.
func withAdmin(pages map[string]templ.Component, sh view.Shell, s string) map[string]templ.Component {
	maps.Copy(pages, adminPagesOf(sh, s))
	return pages
}
