package livetest

import (
	"fmt"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

// loadOlder clicks the link to older entries and waits for n rows.
func (b *tab) loadOlder(n int) {
	b.t.Helper()
	b.wait("the link is a live one", "document.querySelector('#older a')['htmx-internal-data']?.initHash")
	b.do("document.querySelector('#older a').click()")
	b.wait("older ones come", fmt.Sprintf("document.querySelectorAll('#log-list > li').length === %d", n))
}

// holdOlder clicks the link to older entries and waits until their answer is there. The page gets it when the test calls
// the returned function.
func (b *tab) holdOlder() (release func()) {
	b.t.Helper()
	b.wait("the link is a live one", "document.querySelector('#older a')['htmx-internal-data']?.initHash")
	b.do(`const xhr = XMLHttpRequest.prototype, send = xhr.send;
		window.release = null;
		xhr.send = function (...what) {
			const answered = this.onload;
			this.onload = (...how) => { window.release = () => answered.apply(this, how); };
			send.apply(this, what);
		};
		document.querySelector('#older a').click();
		xhr.send = send;`)
	b.wait("the answer is there", "window.release")
	return func() {
		b.t.Helper()
		b.do("release()")
	}
}

// isWhole checks that the page shows the steps from first to last, newest first, and none twice.
func (b *tab) isWhole(first, last int) {
	b.t.Helper()
	rows := b.rows()
	for i, r := range rows {
		if want := fmt.Sprintf("step %d", last-i); r.Title != want {
			b.t.Fatalf("of %d rows number %d is %v, want %s", len(rows), i, r, want)
		}
	}
	if want := last - first + 1; len(rows) != want {
		b.t.Errorf("%d rows, want %d", len(rows), want)
	}
}

// A filtered page looks at no more than 10,000 entries at a time.
func TestBrowserFindsWhatLiesBehindManyEntriesThatDoNotMatch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	failed := func(title string) worklog.Draft {
		return worklog.Draft{Title: title, Key: title, Status: worklog.StatusError}
	}
	s.write(failed("first"), worklog.Draft{Title: "turns", Key: "turns", Status: worklog.StatusWorking})
	for i := range 44 { // a busy machine takes that many in the time that a request has
		s.write(numbered("c", 250*i, 250)...)
	}
	s.write(failed("last"))
	b := s.open(s.URL, "/?status=error")
	s.write(failed("turns")) // a part of the list that is not looked at yet
	s.write(failed("new"))
	b.wait("the page follows", "document.querySelectorAll('#log-list > li').length === 2")
	b.loadOlder(4)
	var titles []string
	for _, r := range b.rows() {
		titles = append(titles, r.Title)
	}
	if got := fmt.Sprint(titles); got != "[new last turns first]" {
		t.Errorf("the page shows %s", got)
	}
	b.wait("the end is reached", "document.querySelector('#older a').hidden")
}

func TestBrowserReachesAgainWhatItDroppedAfterTheEndWasReached(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(worklog.Draft{Title: "step 0", Key: "k", Status: worklog.StatusWorking})
	for i := range 3 {
		s.write(numbered("c", 1+110*i, 110)...)
	}
	b := s.open(s.URL, "/")
	for _, n := range []int{200, 300, 331} {
		b.loadOlder(n)
	}
	b.wait("the end is reached", "document.querySelector('#older a').hidden")
	b.do("document.activeElement.blur(); scrollTo(0, 0)")
	s.write(numbered("c", 331, 1)...)
	b.wait("the list is bounded", "document.querySelectorAll('#log-list > li').length === 300")
	s.write(worklog.Draft{Title: "step 0", Key: "k", Status: worklog.StatusSuccess}) // it is not shown any more
	s.write(numbered("c", 332, 1)...)
	b.wait("the newest is shown", "document.querySelector('#log-list .title').textContent.includes('step 332')")
	b.isWhole(33, 332)
	b.loadOlder(333)
	b.isWhole(0, 332)
	b.wait("the end is reached again", "document.querySelector('#older a').hidden")
}

// A change of an entry before the end of the list is none of the list's business, unless the entry is about to join it.
func TestBrowserShowsHowAnOlderEntryIsThatChangedOnItsWay(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                "document.querySelector('#log-list > li:last-child').matches('.s-success')",
		"/?status=working": "document.querySelector('#log-list > li:last-child .title').textContent.includes('step 0')",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			steps := make([]worklog.Draft, 121)
			for i := range steps {
				steps[i] = worklog.Draft{Title: fmt.Sprintf("step %d", i), Status: worklog.StatusWorking}
			}
			s.write(worklog.Draft{Title: "long", Key: "long", Status: worklog.StatusWorking})
			s.write(steps[:120]...)
			b := s.open(s.URL, path)
			release := b.holdOlder()
			s.write(worklog.Draft{Title: "long", Key: "long", Status: worklog.StatusSuccess})
			s.write(steps[120])
			b.wait("the page has come past the change", "document.querySelector('#log-list .title').textContent.includes('step 120')")
			release()
			b.wait("the change is not lost", want)
		})
	}
}

func TestBrowserLeavesNoHoleWhereTheListLostRowsWhileOlderOnesWereOnTheirWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 4 {
		s.write(numbered("c", 110*i, 110)...)
	}
	b := s.open(s.URL, "/")
	b.loadOlder(200)
	b.loadOlder(300)
	release := b.holdOlder()
	s.write(numbered("c", 440, 20)...)
	b.wait("the newest is shown", "document.querySelector('#log-list .title').textContent.includes('step 459')")
	release()
	b.isWhole(160, 459)
	b.loadOlder(400)
	b.isWhole(60, 459)
}

func TestBrowserAddsNoOlderEntriesToAListThatWasLoadedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 210)...)
	b := s.open(s.proxy.url, "/")
	release := b.holdOlder()
	s.proxy.set(refuse)
	for i := range 4 {
		s.write(numbered("c", 210+100*i, 100)...)
	}
	s.proxy.set(pass)
	b.wait("the page is loaded again", "document.querySelector('#log-list .title').textContent.includes('step 609')")
	release()
	b.isWhole(510, 609)
	b.loadOlder(200)
	b.isWhole(410, 609)
}
