package livetest

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/apptest"
)

// promised is when entries arrive on the demo's page, counted from the link that leads there.
const promised = 10 * time.Second

// The first thing that a newcomer sees: the link that "make run" prints, and work that arrives on its page.
func TestBrowserSeesTheDemoArriveOnThePageOfItsLink(t *testing.T) {
	t.Parallel()
	ctx := apptest.Browser(t, planned()...)
	app := apptest.Start(t, apptest.WithPrivatePostgres(), apptest.WithArgs("--demo"))
	var link []string
	apptest.Eventually(t, "the link is printed", func() bool {
		link = regexp.MustCompile(`http://\S+(/enter/\S+)`).FindStringSubmatch(app.Logs())
		return link != nil
	})
	began := time.Now()
	b := &tab{t: t, s: &site{App: app, t: t}, ctx: ctx, path: "/"}
	if err := chromedp.Do(b.ctx, chromedp.Navigate(app.URL+link[1])); err != nil {
		t.Fatal(err)
	}
	b.do(`document.querySelector('main form button').click()`)
	b.state("live")
	before := len(b.rows())
	b.wait("an entry arrives", "document.querySelectorAll('#log-list > li').length > "+strconv.Itoa(before))
	took := time.Since(began).Round(100 * time.Millisecond)
	t.Logf("an entry has arrived on the page %v after the link", took)
	if took > 3*promised { // the race detector, and whatever else is tested at the same time
		t.Errorf("%v, and %v are promised", took, promised)
	}
}
