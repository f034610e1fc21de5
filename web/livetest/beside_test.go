package livetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// look says whether somebody looks at the page.
func (b *tab) look(looked bool) {
	b.t.Helper()
	b.do(fmt.Sprintf("window.looked = %v; Object.defineProperty(document, 'hidden', { get: () => !window.looked, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))", looked))
}

// pass waits until so many milliseconds have gone by in the page: what may still come has come.
func (b *tab) pass(ms int) {
	b.t.Helper()
	b.do("window.from = performance.now()")
	b.wait("time passes", fmt.Sprintf("performance.now() > window.from + %d", ms))
}

const (
	listed = "document.querySelectorAll('#conversation-list .row').length"
	beside = "document.querySelectorAll('#threads a').length"
)

func TestBrowserListCatchesUpWhenItIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 1)...)
	b := s.open(s.URL, "/conversations")
	b.look(false)
	s.write(numbered("another", 0, 1)...)
	b.wait("what stands beside comes by itself", beside+" === 2")
	b.pass(1500)
	b.look(true)
	b.wait("the list catches up", listed+" === 2")
}

func TestBrowserListCatchesUpWhenTheKeyboardHasLeftIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 1)...)
	b := s.open(s.URL, "/")
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(1280, 800)); err != nil { // a narrow window has no list
		t.Fatal(err)
	}
	b.do("document.addEventListener('worklog:threads', () => { window.told = true }); document.querySelector('#threads a').focus()")
	s.write(numbered("another", 0, 1)...)
	b.wait("there is news", "window.told")
	b.wait("the focus stays", "document.activeElement.matches('#threads a') && "+beside+" === 1")
	b.do("document.activeElement.blur()")
	b.wait("the list catches up", beside+" === 2")
}

func TestBrowserListIsNotSetBackByAnAnswerThatComesLate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 1)...)
	b := s.open(s.URL, "/conversations")
	b.do(`const real = fetch; window.told = 0; document.addEventListener('worklog:threads', () => { told++ });
		window.fetch = async (...how) => {
			const answer = await real(...how);
			if (!window.release) await new Promise((go) => { window.release = go });
			return answer;
		}`)
	s.write(numbered("second", 0, 1)...)
	b.wait("an answer is on its way", "window.release")
	s.write(numbered("third", 0, 1)...)
	b.wait("there is more news", beside+" === 3")
	b.pass(1500)
	b.do("release()")
	b.pass(1500)
	b.wait("the list shows all", listed+" === 3 && "+beside+" === 3")
}

func TestBrowserBringsTheListsUpToDateAfterAGap(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 40)...)
	b := s.open(s.proxy.url, "/")
	list := s.load(b.ctxOfAnotherTab(), s.proxy.url, "/conversations")
	list.do("document.getElementById('log-list').dataset.epoch = 'another'; document.body.style.minHeight = '3000px'; scrollTo(0, 500)")
	s.proxy.set(refuse)
	for i := range 4 {
		s.write(numbered("another", 100*i, 100)...)
	}
	s.proxy.set(pass)
	b.wait("the page is up to date", "document.querySelector('#log-list .title').textContent.includes('step 399')")
	b.wait("and so is what stands beside it", beside+" === 2")
	list.wait("the list, too", listed+" === 2 && "+beside+" === 2")
	list.state("live")
	list.wait("nobody is moved", "scrollY === 500")
}

func TestBrowserUnfiledPageShowsWhatADeletedConversationLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	s.write(worklog.Draft{Title: "unfiled"})
	b := s.open(s.URL, "/unfiled")
	asks := s.load(b.ctxOfAnotherTab(), s.proxy.url, "/unfiled")
	s.proxy.set(swallow)
	asks.do("dispatchEvent(new Event('online'))")
	asks.state("polling")
	if err := s.client.DeleteConversation(t.Context(), strings.TrimPrefix(s.conversation("c"), "/conversations/")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*tab{b, asks} {
		p.wait("its entries are there", "document.querySelectorAll('#log-list > li').length === 5")
		p.equalsFresh()
	}
	b.state("live")
}

func TestBrowserUnfiledPageShowsWhatADeletionLeftBeforeARestart(t *testing.T) {
	t.Parallel()
	s := newOwnSite(t)
	s.write(numbered("c", 0, 3)...)
	s.write(worklog.Draft{Title: "unfiled"})
	b := s.open(s.proxy.url, "/unfiled")
	s.proxy.set(refuse)
	if err := s.client.DeleteConversation(t.Context(), strings.TrimPrefix(s.conversation("c"), "/conversations/")); err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, "the deletion is finished", func() bool { return len(s.fresh("/unfiled")) == 5 })
	s.Stop()
	s.Restart()
	s.proxy.set(pass)
	b.wait("its entries are there", "document.querySelectorAll('#log-list > li').length === 5")
	b.equalsFresh()
	b.state("live")
}
