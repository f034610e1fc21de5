package web

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/worklog"
)

func TestAnErrorPageSpeaksInSentencesAndKeepsWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(worklog.Draft{Title: "work", Conversation: "c"})
	for path, want := range map[string][2]string{
		"/nope": {"Nothing here", "There is nothing here."},
		"/logs/0192a000-0000-7000-8000-000000000000": {"Nothing here", "No such entry."},
		"/?type=cake": {"That does not work", ""},
	} {
		doc, err := html.Parse(x.ask(http.MethodGet, path, nil).Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(doc, ".problem h1"); len(got) != 1 || got[0] != want[0] {
			t.Errorf("%s is headed %q", path, got)
		}
		if got := texts(doc, ".problem h1 + p"); want[1] != "" && (len(got) != 1 || got[0] != want[1]) {
			t.Errorf("%s says %q", path, got)
		}
		if got := texts(doc, "#threads .name"); len(got) != 1 || got[0] != "c" {
			t.Errorf("%s has beside it %q", path, got)
		}
	}
}

func TestTheAddressThatAFormLeavesBehindLeadsToItsPage(t *testing.T) {
	o := newOffice(t)
	for from, to := range map[string]string{
		"/settings/password": "/settings", "/settings/tokens/0192a000-0000-7000-8000-000000000000/revoke": "/settings/tokens", o.page(o.ann) + "/disable": o.page(o.ann),
		"/admin/holds/0192a000-0000-7000-8000-000000000000/release": "/admin/holds", "/admin/retention/run": "/admin/retention", "/theme": "/", "/logout": "/",
	} {
		o.want(from, o.admin.get(from), http.StatusSeeOther, to)
	}
	o.want("what is no page", o.admin.do(http.MethodDelete, "/settings/password", nil), http.StatusMethodNotAllowed)
}

func TestATitleOfBlanksChangesNothing(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(worklog.Draft{Title: "work", Conversation: "c"})
	path := "/conversations/" + x.conversation("c")
	x.press(x.see(path), "Rename", map[string][]string{"title": {"A name"}})
	if w := x.press(x.see(path), "Rename", map[string][]string{"title": {" "}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "keeps the one it has") {
		t.Errorf("%d", w.Code)
	}
	if got := texts(x.see(path), "h1"); len(got) != 1 || got[0] != "A name" {
		t.Errorf("it is called %q", got)
	}
}

func TestTheEmptyListsOfConversationsSayWhatIsSo(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	if got := texts(x.see("/unfiled"), "#log-empty"); len(got) != 1 || got[0] != "Every entry belongs to a conversation." {
		t.Errorf("the page of unfiled entries says %q", got)
	}
	for path, all := range map[string]string{"/conversations?q=x": "/conversations", "/conversations?team=true&q=x": "/conversations?team=true", "/conversations?archived=true&q=x": "/conversations?archived=true"} {
		if got := attr(x.see(path), "#conversation-list .empty a", "href"); got != all {
			t.Errorf("%s shows all under %s", path, got)
		}
	}
}
