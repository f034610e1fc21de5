package view_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

func TestATabsTitleBeginsWithTheMostPressingState(t *testing.T) {
	t.Parallel()
	of := func(states ...worklog.State) []view.Conversation {
		var list []view.Conversation
		for i, s := range states {
			list = append(list, conversation(i+1, "c", time.Hour, func(c *view.Conversation) { c.State = s }))
		}
		return list
	}
	old := conversation(1, "old", 30*time.Hour, func(c *view.Conversation) { c.State = worklog.StateNeedsYou })
	theirs := conversation(2, "theirs", time.Hour, func(c *view.Conversation) { c.State, c.Mine = worklog.StateNeedsYou, false })
	for _, c := range []struct {
		own  worklog.State
		list []view.Conversation
		want string
	}{
		{"", of(worklog.StateYourTurn, worklog.StateNeedsYou, worklog.StateFailed), "✋ Needs you · Activity · Worklog"},
		{"", of(worklog.StateRunning, worklog.StateFailed, worklog.StateSilent), "✕ Failed · Activity · Worklog"},
		{"", of(worklog.StateSilent, worklog.StateRunning), "▸ Running · Activity · Worklog"},
		{"", of(worklog.StateYourTurn, worklog.StateSilent), "… Silent · Activity · Worklog"},
		{"", of(worklog.StateQuiet, worklog.StateYourTurn), "↩ Your turn · Activity · Worklog"},
		{"", of(worklog.StateQuiet), "Activity · Worklog"},
		{"", []view.Conversation{old, theirs}, "Activity · Worklog"},
		{"", nil, "Activity · Worklog"},
		{worklog.StateYourTurn, of(worklog.StateNeedsYou), "↩ Your turn · Activity · Worklog"},
	} {
		sh := shell("Activity", "/")
		sh.State, sh.Sidebar.Conversations = c.own, c.list
		doc := find(t, view.ActivityPage(view.Activity{Shell: sh, Feed: view.Feed{Path: "/"}}))
		if got := textOf(doc.one("title")); got != c.want {
			t.Errorf("title %q, want %q", got, c.want)
		}
		if got := doc.attr("body", "data-title"); got != "Activity · Worklog" {
			t.Errorf("without its state: %q", got)
		}
	}
}

func TestTheScriptSaysTheSameOfStates(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../static/app.js")
	if err != nil {
		t.Fatal(err)
	}
	var names, words []string
	for _, s := range worklog.States()[:len(worklog.States())-1] {
		sh := shell("x", "/")
		sh.State = s
		title := textOf(find(t, view.ActivityPage(view.Activity{Shell: sh, Feed: view.Feed{Path: "/"}})).one("title"))
		word, _, _ := strings.Cut(title, "x · ")
		names, words = append(names, "'"+string(s)+"'"), append(words, fmt.Sprintf("%s: '%s'", s, word))
	}
	for _, want := range []string{"const states = [" + strings.Join(names, ", ") + "]", "const tabWords = { " + strings.Join(words, ", ") + " }"} {
		if !strings.Contains(string(script), want) {
			t.Errorf("app.js does not say %s", want)
		}
	}
}

func TestARunningRowSaysOnlyWhatStaysTrue(t *testing.T) {
	t.Parallel()
	r := with(row(1, worklog.TypeToolCall, worklog.StatusWorking, "Bash: make", 9, 0), func(r *view.Row) {
		r.SilentAfter, r.UpdatedAt = 7*time.Minute, ago(3*time.Minute)
	})
	doc := find(t, view.EntryRow(r))
	if got := textOf(doc.one(".dur")); got != "last news 14:02" {
		t.Errorf("%q", got)
	}
	for name, want := range map[string]string{"data-started": "2026-11-22T13:56:00.000Z", "data-news": "2026-11-22T14:02:00.000Z", "data-silent": "420"} {
		if got := doc.attr(".dur", name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	doc.absent(".asked")
}

func TestAnAskingRowSaysSoInWordsUntilItEnds(t *testing.T) {
	t.Parallel()
	r := with(row(1, worklog.TypeToolCall, worklog.StatusWorking, "Bash: git push", 9, 0), func(r *view.Row) { r.AskedAt = ago(2 * time.Minute) })
	doc := find(t, view.EntryRow(r))
	if textOf(doc.one(".asked")) != "asked for permission" || doc.attr(".asked", "data-since") != "2026-11-22T14:03:00.000Z" || textOf(doc.one(".st .sr")) != "waits for permission" {
		t.Errorf("%s", html(t, view.EntryRow(r)))
	}
	doc.one(`.row.asks .st use[href="#is-needs_you"]`)
	r.Status = worklog.StatusSuccess
	find(t, view.EntryRow(r)).absent(".asked, .asks")
}

func TestThePageOfOneEntryFollowsIt(t *testing.T) {
	t.Parallel()
	r := with(row(1, worklog.TypeToolCall, worklog.StatusWorking, "Bash: make", 9, 0), func(r *view.Row) { r.AskedAt, r.Details = ago(time.Minute), "so far" })
	doc := find(t, view.EntryRowPage(view.EntryPage{Shell: shell("Bash: make", "/logs/x"), Row: r, Cursor: 77, Epoch: "e"}))
	doc.one(`#log-list[hidden][data-cursor="77"][data-epoch="e"] > #entry-` + r.ID)
	doc.one(`#live[sse-connect="/logs/` + r.ID + `/stream"]`)
	doc.one("#entry-whole.asks .how .asked")
	doc.absent("#log-list pre")
	doc.one("#entry-whole pre")
}
