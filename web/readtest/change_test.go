package readtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// click clicks what a selector finds, as a mouse does.
func (r *reader) click(selector string) {
	r.t.Helper()
	if err := chromedp.Do(r.ctx, chromedp.Click(selector)); err != nil {
		r.t.Fatalf("click %s: %v", selector, err)
	}
}

// choose opens the conversation's menu and clicks a button of it, and waits for the page that comes then.
func (r *reader) choose(button string) {
	r.t.Helper()
	r.click(".menu summary")
	r.do("window.before = true")
	r.click(".menu " + button)
	r.arrive("the page comes again", "!window.before && document.querySelector('.menu:not([open])')")
}

func TestBrowserChangesAConversationByItsMenu(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(2)...)
	r.size(1280, 800)
	path := r.conversation()
	r.open(path)
	r.do("document.querySelector('.menu input[name=title]').value = 'A better name'")
	r.choose(".rename button")
	r.expect("document.querySelector('h1').textContent.trim()", "A better name")
	r.expect("location.pathname", path)
	r.choose("button[name=pinned]")
	r.expect("document.querySelector('#threads h2').textContent", "Pinned")
	r.choose("button[name=keep]")
	r.expect("document.getElementById('log-facts').textContent.includes('kept')", "true")
	r.choose("button[name=archived]")
	r.expect("document.getElementById('log-facts').textContent.includes('archived')", "true")
	r.choose("button[name=archived]")
	r.expect("document.getElementById('log-facts').textContent.includes('archived')", "false")
	r.choose("button[name=visibility]")
	r.expect("document.querySelectorAll('.teamnote').length", "1")
	r.click(".menu summary")
	r.click(".menu a.danger")
	r.arrive("it asks first", fmt.Sprintf("location.pathname === '%s/delete'", path))
	r.click("main form button.danger")
	r.arrive("the activity says what was deleted", `location.pathname === '/' && document.querySelector('#log-list .title').textContent.includes('“A better name” deleted')`)
	r.expect("document.querySelectorAll('#threads a').length", "0")
}

func TestBrowserTellsTheDayAnewAfterMidnight(t *testing.T) {
	t.Parallel()
	y, m, d := time.Now().AddDate(0, 0, -2).Date()
	noon := time.Date(y, m, d, 12, 0, 0, 0, time.Local) // whenever this runs: midnight does not come unasked
	r := newReader(t, worklog.Draft{Title: "step", LoggedAt: &noon})
	r.open("/")
	apptest.Clock(t, r.ctx, noon.Add(time.Hour))
	r.wait("it was written today", "document.querySelector('#log-list [data-day]').dataset.day === 'Today'")
	apptest.Clock(t, r.ctx, noon.Add(25*time.Hour))
	r.wait("yesterday, a day later", "document.querySelector('#log-list [data-day]').dataset.day === 'Yesterday'")
	r.wait("and not now", "!/now| m/.test(document.querySelector('#log-list .at time').textContent)")
}

func TestBrowserTurnsTheKeysOff(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(3)...)
	r.size(1280, 800)
	r.open("/")
	r.press("?")
	r.wait("help opens", "document.getElementById('help').open")
	r.click("#help input[type=checkbox]")
	r.click("#help form button")
	r.wait("help closes", "!document.getElementById('help').open")
	for range 2 { // also on the next page
		r.press("j?")
		r.expect("document.querySelectorAll('[data-at]').length + String(document.getElementById('help').open)", "0false")
		r.open("/unfiled")
		r.open("/")
	}
	r.click(".foot button[data-help]")
	r.wait("help opens without a key", "document.getElementById('help').open")
	r.expect("document.querySelector('#help input[type=checkbox]').checked", "false")
	r.click("#help input[type=checkbox]")
	r.click("#help form button")
	r.press("j")
	r.expect(here, "step 003")
}
