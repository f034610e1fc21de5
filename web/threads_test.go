package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

func TestEveryPageOfAUserHearsHowTheirConversationsStand(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(append(numbered(1, "c"), numbered(1, "other")...)...)
	c := x.conversation("c")
	elsewhere, list := x.listen("/conversations/"+x.conversation("other")+"/stream?after=2"), x.listen("/conversations/all/stream?after=2")
	elsewhere.want("hello")
	list.want("hello")
	x.news(worklog.Draft{Title: "running", Conversation: "c", Status: worklog.StatusWorking})
	for _, l := range []*listener{elsewhere, list} { // neither shows the entry
		e := l.want("threads")
		if want := `<a href="/conversations/` + c + `" class="wants is-running" data-silent-at="`; e.id != "" || !strings.Contains(e.data, want) || strings.Contains(e.data, "aria-current") {
			t.Errorf("%+v does not hold %s", e, want)
		}
	}
}

func TestAPageOfAnotherUsersConversationHearsNothingOfTheirOthers(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	ada, eve := x, &liveSite{x.as("eve@example.org"), x.hub, x.http}
	ada.write(append(numbered(1, "shared"), numbered(1, "secret")...)...)
	shared := ada.conversation("shared")
	ada.ask(http.MethodPost, "/conversations/"+shared, url.Values{"visibility": {"team"}})
	l := eve.listen("/conversations/" + shared + "/stream?after=2")
	l.want("hello")
	ada.news(worklog.Draft{Title: "private", Conversation: "secret"})
	ada.news(worklog.Draft{Title: "for all", Conversation: "shared"})
	l.want("log")
	if e := l.want("stats"); strings.Contains(e.data, "secret") {
		t.Errorf("%+v", e)
	}
	ada.news(worklog.Draft{Title: "more for all", Conversation: "shared"})
	if e := l.next(); e.name != "log" { // and no list of conversations in between
		t.Errorf("%+v", e)
	}
}

// Only the last second of a busy conversation changes: its pages need not hear of that, except the one that counts.
func TestAListThatSaysTheSameIsToldOnce(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "c")...)
	at := time.Now()
	list, err := x.store.Conversation(x.ctx, x.user.ID, x.conversation("c"))
	if err != nil {
		t.Fatal(err)
	}
	begin := at.Truncate(threadsGrain)
	shown := &threadList{}
	render := func(last time.Time) string {
		list.LastEntryAt = &last
		if err := shown.render(x.ctx, []store.Conversation{list}, x.user.ID, at); err != nil {
			t.Fatal(err)
		}
		return shown.html
	}
	first := render(begin)
	if render(begin.Add(threadsGrain-time.Second)) != first {
		t.Error("a second later the list is another one")
	}
	if list.WorkingCount = 1; render(begin.Add(threadsGrain-time.Second)) == first {
		t.Error("a running step is not told")
	}
	if running := shown.html; render(begin.Add(threadsGrain)) == running {
		t.Error("the time is never told")
	}
}

func TestThePageOfAllConversationsHearsOfEveryNews(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "c")...)
	l := x.listen("/conversations/all/stream?after=1")
	l.want("hello")
	for range 3 { // within one grain, mostly
		x.news(numbered(1, "c")...)
		l.want("threads")
	}
}

func TestTheListOfConversationsIsAskedForOncePerNews(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(numbered(1, "c")...)
	before := time.Now()
	all := atOnce(x.server.newThreads())
	first := answer(t, all, x.user.ID, before)
	if strings.Count(first.html, "<a ") != 1 {
		t.Fatalf("%s", first.html)
	}
	x.write(numbered(1, "d")...)
	if again := answer(t, all, x.user.ID, before); again != first {
		t.Error("for the same news it asked again")
	}
	if later := answer(t, all, x.user.ID, time.Now()); strings.Count(later.html, "<a ") != 2 {
		t.Errorf("after more news it says %s", later.html)
	}
}

