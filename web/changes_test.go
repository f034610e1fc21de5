package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/worklog"
)

// poll asks as a page does that can not stream.
func (x *site) poll(path string) *html.Node {
	x.Helper()
	return x.see(path, "HX-Request", "true")
}

func trigger(doc *html.Node) string {
	wait, _, _ := strings.Cut(attr(doc, "#live", "hx-trigger"), ",")
	return wait
}

func TestPollingBringsWhatChangedAndTheNextQuestion(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(3, "c")...)
	doc := x.poll("/changes?after=1&type=info")
	if got := fmt.Sprint(texts(doc, "ol[hx-swap-oob='afterbegin:#log-list'] > li .title")); got != "[step 002 step 003]" {
		t.Errorf("the answer holds %s", got)
	}
	if got := attr(doc, "#live", "data-cursor"); got != "3" {
		t.Errorf("the cursor is %s", got)
	}
	next := attr(doc, "#live", "hx-get")
	if !strings.HasPrefix(next, "/changes?after=3&epoch=") || !strings.Contains(next, "idle=0") || !strings.Contains(next, "type=info") {
		t.Errorf("the next question is %s", next)
	}
	if got := attr(doc, "#live", "hx-trigger"); got != "load delay:3000ms, every 15000ms" {
		t.Errorf("it is asked at %q", got)
	}
	doc = x.poll(next)
	if texts(doc, "li") != nil || attr(doc, "#live", "data-cursor") != "3" {
		t.Errorf("nothing new is answered with %q", texts(doc, "li"))
	}
}

func TestPollingSlowsDownWhileThereIsNothing(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(1, "c")...)
	for path, want := range map[string]string{
		"/changes": "4500 6750 10000 10000", "/unfiled/changes": "4500 6750 10000 10000", "/conversations/" + x.conversation("c") + "/changes": "1500 2250 3375 5062",
	} {
		next, got := path+"?after=1", ""
		for range 4 {
			doc := x.poll(next)
			next = attr(doc, "#live", "hx-get")
			got += strings.TrimSuffix(strings.TrimPrefix(trigger(doc), "load delay:"), "ms") + " "
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s waits %s ms, want %s", path, got, want)
		}
	}
	path := "/conversations/" + x.conversation("c") + "/changes"
	x.write(worklog.Draft{Title: "news", Conversation: "c"})
	if got := trigger(x.poll(path + "?after=1&idle=9")); got != "load delay:1000ms" {
		t.Errorf("after news it is asked at %q", got)
	}
	if got := trigger(x.poll(path + "?after=2&idle=99999999999999999999")); got != "load delay:1500ms" {
		t.Errorf("a forged idle is asked at %q", got)
	}
}

func TestPollingOfAConversationBringsHowItStands(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(2, "c")...)
	path := "/conversations/" + x.conversation("c") + "/changes"
	if doc := x.poll(path + "?after=2"); texts(doc, "#log-facts") != nil {
		t.Error("nothing new is answered with facts")
	}
	x.write(worklog.Draft{Title: "npm test", Conversation: "c", Status: worklog.StatusWorking})
	for _, query := range []string{"?after=2", "?after=2&status=error"} { // the facts are of all of it
		doc := x.poll(path + query)
		if got := texts(doc, "#log-facts[hx-swap-oob]"); len(got) != 1 || !strings.Contains(got[0], "3 steps") || attr(doc, "#log-facts", "data-state") != "running" {
			t.Errorf("%s: the facts are %q, state %q", query, got, attr(doc, "#log-facts", "data-state"))
		}
	}
}

func TestPollingOfAConversationBringsItsTitle(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(1, "c")...)
	path := "/conversations/" + x.conversation("c")
	x.write(worklog.Draft{Title: "prompt", Conversation: "c", ConversationTitle: "Mend the build"})
	asked, loaded := x.poll(path+"/changes?after=1"), x.see(path)
	if got := texts(asked, "h1#log-title[hx-swap-oob]"); !slices.Equal(got, []string{"Mend the build"}) {
		t.Errorf("the title is %q", got)
	}
	if got, want := attr(asked, "#log-title", "data-title"), attr(loaded, "body", "data-title"); got != want || attr(loaded, "#log-title", "data-title") != want {
		t.Errorf("the tab's is %q, want %q", got, want)
	}
}

func TestPollingPageThatIsTooFarBehindIsToldToLoadAgain(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(maxBehind+1, "c")...)
	for _, query := range []string{"after=0", "after=9999", "after=x", "after=1&epoch=another"} {
		doc := x.poll("/changes?" + query)
		if attr(doc, "#live[data-reset]", "id") == "" || len(texts(doc, "li")) != 0 {
			t.Errorf("%s is not reset", query)
		}
	}
	if doc := x.poll("/changes?after=1"); attr(doc, "#live[data-reset]", "id") != "" || len(texts(doc, "li")) != maxBehind {
		t.Errorf("%d changes behind is answered with %d rows", maxBehind, len(texts(doc, "li")))
	}
}

func TestPollingTellsWhatNoLongerMatches(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusWorking})
	x.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusSuccess})
	doc := x.poll("/changes?after=1&status=working")
	if attr(doc, "li[data-gone]", "data-rev") != "2" {
		t.Error("the row that matches no longer is not told to go")
	}
}

func TestPollingOfWhatOneMayNotSeeIsNotFound(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	other := x.as("grace@example.org")
	other.write(numbered(1, "hers")...)
	for _, path := range []string{"/conversations/" + other.conversation("hers") + "/changes", "/conversations/0192a000-0000-7000-8000-000000000000/changes"} {
		if w := x.ask(http.MethodGet, path+"?after=0", nil, "HX-Request", "true"); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
