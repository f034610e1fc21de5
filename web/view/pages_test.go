package view_test

import (
	"slices"
	"time"

	"github.com/a-h/templ"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// samples is every page in the states that matter, by name.
func samples() map[string]templ.Component {
	c := conversations()[0]
	sh := shell(c.Title, "/conversations/"+c.ID)
	sh.Sidebar.Current = c.ID
	feed := view.Feed{Path: "/conversations/" + c.ID, Rows: session(), Oldest: true, Cursor: 114, Epoch: "e1", Older: 1}
	newest := view.Feed{Path: "/", Rows: session(), Cursor: 114, Epoch: "e1"}
	slices.Reverse(newest.Rows)
	filtered := view.Feed{Path: "/", Filter: view.Filter{Type: worklog.TypeToolCall, Text: `"><script>`}, Cursor: 114, Epoch: "e1"}
	team := conversations()[3]
	return withDashboard(withAdmin(map[string]templ.Component{
		"conversation":    view.ConversationView(view.ConversationPage{Shell: sh, Feed: feed, Conversation: c, Setup: setup()}),
		"team":            view.ConversationView(view.ConversationPage{Shell: shell(team.Title, "/conversations/"+team.ID), Feed: view.Feed{Path: "/conversations/" + team.ID, Oldest: true, Before: 7, Rows: session()[:2]}, Conversation: team, Setup: setup()}),
		"activity":        view.ActivityPage(view.Activity{Shell: shell("Activity", "/"), Feed: newest, Setup: setup()}),
		"activity-empty":  view.ActivityPage(view.Activity{Shell: shell("Activity", "/"), Feed: view.Feed{Path: "/", Epoch: "e1"}, Setup: setup()}),
		"activity-filter": view.ActivityPage(view.Activity{Shell: shell("Activity", "/?type=tool_call"), Feed: filtered, Setup: setup()}),
		"unfiled":         view.ActivityPage(view.Activity{Shell: shell("Unfiled", "/unfiled"), Feed: view.Feed{Path: "/unfiled", Rows: session()[7:8], Epoch: "e1"}, Unfiled: true, Setup: setup()}),
		"conversations":   view.ConversationsPage(view.Conversations{Shell: shell("Conversations", "/conversations"), List: conversations(), Next: "n", Setup: setup()}),
		"archived":        view.ConversationsPage(view.Conversations{Shell: shell("Conversations", "/conversations?archived=true"), Archived: true, Setup: setup()}),
		"entry":           view.EntryRowPage(view.EntryPage{Shell: shell("Entry", "/logs/"+id(6)), Row: session()[5], Conversation: c, Token: "claude-code on my laptop (wlg_a1b2)"}),
		"delete":          view.DeletePage(view.DeleteConversation{Shell: sh, Conversation: c}),
		"problem":         view.ProblemPage(view.Problem{Shell: shell("Not found", "/nowhere"), Status: 404, Heading: "There is nothing here", Text: "It may have been deleted, or it belongs to somebody else.", RequestID: "01J"}),
		"problem-fields":  view.ProblemPage(view.Problem{Shell: stranger("Bad request", "/"), Status: 400, Heading: "That does not work", Fields: []worklog.FieldError{{Field: "type", Message: "must be one of <these>"}}, LinkHref: "javascript:alert(1)", LinkText: "on"}),
		"login":           view.LoginPage(view.Login{Shell: stranger("Sign in", "/login"), Email: "ada@example.org", Next: "/unfiled", Wrong: view.Wrong{{Field: "password", Text: "That e-mail and password do not belong together"}}}),
		"enter-admin":     view.EnterPage(view.Enter{Shell: stranger("Welcome", "/enter/x"), Kind: view.EnterAdmin, Action: "/enter/x", MinPassword: 15}),
		"enter-reset":     view.EnterPage(view.Enter{Shell: stranger("New password", "/enter/x"), Kind: view.EnterReset, Action: "/enter/x", Email: "ada@example.org", MinPassword: 15}),
		"enter-demo":      view.EnterPage(view.Enter{Shell: demo(), Kind: view.EnterDemo, Action: "/enter/x"}),
		"enter-used":      view.EnterPage(view.Enter{Shell: stranger("Used", "/enter/x"), Kind: view.EnterUsed}),
		"settings":        view.SettingsPage(view.Settings{Shell: shell("Settings", "/settings"), HasPassword: true, MinPassword: 15}),
		"confirm":         view.ConfirmPage(view.Confirm{Shell: shell("Confirm", "/settings/confirm"), Next: "/settings/tokens/new", HasPassword: true}),
		"confirm-form":    view.ConfirmPage(view.Confirm{Shell: shell("Confirm", "/settings/confirm"), Next: "/admin/users/7", Action: "/admin/users/7/disable", Fields: []view.Field{{Name: "reason", Value: "left <us>"}}, HasPassword: true}),
		"tokens":          view.TokensPage(tokens()),
		"connect":         view.ConnectPage(connecting()),
		"token-new":       view.NewTokenPage(view.NewToken{Shell: shell("New token", "/settings/tokens/new"), Scopes: scopes(), Form: view.TokenForm{Scopes: []string{"write"}, Expires: "365"}}),
		"sessions":        view.SessionsPage(view.Sessions{Shell: shell("Sessions", "/settings/sessions"), Sessions: sessions()}),
	}, shell("Administration", "/admin/users"), "ada@example.org"))
}

func demo() view.Shell {
	s := stranger("Welcome", "/enter/x")
	s.Demo = true
	return s
}

func scopes() []view.Scope {
	return []view.Scope{
		{Value: "write", Help: "append entries, and complete running entries of its own"},
		{Value: "read", Help: "read, change and delete your things"},
	}
}

func tokens() view.Tokens {
	return view.Tokens{
		Shell: shell("Tokens", "/settings/tokens"), BaseURL: "http://localhost:8080", Name: "claude-code <laptop>", Secret: "wlg_0123456789abcdefghijABCDEFGHIJ012345",
		Tokens: []view.Token{
			{ID: id(1), Name: "claude-code <laptop>", Prefix: "wlg_0123", Scopes: []string{"write"}, CreatedAt: ago(0), ExpiresAt: now().AddDate(1, 0, 0)},
			{ID: id(2), Name: "nightly", Prefix: "wlg_9xyz", Scopes: []string{"write", "read"}, Limit: 1200, CreatedAt: ago(900 * time.Hour), LastUsed: ago(time.Minute)},
		},
	}
}

func sessions() []view.Session {
	return []view.Session{
		{ID: "s1", Agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0 Safari/537.36", Address: "127.0.0.1", CreatedAt: ago(time.Hour), LastSeen: ago(0), ExpiresAt: now().AddDate(0, 0, 7), Current: true},
		{ID: "s2", Agent: "curl/8 <b>", Address: "192.0.2.7", CreatedAt: ago(70 * time.Hour), LastSeen: ago(5 * time.Hour), ExpiresAt: now().AddDate(0, 0, 4)},
	}
}
