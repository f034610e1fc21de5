package readtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

const here = `document.querySelector('[data-at] .title')?.textContent.trim()`

func TestBrowserMovesBetweenRowsByKeys(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(5)...)
	r.open("/")
	r.press("j")
	r.expect(here, "step 005")
	r.press("jj")
	r.expect(here, "step 003")
	r.press("k")
	r.expect(here, "step 004")
	r.press(kb.Enter)
	r.wait("enter unfolds", "document.querySelector('[data-at] details[open] pre').textContent === 'details of 4'")
	r.press("g")
	r.expect(here, "step 005")
	r.press("/")
	r.expect("document.activeElement.closest('form').id", "filters")
	r.do("document.activeElement.value = ''") // what types for us sends the character even when the key was taken
	r.press("jump")
	r.expect("document.activeElement.value", "jump")
	r.do("document.activeElement.value = ''; document.activeElement.blur()")
	r.press("?")
	r.wait("help opens", "document.getElementById('help').open")
	r.press(kb.Escape)
	r.wait("help closes", "!document.getElementById('help').open")
	r.press("jo")
	r.wait("o opens the row's own page", "location.pathname.startsWith('/logs/')")
}

func TestBrowserTellsTimesAsTheReaderCountsThem(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	start, past := time.Now().Add(-2*time.Hour), time.Now().Add(-50*time.Hour)
	r.write(worklog.Draft{Title: "past", LoggedAt: &past, Conversation: "c"}, worklog.Draft{Title: "child", Parent: "k", Key: "k2", Conversation: "c"},
		worklog.Draft{Title: "running", Key: "k", Status: worklog.StatusWorking, StartedAt: &start, Conversation: "c"}, worklog.Draft{Title: "grandchild", Parent: "k2", Conversation: "c"})
	r.open(r.conversation())
	last := eval[string](r, "[...document.querySelectorAll('#log-list .at time')].at(-1).dateTime")
	at, err := time.Parse(time.RFC3339, last)
	if err != nil {
		t.Fatal(err)
	}
	apptest.Clock(t, r.ctx, at)
	r.do("document.dispatchEvent(new Event('visibilitychange'))") // it tells the times at once
	r.expect("[...document.querySelectorAll('#log-list .at time')].at(-1).textContent", "now")
	r.expect("document.querySelectorAll('[data-day]').length", "2")
	r.expect("[...document.querySelectorAll('[data-day]')].at(-1).dataset.day", "Today")
	r.wait("a running step counts", "/^2 h 0\\d m$/.test(document.querySelector('.s-working .dur').textContent)")
	r.do(fmt.Sprintf("document.querySelector('.s-working .dur').dataset.started = %q", last))
	apptest.Clock(t, r.ctx, at)
	r.wait("it counts on", "/^[1-9]\\d* s$/.test(document.querySelector('.s-working .dur').textContent)")
	r.expect("document.querySelector('#log-list .at time').title.length > 10", "true")
	r.expect("document.querySelector('[data-depth]').dataset.depth + document.querySelector('[data-depth] .title').textContent.trim()", "2grandchild")
}

func TestBrowserRemembersWhatWasUnfolded(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(3)...)
	r.open("/")
	r.do("document.querySelectorAll('#log-list summary')[1].click()")
	r.wait("it is kept", "sessionStorage.getItem('worklog:open')")
	r.open("/")
	r.expect("[...document.querySelectorAll('#log-list details')].map((d) => d.open)", "false,true,false")
	r.expect("JSON.stringify(sessionStorage).includes('details of')", "false")
}