func TestAnEntrysPageIsToldOfThatEntryAlone(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	id := x.write(worklog.Draft{Title: "make", Key: "k", Conversation: "c", Status: worklog.StatusWorking})[0]
	l := x.listen("/logs/" + id + "/stream?after=1")
	l.want("hello")
	x.news(numbered(3, "c")...)
	x.news(worklog.Draft{Title: "make", Key: "k", Status: worklog.StatusSuccess})
	e := l.next()
	if e.name == "threads" { // of the news before
		e = l.next()
	}
	if e.name != "log" || e.id != "5" || !strings.Contains(e.data, `id="entry-`+id+`"`) || !strings.Contains(e.data, "s-success") {
		t.Errorf("%+v", e)
	}
	if e := x.as("eve@example.org"); true {
		stranger := &liveSite{e, x.hub, x.http}
		if got := stranger.listen("/logs/" + id + "/stream?after=1").next(); got.name != "bye" || got.data != "gone" {
			t.Errorf("a stranger is told %+v", got)
		}
	}
}

func TestPollingOfOneEntryAndOfTheList(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.write(worklog.Draft{Title: "make", Key: "k", Conversation: "c", Status: worklog.StatusWorking})[0]
	x.write(numbered(2, "c")...)
	path := "/logs/" + id + "/changes"
	doc := x.poll(path + "?after=1")
	if texts(doc, "li") != nil || attr(doc, "#live", "data-cursor") != "3" {
		t.Errorf("news of others: %q, cursor %s", texts(doc, "li"), attr(doc, "#live", "data-cursor"))
	}
	next := attr(doc, "#live", "hx-get")
	x.write(worklog.Draft{Title: "make", Key: "k", Status: worklog.StatusError})
	doc = x.poll(next)
	if got := fmt.Sprint(texts(doc, "ol[hx-swap-oob] > li .title")); got != "[make]" || attr(doc, "#live", "data-cursor") != "4" {
		t.Errorf("%s, cursor %s", got, attr(doc, "#live", "data-cursor"))
	}
	doc = x.poll("/conversations/all/changes?after=1")
	if texts(doc, "li") != nil || attr(doc, "#live", "data-cursor") != "4" || !strings.HasPrefix(attr(doc, "#live", "hx-get"), "/conversations/all/changes?after=4") {
		t.Errorf("the list: %s", attr(doc, "#live", "hx-get"))
	}
	if got := attr(x.poll("/conversations/all/changes?after=99"), "#live", "hx-get"); !strings.Contains(got, "after=4") {
		t.Errorf("ahead of the feed: %s", got)
	}
}

func TestManyNewerConversationsDoNotHideTheOneThatAsks(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	now := time.Now().UTC()
	facts := change.Facts{Title: "may I", Type: worklog.TypeToolCall, Status: worklog.StatusWorking, LoggedAt: now, AskedAt: now}
	if _, _, err := x.store.Append(x.ctx, store.Batch{Now: now, Writes: []store.Write{{Owner: x.user.ID, EntryID: uuid.NewString(), Key: "k", Conversation: "asks", Facts: facts}}}); err != nil {
		t.Fatal(err)
	}
	for n := range sidebarLimit + 1 {
		x.write(worklog.Draft{Title: "x", Conversation: fmt.Sprint("newer", n)})
	}
	page := x.ask(http.MethodGet, "/", nil).Body.String()
	if !strings.Contains(page, "<title>✋ Needs you") || strings.Count(page, `data-state="quiet"`) != sidebarLimit-1 {
		t.Errorf("nothing asks:\n%s", page)
	}
	l := x.listen(fmt.Sprint("/stream?after=", sidebarLimit+2))
	l.want("hello")
	x.news(worklog.Draft{Title: "y", Conversation: "newer"})
	l.want("log")
	if e := l.want("threads"); !strings.Contains(e.data, `data-state="needs_you"`) {
		t.Errorf("%+v", e)
	}
}

func TestManyNewerConversationsDoNotHideTheOneThatFailed(t *testing.T) {
	t.Parallel()
	x := newLiveSite(t)
	x.write(worklog.Draft{Title: "make", Conversation: "fails", Status: worklog.StatusError})
	for n := range sidebarLimit + 1 {
		x.write(worklog.Draft{Title: "x", Conversation: fmt.Sprint("newer", n)})
	}
	page := x.ask(http.MethodGet, "/", nil).Body.String()
	if !strings.Contains(page, "<title>✕ Failed") || strings.Count(page, `data-state="failed"`) != 1 || strings.Count(page, `data-state="quiet"`) != sidebarLimit-1 {
		t.Errorf("nothing failed:\n%s", page)
	}
}
