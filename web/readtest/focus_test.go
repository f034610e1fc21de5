package readtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/worklogdev/worklog/internal/apptest"
)

func TestBrowserKeepsTheFocusWhereOlderEntriesCome(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(120)...)
	r.size(1280, 800)
	for path, first := range map[string]string{"/": "#log-list > li:nth-child(%d)", r.conversation(): "#log-list > li:nth-last-child(%d)"} {
		r.open(path)
		r.wait("the link is a live one", "document.querySelector('#older a')['htmx-internal-data']?.initHash")
		shown := eval[int](r, "document.querySelectorAll('#log-list > li').length")
		r.do("document.querySelector('#older a').focus()")
		r.press(kb.Enter)
		r.wait("older ones come", fmt.Sprintf("document.querySelectorAll('#log-list > li').length > %d", shown))
		r.wait("the keyboard is at the first of them", fmt.Sprintf("document.querySelector('%s').contains(document.activeElement)", fmt.Sprintf(first, shown+1)))
	}
}

func TestBrowserLeavesTheFocusWhereSomebodyElseIsWhenOlderEntriesCome(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(120)...)
	r.open("/")
	r.wait("the link is a live one", "document.querySelector('#older a')['htmx-internal-data']?.initHash")
	shown := eval[int](r, "document.querySelectorAll('#log-list > li').length")
	r.do("document.querySelector('#filters .q').focus(); htmx.trigger('#older a', 'click')")
	r.wait("older ones come", fmt.Sprintf("document.querySelectorAll('#log-list > li').length > %d", shown))
	r.expect("document.activeElement.name", "q")
}

func TestBrowserGoesBackToTheButtonOfAMenuThatEscapeCloses(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(1)...)
	r.size(1280, 800)
	r.open(r.conversation())
	r.click(".menu summary")
	r.do("document.querySelector('.menu button[name=pinned]').focus()")
	r.press(kb.Escape)
	r.wait("the menu is closed", "!document.querySelector('.menu').open")
	r.expect("document.activeElement === document.querySelector('.menu summary')", "true")
}

func TestBrowserNamesTheYearOfADayThatIsNotOfThisOne(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(1)...)
	r.open("/")
	apptest.Clock(t, r.ctx, time.Now().AddDate(0, 0, 400))
	r.wait("the heading has the year", "/\\d{4}/.test(document.querySelector('#log-list [data-day]').dataset.day)")
}

func TestBrowserTellsTheTimesOfWhateverComesIntoAPage(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.open("/settings/sessions")
	r.do(`htmx.swap(document.querySelector('main ul'), '<section id="came"><time datetime="2020-02-03T04:05:06Z">raw</time></section>', { swapStyle: 'outerHTML' })`)
	r.wait("its time is told", "document.querySelector('#came time') && document.querySelector('#came time').textContent !== 'raw'")
}

func TestBrowserShowsNoFilterThatIsNotApplied(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(3)...)
	for _, path := range []string{"/", r.conversation(), "/conversations"} {
		r.open(path)
		r.do("const q = document.querySelector('main input[name=q]'); q.value = 'step 002'; q.form.requestSubmit()")
		r.arrive("it is filtered", "location.search.includes('q=step')")
		r.do("history.back()")
		r.arrive("back", "!location.search.includes('q=step')")
		r.expect("document.querySelector('main input[name=q]').value", "")
	}
}
