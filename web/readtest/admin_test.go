package readtest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/worklogdev/worklog/internal/apptest"
)

// newOffice is a browser in which an administrator is signed in, and the path of the admin page of [apptest.Email].
func newOffice(t *testing.T) (r *reader, user string) {
	t.Helper()
	app := apptest.Shared(t)
	r = &reader{t: t, app: app, client: app.Client(), ctx: apptest.Browser(t, "401", "404", "422")}
	r.write(odd()...)
	app.Admin("root@example.org")
	app.SignIn(r.ctx, "root@example.org")
	r.open("/settings")
	me := eval[string](r, "document.querySelector('.who').textContent.trim()")
	r.open("/admin/users?q=" + url.QueryEscape(strings.Replace(me, "root", "ada", 1)))
	return r, eval[string](r, "document.querySelector('.users .name').getAttribute('href')")
}

// typed types into the field of a name and goes on with Enter.
func (r *reader) typed(field, text string) {
	r.t.Helper()
	if err := chromedp.Do(r.ctx, chromedp.Focus(`[name="`+field+`"]:not([type="hidden"])`)); err != nil {
		r.t.Fatal(err)
	}
	r.press(text)
}

func TestBrowserFitsAdminPagesAndFindsNoBarrierInThem(t *testing.T) {
	t.Parallel()
	r, user := newOffice(t)
	r.open(user + "/entries")
	r.typed("reason", "looking at the widest entries"+kb.Enter)
	r.arrive("it is open", "document.querySelector('.rows .row')")
	paths := []string{
		"/admin/users", "/admin/users/new", user, user + "/erase", user + "/entries", "/admin/tokens", "/admin/holds", "/admin/audit", "/admin/retention?dry=true", "/settings/data",
	}
	for _, path := range paths {
		for _, width := range []int64{320, 1280} {
			r.size(width, 800)
			r.open(path)
			r.do("for (const d of document.querySelectorAll('details')) d.open = true")
			if wide := eval[int64](r, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("%s is %d wide in a window of %d", path, wide, width)
			}
		}
		themes := []string{"light"}
		if path == user || path == user+"/entries" || strings.HasPrefix(path, "/admin/retention") { // between them they show every colour
			themes = append(themes, "dark")
		}
		for _, theme := range themes {
			r.theme(theme)
			apptest.Accessible(t, r.ctx)
			if t.Failed() {
				t.Fatalf("that was %s in the %s theme", path, theme)
			}
		}
	}
}

// An erasure from the list of users to its end, first by keys alone, and everything without any script.
func TestBrowserErasesByKeysAndWithoutScripts(t *testing.T) {
	t.Parallel()
	r, user := newOffice(t)
	r.script(false)
	r.open(user + "/erase")
	address := eval[string](r, "document.querySelector('main b').textContent.trim()")
	r.typed("reason", "request 12"+kb.Tab+"somebody@else.example"+kb.Enter)
	r.arrive("it is refused", "document.querySelector('[role=alert]') && document.activeElement.name === 'confirm'")
	r.do("document.activeElement.select()") // the field with the mistake has the focus and what was typed
	r.press(address + kb.Enter)
	r.arrive("the name is gone", "/^erased user \\d+$/.test(document.querySelector('h1').textContent.trim())")
	apptest.Eventually(t, "everything is erased", func() bool {
		r.open(user)
		return eval[bool](r, "document.querySelector('.head .facts').textContent.startsWith('erased')")
	})
	r.open("/admin/audit?user=" + user[strings.LastIndexByte(user, '/')+1:])
	r.expect("[...document.querySelectorAll('.audit p')].some((p) => p.textContent.includes('finished erasing'))", "true")
	r.expect("document.body.textContent.includes("+"'"+address+"'"+")", "false")
}
