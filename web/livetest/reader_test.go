package livetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/worklog"
)

// place is where on the screen a row is.
func (b *tab) place(id string) float64 {
	b.t.Helper()
	return eval[float64](b, fmt.Sprintf("document.getElementById(%q).getBoundingClientRect().top", id))
}

// stays checks that a row does not move while f runs.
func (b *tab) stays(id string, f func()) {
	b.t.Helper()
	before := b.place(id)
	f()
	if after := b.place(id); after < before-1 || after > before+1 {
		b.t.Errorf("the row that somebody reads moved from %.0f to %.0f", before, after)
	}
}

func (b *tab) pill(want string) {
	b.t.Helper()
	b.wait("the pill says "+want, fmt.Sprintf("(() => { const p = document.getElementById('new-pill'); return (p.hidden ? '' : p.textContent) === %q })()", want))
}

func TestBrowserDoesNotMoveAReaderOfTheActivity(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 80)...)
	b := s.open(s.URL, "/")
	b.do("scrollTo(0, 800)")
	middle := b.rows()[25].ID
	b.stays(middle, func() {
		s.write(numbered("c", 80, 3)...)
		b.pill("↑ 3 new")
		s.write(worklog.Draft{Title: "step 79", Key: "other", Details: "x"})
		b.pill("↑ 4 new")
	})
	b.equalsFresh()
	b.do("document.getElementById('new-pill').click()")
	b.pill("")
	b.wait("the newest is in sight", "scrollY < 5")
}

func TestBrowserDoesNotMoveAReaderWhenARowAboveGrows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 80)...)
	s.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusWorking, Conversation: "c"})
	b := s.open(s.URL, "/")
	b.do("scrollTo(0, 800)")
	middle := b.rows()[25].ID
	b.stays(middle, func() {
		s.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusSuccess, Details: "one line of output that is shown below the title"})
		b.wait("the row has grown", "document.querySelector('#log-list > li.s-success details')")
	})
	b.pill("")
}

func TestBrowserFollowsAConversationAtItsEndAndNotElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 80)...)
	b := s.open(s.URL, s.conversation("c"))
	atEnd := "scrollY + innerHeight >= document.documentElement.scrollHeight - 5"
	b.wait("it opens at its end", atEnd)
	s.write(numbered("c", 80, 5)...)
	b.wait("the entries are there", "document.querySelectorAll('#log-list > li').length === 85")
	b.wait("it follows", atEnd)
	b.do("scrollTo(0, 300)")
	middle := b.rows()[10].ID
	b.stays(middle, func() {
		s.write(numbered("c", 85, 2)...)
		b.pill("↓ 2 new")
	})
	b.do("scrollTo(0, document.documentElement.scrollHeight)")
	b.pill("")
	b.equalsFresh()
}

func TestBrowserAsksAReaderBeforeItLoadsThePageAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 100)...)
	b := s.open(s.proxy.url, "/")
	b.do("scrollTo(0, 800)")
	middle := b.rows()[25].ID
	b.stays(middle, func() {
		s.proxy.set(refuse)
		for i := range 4 {
			s.write(numbered("c", 100+100*i, 100)...)
		}
		s.proxy.set(pass)
		b.pill("↑ Newer entries")
		b.state("paused")
	})
	b.do("document.getElementById('new-pill').click()")
	b.state("live")
	b.pill("")
	b.equalsFresh()
}

func TestBrowserDoesNotMoveAReaderWhoGoesElsewhereWhileThePageIsLoadedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 100)...)
	b := s.open(s.proxy.url, "/")
	b.do(`const real = fetch;
		window.fetch = (what, ...how) => what !== location.pathname ? real(what, ...how) : new Promise((answer) => {
			window.release = () => { window.fetch = real; answer(real(what, ...how)); };
		})`)
	s.proxy.set(refuse)
	for i := range 4 {
		s.write(numbered("c", 100+100*i, 100)...)
	}
	s.proxy.set(pass)
	b.wait("it loads the page again", "window.release")
	b.do("scrollTo(0, 800)")
	middle := b.rows()[25].ID
	b.stays(middle, func() {
		b.do("release()")
		b.state("paused")
		b.pill("↑ Newer entries")
	})
	b.do("document.getElementById('new-pill').click()")
	b.state("live")
	b.equalsFresh()
}

func TestBrowserCountsWithoutEndWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 100)...)
	b := s.open(s.URL, "/")
	b.do("scrollTo(0, 800)")
	for i := range 16 {
		s.write(numbered("c", 100+50*i, 50)...)
		<-time.After(100 * time.Millisecond) // slow enough to be told one by one
	}
	b.wait("it counts", "/[5-9]\\d\\d new|Newer/.test(document.getElementById('new-pill').textContent)")
	if n := len(b.rows()); n > 600 {
		t.Errorf("%d rows are kept for a reader who is elsewhere", n)
	}
	b.do("document.getElementById('new-pill').click()")
	b.equalsFresh()
	s.write(worklog.Draft{Title: "and on"})
	b.equalsFresh()
}

// The list keeps no more rows by then, and can not tell from them what it has counted.
func TestBrowserCountsANewEntryOnceAlsoWhenItChangesUnseen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(worklog.Draft{Title: "shown", Key: "shown", Status: worklog.StatusWorking})
	s.write(numbered("c", 0, 99)...)
	b := s.open(s.URL, "/")
	b.do("scrollTo(0, 800)")
	for i := range 6 {
		s.write(numbered("c", 99+100*i, 100)...)
		b.pill(fmt.Sprintf("↑ %d new", 100+100*i))
	}
	s.write(worklog.Draft{Title: "new", Key: "new", Status: worklog.StatusWorking})
	b.pill("↑ 601 new")
	s.write(worklog.Draft{Title: "new", Key: "new", Status: worklog.StatusSuccess})
	s.write(worklog.Draft{Title: "shown", Key: "shown", Status: worklog.StatusSuccess})
	b.wait("both changes are there", "document.querySelector('#log-list > li:last-child').matches('.s-success')")
	if got := eval[string](b, "document.getElementById('new-pill').textContent"); got != "↑ 601 new" {
		t.Errorf("601 entries are new, and the pill says %q", got)
	}
}

// Nothing scrolls there that could tell that the reader has seen what is new.
func TestBrowserHidesThePillOfAShortPageThatFollowsAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(worklog.Draft{Title: "step 0", Details: "some\nmore\nlines", Conversation: "c"})
	b := s.open(s.URL, s.conversation("c"))
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(1280, 1600)); err != nil {
		t.Fatal(err)
	}
	b.do("document.querySelector('#log-list summary').focus(); document.querySelector('#log-list summary').click()")
	s.write(numbered("c", 1, 1)...)
	b.pill("↓ 1 new")
	b.do("document.activeElement.blur()")
	s.write(numbered("c", 2, 1)...)
	b.wait("the next one is there", "document.querySelectorAll('#log-list > li').length === 3")
	b.pill("")
}

func TestBrowserSaysThatTheProgramWasUpdated(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(s.URL, "/")
	b.do("document.body.dataset.version = 'older'; dispatchEvent(new Event('online'))")
	b.wait("it says so", "document.getElementById('live-note')?.textContent.includes('updated')")
	b.wait("and offers to reload", "document.querySelector('#live-note button')")
	b.state("live")
}

func TestBrowserNoticesAStreamThatDiedInItsSleep(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(s.URL, "/")
	b.do("window.live = document.getElementById('live'); const now = Date.now; Date.now = () => now() + 60000; document.dispatchEvent(new Event('visibilitychange'))")
	b.wait("the connection is a new one", "document.getElementById('live') !== window.live")
	b.state("live")
	s.write(worklog.Draft{Title: "and on"})
	b.equalsFresh()
}
