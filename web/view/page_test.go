package view_test

import (
	"strings"
	"testing"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

func TestEveryPageIsWellFormed(t *testing.T) {
	t.Parallel()
	for name, c := range samples() {
		doc := find(t, c)
		doc.one("main#main h1")
		doc.one(`html[lang=en] body[data-version="1.0.0"] a.skip[href="#main"]`)
		doc.absent("[style], style, [onclick], [onload], script:not([src]), font, iframe")
		ids := map[string]bool{}
		for _, n := range doc.all("[id]") {
			if ids[attrOf(n, "id")] {
				t.Errorf("%s: the id %q is given twice", name, attrOf(n, "id"))
			}
			ids[attrOf(n, "id")] = true
		}
		for _, n := range doc.all("input:not([type=hidden])") {
			if attrOf(n, "aria-label") == "" && n.Parent.Data != "label" {
				t.Errorf("%s: the field %q has no label", name, attrOf(n, "name"))
			}
		}
		for _, n := range doc.all("button, summary, a") {
			if textOf(n) == "" && attrOf(n, "aria-label") == "" && attrOf(n, "id") != "new-pill" {
				t.Errorf("%s: a %s has no name", name, n.Data)
			}
		}
	}
}

func activity(t *testing.T, f view.Feed) document {
	t.Helper()
	return find(t, view.ActivityPage(view.Activity{Shell: shell("Activity", "/"), Feed: f, Setup: setup()}))
}

func TestAFeedSaysWhereItStandsAndWhereItsStreamIs(t *testing.T) {
	t.Parallel()
	doc := activity(t, view.Feed{Path: "/", Filter: view.Filter{Type: worklog.TypeToolCall, Status: worklog.StatusError, Text: "a&b"}, Rows: session(), Cursor: 114, Epoch: "e1"})
	for name, want := range map[string]string{"data-cursor": "114", "data-epoch": "e1", "data-order": "desc"} {
		if got := doc.attr("#log-list", name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got, want := doc.attr("#live", "sse-connect"), "/stream?q=a%26b&status=error&type=tool_call"; got != want {
		t.Errorf("sse-connect = %q, want %q", got, want)
	}
	doc.absent("#log-list #live")
	doc.one("#live-status[role=status]")
	doc.one("#new-pill[hidden]")
	c := find(t, view.ConversationView(view.ConversationPage{Shell: shell("x", "/conversations/1"), Feed: view.Feed{Path: "/conversations/1", Oldest: true}}))
	if got := c.attr("#live", "sse-connect"); got != "/conversations/1/stream" {
		t.Errorf("sse-connect = %q", got)
	}
	c.one("#log-list[data-order=asc]")
}

func TestAPageOfThePastDoesNotFollow(t *testing.T) {
	t.Parallel()
	doc := activity(t, view.Feed{Path: "/", Filter: view.Filter{Status: worklog.StatusError}, Rows: session(), Before: 90, Older: 12})
	doc.absent("#live, #live-status, #new-pill")
	if got := doc.attr(".past a", "href"); got != "/?status=error" {
		t.Errorf("the way back is %q", got)
	}
	if got := doc.attr("#older a", "href"); got != "/?before=12&status=error" {
		t.Errorf("the way on is %q", got)
	}
}

func TestOlderEntriesJoinTheListAtItsOldEnd(t *testing.T) {
	t.Parallel()
	newest := activity(t, view.Feed{Path: "/", Rows: session(), Older: 12})
	newest.one("#log-list ~ #older a[hx-swap=beforeend][hx-target='#log-list']")
	oldest := find(t, view.ConversationView(view.ConversationPage{Shell: shell("x", "/"), Feed: view.Feed{Path: "/conversations/1", Oldest: true, Rows: session(), Older: 12}}))
	oldest.one("#older ~ #log-list")
	oldest.one("#older a[hx-swap=afterbegin]")
	activity(t, view.Feed{Path: "/", Rows: session()}).absent("#older a:not([hidden])")
	answer := find(t, view.OlderRows(view.Feed{Path: "/", Rows: session(), Before: 12}))
	answer.absent("html[lang], #log-list, #older a:not([hidden])")
	answer.one("#older[hx-swap-oob] a[hidden]")                                       // for when the list loses its oldest rows again
	activity(t, view.Feed{Path: "/", Rows: session(), Before: 12}).absent("#older a") // nothing is ever lost there
}

func TestChipsKeepTheRestOfTheFilter(t *testing.T) {
	t.Parallel()
	doc := activity(t, view.Feed{Path: "/", Filter: view.Filter{Type: worklog.TypeToolCall, Text: "x"}})
	for name, want := range map[string]string{"All": "/?q=x", "Tools": "/?q=x", "Files": "/?q=x&type=file_operation", "Failed": "/?q=x&status=error&type=tool_call"} {
		found := false
		for _, n := range doc.all(".chip") {
			if textOf(n) == name {
				found = true
				if got := attrOf(n, "href"); got != want {
					t.Errorf("%s leads to %q, want %q", name, got, want)
				}
			}
		}
		if !found {
			t.Errorf("there is no chip %q", name)
		}
	}
	if got := doc.text(".chip[aria-current]"); got != "Tools" {
		t.Errorf("the chip that is on is %q", got)
	}
	if got := activity(t, view.Feed{Path: "/", Filter: view.Filter{Status: worklog.StatusError}}).text(".chip[aria-current]"); got != "Failed" {
		t.Errorf("with failed steps alone the chip that is on is %q", got)
	}
	doc.one("#filters input[type=hidden][name=type][value=tool_call]")
	doc.one("#filters input[name=q][value=x]")
	if n, want := len(doc.all(".chip")), 1+len(worklog.Types())+len(worklog.Statuses()); n != want {
		t.Errorf("%d chips, want one for each type and status and one for all: %d", n, want)
	}
}

func TestAnEmptyPageTellsANewcomerWhatToType(t *testing.T) {
	t.Parallel()
	doc := activity(t, view.Feed{Path: "/"})
	snippets := doc.all("#log-empty .snippet pre")
	if len(snippets) != 3 || !strings.Contains(textOf(snippets[0]), "WORKLOG_URL=http://localhost:8080") || !strings.Contains(textOf(snippets[1]), "worklog log") {
		t.Fatalf("%d snippets", len(snippets))
	}
	own := find(t, view.ConversationView(view.ConversationPage{Shell: shell("x", "/"), Feed: view.Feed{Path: "/"}, Setup: view.Setup{BaseURL: "http://h", Key: "it's; rm -rf"}}))
	if got := textOf(own.all("#log-empty pre")[1]); !strings.HasSuffix(got, `--conversation 'it'\''s; rm -rf'`) {
		t.Errorf("a key is pasted into a shell as %q", got)
	}
	filtered := activity(t, view.Feed{Path: "/", Filter: view.Filter{Text: "x"}})
	filtered.absent("#log-empty .snippet")
	filtered.one(`#log-empty a[href="/"]`)
}

func TestConversationsAreGroupedByWhatTheirReaderNeedsFirst(t *testing.T) {
	t.Parallel()
	doc := find(t, view.ConversationsPage(view.Conversations{Shell: shell("Conversations", "/conversations"), List: conversations()}))
	var names []string
	for _, n := range doc.all("main .day") {
		names = append(names, textOf(n))
	}
	if got := strings.Join(names, ", "); got != "Pinned, Last 24 hours, Earlier" {
		t.Errorf("groups are %s", got)
	}
	for state, want := range map[string]struct {
		word string
		n    int
	}{
		"needs_you": {"needs you", 1}, "failed": {"failed", 1}, "running": {"running", 2}, "silent": {"silent", 1}, "your_turn": {"your turn", 1}, "quiet": {"", 3},
	} {
		marked := doc.all("main .row.is-" + state + `[data-state="` + state + `"]:has(use[href="#is-` + state + `"])`)
		if len(marked) != want.n {
			t.Errorf("%d conversations are marked as %s, want %d", len(marked), state, want.n)
		}
		for _, says := range doc.all("main .row.is-" + state + " .says") {
			if textOf(says) != want.word {
				t.Errorf("%s is said as %q", state, textOf(says))
			}
		}
	}
	if n := len(doc.all("main [data-silent-at]")); n != 2 {
		t.Errorf("%d conversations may fall silent, want the two that run", n)
	}
}

func TestOnlyTheOwnerIsOfferedChanges(t *testing.T) {
	t.Parallel()
	c := conversation(1, "x", 0, func(c *view.Conversation) { c.Visibility = worklog.VisibilityTeam })
	p := view.ConversationPage{Shell: shell("x", "/"), Feed: view.Feed{Path: "/"}, Conversation: c}
	mine := find(t, view.ConversationView(p))
	for _, field := range []string{"input[name=title]", "button[name=pinned]", "button[name=keep]", "button[name=archived]", "button[name=visibility][value=private]", "a[href$='/delete']"} {
		mine.one(".menu " + field)
	}
	mine.one(".teamnote")
	p.Conversation.Mine = false
	theirs := find(t, view.ConversationView(p))
	theirs.absent(".menu")
	if got := theirs.text(".teamnote"); !strings.HasPrefix(got, "ada@example.org shares this") {
		t.Errorf("a reader is told %q", got)
	}
}

func TestStrangersSeeNoSidebar(t *testing.T) {
	t.Parallel()
	doc := find(t, samples()["login"])
	doc.absent(".side, form[action='/logout']")
	find(t, samples()["activity"]).one(".side form[action='/logout'][method=post]")
}

func TestTheThemeIsInTheMarkup(t *testing.T) {
	t.Parallel()
	s := shell("x", "/unfiled?q=a")
	find(t, view.ActivityPage(view.Activity{Shell: s})).absent("html[data-theme]")
	s.Theme = "dark"
	doc := find(t, view.ActivityPage(view.Activity{Shell: s}))
	doc.one("html[data-theme=dark]")
	doc.one(".side .theme[action='/theme'] button[value=dark][aria-pressed=true]")
	doc.one(".side .theme input[name=next][value='/unfiled?q=a']")
}

func TestASecretIsShownOnlyWhenItWasJustMade(t *testing.T) {
	t.Parallel()
	v := tokens()
	if got := find(t, view.TokensPage(v)).all(".secret pre"); len(got) != 2 || textOf(got[0]) != v.Secret {
		t.Errorf("%d snippets with the secret", len(got))
	}
	v.Secret = ""
	find(t, view.TokensPage(v)).absent(".secret")
}