func TestBrowserLoadsOlderEntriesInPlace(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(250)...)
	for _, path := range []string{"/", r.conversation()} {
		r.open(path)
		r.expect("document.querySelectorAll('#log-list .row').length", "100")
		for _, n := range []string{"200", "250"} {
			r.wait("the link is a live one", "document.querySelector('#older a')['htmx-internal-data']?.initHash")
			r.do("window.mark = document.querySelector('#log-list .row'); window.top0 = mark.getBoundingClientRect().top; document.querySelector('#older a').click()")
			r.wait("older rows join", "document.querySelectorAll('#log-list .row').length === "+n)
			r.expect("Math.abs(mark.getBoundingClientRect().top - top0) < 2", "true")
		}
		r.wait("the end is reached", "!document.querySelector('#older a:not([hidden])')")
		sorted := eval[string](r, "(() => { const t = [...document.querySelectorAll('#log-list .title')].map((n) => n.textContent.trim()); return t[0] + ' ' + t.at(-1) + ' ' + new Set(t).size })()")
		if sorted != "step 001 step 250 250" && sorted != "step 250 step 001 250" {
			t.Errorf("%s shows %s", path, sorted)
		}
	}
}

func TestBrowserShowsLongDetailsOnDemand(t *testing.T) {
	t.Parallel()
	r := newReader(t, worklog.Draft{Title: "long", Details: strings.Repeat("a line of output\n", 2000)})
	r.open("/")
	r.do("document.querySelector('#log-list summary').click(); document.querySelector('.out a').click()")
	r.wait("everything is there", "document.querySelector('#log-list pre').textContent.length === 33999")
	r.expect("document.querySelectorAll('#log-list .out, #log-list .out a').length", "1")
	r.expect("location.pathname", "/")
}

func TestBrowserFollowsTheThemeOfTheSystemAndTheSwitch(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	const ground = "getComputedStyle(document.documentElement).backgroundColor"
	r.theme("dark")
	r.open("/")
	r.expect(ground, "rgb(21, 21, 20)")
	r.theme("light")
	r.wait("it becomes light", ground+" === 'rgb(251, 251, 250)'")
	r.do("document.querySelector('.side .theme button[value=dark]').click()")
	r.expect(ground, "rgb(21, 21, 20)")
	r.wait("the choice is kept", "performance.getEntriesByType('resource').some((e) => e.name.endsWith('/theme') && e.responseEnd > 0)") // who leaves before that ends the request
	r.open("/unfiled")
	r.expect(ground, "rgb(21, 21, 20)") // on the next page, too
	r.do("document.querySelector('.side .theme button[value=system]').click()")
	r.expect(ground, "rgb(251, 251, 250)")
}

func TestBrowserNeedsNoScriptToRead(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(120)...)
	r.script(false)
	r.open(r.conversation())
	r.expect("[...document.querySelectorAll('#log-list .title')].at(-1).textContent.trim()", "step 120")
	r.expect("/^\\d+ \\w+ \\d{4} \\d\\d:\\d\\d UTC$/.test(document.querySelector('.at time').textContent)", "true")
	r.do("document.querySelector('#log-list summary').click()")
	r.expect("document.querySelector('#log-list pre').checkVisibility()", "true")
	r.expect("document.getElementById('log-empty').checkVisibility()", "false")
	r.expect("document.getElementById('live-status').checkVisibility()", "false")
	r.do("document.querySelector('#older a').click()")
	r.arrive("the link leads on", "location.search.startsWith('?before=') && document.querySelector('#log-list .title')?.textContent.trim() === 'step 001'")
	r.do("document.querySelector('.side .theme button[value=dark]').click()")
	r.arrive("the switch is a form", "document.documentElement.dataset.theme === 'dark'")
	r.expect("location.search.startsWith('?before=')", "true")
	r.do("document.querySelector('#filters .q').value = 'step 007'; document.getElementById('filters').requestSubmit()")
	r.wait("so is the filter", "document.querySelectorAll('#log-list .title').length === 1")
}

func TestBrowserKeepsTheListOfConversationsFresh(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(1)...)
	r.open("/")
	r.wait("the row names its conversation", "document.querySelector('.conv').textContent === 'c'")
	r.write(worklog.Draft{Title: "elsewhere", Conversation: "another", Status: worklog.StatusWorking, Key: "k"})
	r.wait("the new conversation is listed as running", "document.querySelector('.threads .is-running .name')?.textContent === 'another'")
	r.wait("and the row names it", "document.querySelector('.conv').textContent === 'another'")
}
