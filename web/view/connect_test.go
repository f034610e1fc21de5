package view_test

import (
	"strings"
	"testing"

	"github.com/worklogdev/worklog/web/view"
)

// connecting is the page in the state after a token was made for the second agent.
func connecting() view.Connect {
	agents := []view.Agent{{Name: "claude-code", Title: "Claude Code", Text: "every step"}, {Name: "curl", Title: "Anything with curl", Text: "scripts"}}
	return view.Connect{
		Shell: shell("Connect", "/settings/connect/curl"), Agents: agents, Agent: agents[1], Secret: true, Waiting: true,
		Steps: []view.Step{{Title: "Write", Text: "One entry.", Code: "curl <b>"}, {Title: "Or:", Text: "all of it", Code: "{}", Long: true}},
		Feed:  view.Feed{Path: "/settings/connect/curl", Cursor: 7, Epoch: "e1"},
	}
}

func TestConnectPageGivesWhatIsNeededAndWaits(t *testing.T) {
	t.Parallel()
	v := connecting()
	d := find(t, view.ConnectPage(v))
	if got := d.all(".secret pre"); len(got) != 2 || textOf(got[0]) != "curl <b>" {
		t.Errorf("%d snippets", len(got))
	}
	if got := d.all(`.agents a[aria-current="page"]`); len(got) != 1 || !strings.Contains(textOf(got[0]), "curl") {
		t.Errorf("%d agents are current", len(got))
	}
	if got := d.all(`#live[sse-connect^="/settings/connect/curl/stream"]`); len(got) != 1 {
		t.Error("the page does not follow")
	}
	v.Feed.Rows = session()[:1]
	if got := find(t, view.ConnectPage(v)).all("#log-list > li"); len(got) != 1 {
		t.Errorf("%d rows", len(got))
	}
	v.Secret, v.Steps, v.Waiting = false, nil, false
	d = find(t, view.ConnectPage(v))
	d.absent(".secret")
	d.absent("#live")
	if got := d.all(`form[method="post"][action="/settings/connect/curl"]`); len(got) != 1 {
		t.Error("nothing makes a token")
	}
}
