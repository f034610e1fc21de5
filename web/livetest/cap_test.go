package livetest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestBrowserFourthTabPausesTheFirstAndResumeBringsItBackExact(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	first := s.open(s.URL, "/")
	second := first.another(s.conversation("c"))
	third := first.another("/")
	fourth := first.another("/")
	first.state("paused")
	first.wait("it says why and how to go on", "/too many open pages.*Resume/.test(document.getElementById('live-status').textContent)")
	s.write(worklog.Draft{Title: "missed 1", Conversation: "c"}, worklog.Draft{Title: "missed 2", Key: "k", Status: worklog.StatusWorking})
	s.write(worklog.Draft{Title: "missed 2", Key: "k", Status: worklog.StatusError})
	for _, b := range []*tab{second, third, fourth} {
		b.equalsFresh()
		b.state("live")
	}
	if n := len(first.rows()); n != 3 {
		t.Errorf("the paused page shows %d rows, want the 3 from before", n)
	}
	first.do("document.querySelector('#live-status button').click()")
	first.state("live")
	first.equalsFresh()
	second.state("paused") // now the oldest
	for _, b := range []*tab{third, fourth, first} {
		b.state("live")
	}
}

func TestBrowserPausedTabResumesWhenItIsLookedAt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 1)...)
	first := s.open(s.URL, "/")
	first.do("window.looked = false; Object.defineProperty(document, 'hidden', { get: () => !window.looked, configurable: true })")
	for range 3 {
		first.another("/")
	}
	first.state("paused")
	s.write(worklog.Draft{Title: "missed"})
	first.do("dispatchEvent(new Event('focus'))") // of a page that is still hidden
	first.state("paused")
	first.do("window.looked = true; document.dispatchEvent(new Event('visibilitychange'))")
	first.state("live")
	first.equalsFresh()
}

// streamEnded waits until the server has noticed that a stream's page is gone. The site is the test's own: so is its log.
func (s *site) streamEnded() {
	s.t.Helper()
	apptest.Eventually(s.t, "a stream has ended", func() bool { return strings.Contains(s.Logs(), `"msg":"stream ended"`) })
}

func TestBrowserEvictionThatWasNotHeardIsRepeated(t *testing.T) {
	t.Parallel()
	s := newOwnSite(t)
	s.write(numbered("c", 0, 1)...)
	first := s.open(s.proxy.url, "/")
	s.proxy.set(refuse) // the network is away while the others open
	s.streamEnded()
	others := []*tab{first.another("/"), first.another("/"), first.another("/")}
	s.proxy.set(pass)
	first.do("dispatchEvent(new Event('online'))")
	others[0].state("paused") // the first's place was free: it is the newest now, and the oldest of the others goes
	s.write(worklog.Draft{Title: "and on"})
	for _, b := range []*tab{others[1], others[2], first} {
		b.equalsFresh()
		b.state("live")
	}
}

// A browser has six connections to a server over HTTP/1.1: without the cap the seventh page would not load.
func TestBrowserSevenTabsLeaveRoomForPagesAndForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 1)...)
	tabs := []*tab{s.open(s.URL, "/")}
	for range 6 {
		tabs = append(tabs, tabs[0].another("/"))
	}
	for i, b := range tabs {
		if i < 4 {
			b.state("paused")
		} else {
			b.state("live")
		}
	}
	oldest := tabs[0]
	if err := chromedp.Do(oldest.ctx, chromedp.Navigate(s.URL+"/settings"), chromedp.Submit("form[action='/logout']")); err != nil {
		t.Fatal(err)
	}
	oldest.wait("the form was answered", "location.pathname === '/login'")
}

func TestBrowserClosedTabFreesItsPlace(t *testing.T) {
	t.Parallel()
	s := newOwnSite(t)
	s.write(numbered("c", 0, 1)...)
	first := s.open(s.URL, "/")
	second, third := first.another("/"), first.another("/")
	if err := chromedp.Do(third.ctx, chromedp.Navigate(s.URL+"/settings")); err != nil {
		t.Fatal(err)
	}
	s.streamEnded()
	fourth := first.another("/")
	s.write(worklog.Draft{Title: "and on"}) // whoever was sent away has heard that before
	for _, b := range []*tab{first, second, fourth} {
		b.equalsFresh()
		b.state("live")
	}
}

func TestBrowserSignedOutPageSaysSoAndStaysQuiet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 1)...)
	b := s.open(s.URL, "/")
	other := b.ctxOfAnotherTab()
	if err := chromedp.Do(other, chromedp.Navigate(s.URL+"/settings"), chromedp.Submit("form[action='/logout']")); err != nil {
		t.Fatal(err)
	}
	b.wait("it says so", "/signed out/.test(document.getElementById('live-status').textContent)")
	b.wait("and leads to the login", "document.querySelector('#live-status a').getAttribute('href') === '/login?next=%2F'")
	s.write(worklog.Draft{Title: "after"})
	b.do("dispatchEvent(new Event('online')); dispatchEvent(new Event('focus'))")
	b.wait("no stream is open", "!document.getElementById('live').hasAttribute('sse-connect')")
	if n := len(b.rows()); n != 1 {
		t.Errorf("%d rows after the sign-out", n)
	}
}

func TestBrowserDeletedConversationSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 2)...)
	path := s.conversation("c")
	b := s.open(s.URL, path)
	activity := b.another("/")
	if err := s.client.DeleteConversation(t.Context(), path[len("/conversations/"):]); err != nil {
		t.Fatal(err)
	}
	b.wait("it says so", "document.getElementById('live-note')?.textContent.includes('was deleted')")
	b.wait("the badge, too", "document.getElementById('live-status').dataset.state === 'ended'")
	if n := len(b.rows()); n != 2 {
		t.Errorf("the page lost what it showed: %d rows", n)
	}
	activity.wait("the deletion is an entry", "document.querySelectorAll('#log-list > li').length === 3")
	activity.equalsFresh()
}

func TestBrowserReaderOfTheTeamLosesWhatIsPrivateAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 2)...)
	path := s.conversation("c")
	id := path[len("/conversations/"):]
	share := func(v worklog.Visibility) {
		if _, err := s.client.UpdateConversation(t.Context(), id, worklog.ConversationPatch{Visibility: &v}); err != nil {
			t.Fatal(err)
		}
	}
	share(worklog.VisibilityTeam)
	owner := s.open(s.URL, path)
	ctx := apptest.Browser(t, planned()...)
	s.SignIn(ctx, "grace@example.org")
	reader := s.load(ctx, s.URL, path)
	s.write(worklog.Draft{Title: "shared", Conversation: "c"})
	reader.wait("the reader follows", "document.querySelectorAll('#log-list > li').length === 3")
	share(worklog.VisibilityPrivate)
	reader.wait("the reader is told", "document.getElementById('live-note')?.textContent.includes('not shared')")
	s.write(worklog.Draft{Title: "private", Conversation: "c"})
	owner.wait("the owner goes on", "document.querySelectorAll('#log-list > li').length === 4")
	owner.state("live")
	if n := len(reader.rows()); n != 3 {
		t.Errorf("the reader sees %d rows", n)
	}
}
