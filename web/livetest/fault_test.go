package livetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestBrowserPageSurvivesAKillInTheMiddleOfABurst(t *testing.T) {
	t.Parallel()
	s := newOwnSite(t)
	s.write(numbered("c", 0, 5)...)
	b := s.open(s.URL, "/")
	conversation := b.another(s.conversation("c"))
	ctx, cancel := context.WithCancel(t.Context())
	var burst sync.WaitGroup
	burst.Go(func() { // the client keeps trying, with the same keys
		for i := 5; i < 60; i++ {
			if _, err := s.client.Append(ctx, worklog.Draft{Title: fmt.Sprintf("step %d", i), Conversation: "c", Key: fmt.Sprint(i)}); err != nil {
				t.Logf("step %d: %v", i, err)
			}
		}
	})
	b.wait("the burst has begun", "document.querySelectorAll('#log-list > li').length > 8")
	s.Kill()
	s.Restart()
	burst.Wait()
	cancel()
	s.write(worklog.Draft{Title: "the end", Conversation: "c"})
	for _, p := range []*tab{b, conversation} {
		p.equalsFresh()
		p.state("live")
	}
	if n := len(b.rows()); n < 50 {
		t.Errorf("only %d rows came through: the burst shows nothing", n)
	}
}

func TestBrowserPageSurvivesTwentySecondsOf503(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	b := s.open(s.proxy.url, "/")
	s.proxy.set(refuse)
	b.state("reconnecting")
	s.write(numbered("c", 3, 20)...)
	<-time.After(20 * time.Second) // the story is about that long an outage, and there is no clock to move in a browser
	s.write(worklog.Draft{Title: "changes", Key: "k", Status: worklog.StatusWorking})
	s.proxy.set(pass)
	s.write(worklog.Draft{Title: "changes", Key: "k", Status: worklog.StatusSuccess})
	b.state("live")
	b.equalsFresh()
}

// patience is how many milliseconds a page waits before it says that its stream was dropped.
const patience = 3000

// openPatient opens a page that waits a minute instead: on a busy machine a stream comes back later than the server asks
// it to. What it asks for is another test's claim, and [site.comesBack]'s.
func (s *site) openPatient(base, path string) *tab {
	s.t.Helper()
	ctx := apptest.Browser(s.t, planned()...)
	s.SignIn(ctx, apptest.Email)
	longer := fmt.Sprintf("{ const real = setTimeout; window.setTimeout = (f, ms, ...rest) => real(f, ms === %d ? 60000 : ms, ...rest); }", patience)
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: longer}); err != nil {
		s.t.Fatal(err)
	}
	return s.load(ctx, base, path)
}

// comesBack checks that a stream asks, when it begins and when it has aged, for a pause that is shorter than the patience.
func (s *site) comesBack() {
	s.t.Helper()
	asked := regexp.MustCompile(`(?m)^retry: (\d+)$`).FindAllStringSubmatch(s.Get(s.http, "/stream").Body, -1)
	if len(asked) < 2 {
		s.t.Errorf("a stream asks for %v", asked)
	}
	for _, ms := range asked {
		if n, err := strconv.Atoi(ms[1]); err != nil || n >= patience {
			s.t.Errorf("a page is to come back after %s ms", ms[1])
		}
	}
}

func TestBrowserShortDropIsNotWorthAWord(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	b := s.openPatient(s.proxy.url, "/")
	b.do("window.said = []; new MutationObserver(() => said.push(document.getElementById('live-status').dataset.state)).observe(document.getElementById('live-status'), { attributes: true, childList: true })")
	for i := range 3 { // each stream waits for a time of its own
		s.proxy.cut()
		s.write(worklog.Draft{Title: "meanwhile"})
		b.wait("what was missed arrives", fmt.Sprintf("document.querySelectorAll('#log-list > li').length === %d", 4+i))
	}
	b.equalsFresh()
	if said := eval[string](b, "said.join(' ')"); said != "" {
		t.Errorf("while the stream was dropped and mended the badge said %q", said)
	}
}

func TestBrowserAgedStreamIsReplacedWithoutAWord(t *testing.T) {
	t.Parallel()
	s := newSite(t, "WORKLOG_STREAM_MAX_AGE", "2s")
	s.write(numbered("c", 0, 3)...)
	s.comesBack()
	b := s.openPatient(s.URL, "/")
	b.do("window.said = new Set(); new MutationObserver(() => said.add(document.getElementById('live-status').dataset.state)).observe(document.getElementById('live-status'), { attributes: true, childList: true })")
	for i := range 40 {
		s.write(worklog.Draft{Title: fmt.Sprintf("over %d", i), Conversation: "c"})
		<-time.After(200 * time.Millisecond) // streams age meanwhile
	}
	b.equalsFresh()
	if said := eval[string](b, "[...said].join(' ')"); said != "" {
		t.Errorf("while streams were replaced the badge said %q", said)
	}
}

func TestBrowserAsksWhenItsStreamIsEatenAndComesBack(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mode{"no answer": swallow, "headers only": hold} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.write(numbered("c", 0, 3)...)
			b := s.open(s.proxy.url, s.conversation("c"))
			s.proxy.set(m)
			b.do("dispatchEvent(new Event('online'))") // another network, with another proxy
			b.state("polling")
			s.write(worklog.Draft{Title: "step 3", Conversation: "c", Key: "k", Status: worklog.StatusWorking})
			b.equalsFresh()
			s.write(worklog.Draft{Title: "step 3", Key: "k", Status: worklog.StatusSuccess})
			b.equalsFresh()
			b.wait("it asks less and less", "/delay:([2-9]\\d{3}|\\d{5})ms/.test(document.getElementById('live').getAttribute('hx-trigger'))")
			s.proxy.set(pass)
			b.do("dispatchEvent(new Event('online'))")
			b.state("live")
			s.write(worklog.Draft{Title: "live again", Conversation: "c"})
			b.wait("it streams", "document.querySelectorAll('#log-list > li').length === 5")
			b.equalsFresh()
		})
	}
}

func TestBrowserPollingPageSurvivesFailedQuestions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	b := s.open(s.proxy.url, "/")
	s.proxy.set(swallow)
	b.do("dispatchEvent(new Event('online'))")
	b.state("polling")
	s.proxy.mode.Store(int32(refuse))
	b.state("reconnecting")
	s.proxy.mode.Store(int32(swallow))
	s.write(worklog.Draft{Title: "meanwhile"})
	b.state("polling")
	b.equalsFresh()
}

func TestBrowserLoadsThePageAgainWhenItIsFarBehind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 150)...)
	b := s.open(s.proxy.url, "/")
	conversation := b.s.load(b.ctx, s.proxy.url, s.conversation("c"))
	conversation.do("document.querySelector('#log-list').mine = true")
	s.proxy.set(refuse)
	for i := range 4 {
		s.write(numbered("c", 150+100*i, 100)...)
	}
	s.proxy.set(pass)
	conversation.state("live")
	conversation.equalsFresh()
	conversation.wait("the document is the same", "document.querySelector('#log-list').mine")
	if n := len(conversation.rows()); n != 100 {
		t.Errorf("%d rows after a reload, want the 100 of a fresh page", n)
	}
	s.write(worklog.Draft{Title: "and on", Conversation: "c"})
	conversation.equalsFresh()
}

func TestBrowserGoesBackToAPageThatIsCurrent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	b := s.open(s.URL, "/")
	if err := chromedp.Do(b.ctx, chromedp.Navigate(s.URL+s.conversation("c"))); err != nil {
		t.Fatal(err)
	}
	b.state("live")
	s.write(worklog.Draft{Title: "meanwhile"})
	if err := chromedp.Do(b.ctx, chromedp.NavigateBack()); err != nil {
		t.Fatal(err)
	}
	b.state("live")
	b.equalsFresh()
	s.write(worklog.Draft{Title: "and on"})
	b.equalsFresh()
	if err := chromedp.Do(b.ctx, chromedp.NavigateForward()); err != nil {
		t.Fatal(err)
	}
	b.path = s.conversation("c")
	b.state("live")
	b.equalsFresh()
}

// TestBrowserPageEqualsAFreshOneAfterAnySchedule cuts, refuses and swallows at random while somebody writes.
func TestBrowserPageEqualsAFreshOneAfterAnySchedule(t *testing.T) {
	t.Parallel()
	s := newSite(t, "WORKLOG_STREAM_MAX_AGE", "5s")
	s.write(numbered("c", 0, 3)...)
	path := s.conversation("c")
	b := s.open(s.proxy.url, "/")
	conversation := s.load(b.ctxOfAnotherTab(), s.proxy.url, path)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		switch r.IntN(10) {
		case 0:
			s.proxy.set(refuse)
		case 1, 2:
			s.proxy.set(pass)
		case 3:
			s.proxy.cut()
		case 4:
			s.write(numbered("c", 1000, 10+r.IntN(40))...)
		default:
			n := r.IntN(30)
			key := fmt.Sprint(n)
			status := []worklog.Status{worklog.StatusWorking, worklog.StatusSuccess}[r.IntN(2)]
			s.write(worklog.Draft{Title: "step " + key, Key: key, Conversation: []string{"c", "other"}[n%2], Status: status})
		}
		<-time.After(time.Duration(r.IntN(300)) * time.Millisecond) // so that the events meet the page in different states
	}
	s.proxy.set(pass)
	for _, p := range []*tab{b, conversation} {
		p.state("live")
		p.equalsFresh()
	}
}

func TestBrowserAsksWhenItsStreamsAreRefusedOrEndTooEarly(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mode{"refused": deny, "ended": hangUp} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.write(numbered("c", 0, 3)...)
			b := s.open(s.proxy.url, "/")
			s.proxy.set(m)
			b.state("polling")
			s.write(worklog.Draft{Title: "meanwhile"})
			b.equalsFresh()
			s.proxy.set(pass)
			b.do("dispatchEvent(new Event('online'))")
			b.state("live")
			s.write(worklog.Draft{Title: "live again"})
			b.equalsFresh()
		})
	}
}

// A page that asks instead does not go on asking for minutes when it was the whole server that was away.
func TestBrowserStreamsAgainAsSoonAsItsServerIsBack(t *testing.T) {
	t.Parallel()
	s := newOwnSite(t)
	s.write(numbered("c", 0, 3)...)
	b := s.open(s.proxy.url, "/")
	s.proxy.set(swallow)
	b.do("dispatchEvent(new Event('online'))")
	b.state("polling")
	s.proxy.set(refuse)
	b.state("reconnecting")
	s.write(worklog.Draft{Title: "meanwhile"})
	s.proxy.set(pass)
	b.state("live")
	b.equalsFresh()
	s.Stop()
	b.state("reconnecting")
	s.Restart()
	b.state("live")
	s.write(worklog.Draft{Title: "and on"})
	b.equalsFresh()
}

// A stream that is dropped comes back through a proxy that eats it: the browser waits for an answer, and says nothing.
func TestBrowserAsksWhenADroppedStreamComesBackAndIsEaten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	b := s.open(s.proxy.url, "/")
	b.do("document.getElementById('live').dataset.first = 'yes'")
	s.proxy.set(swallow)
	b.wait("the page tries another stream", "!document.getElementById('live').dataset.first")
	b.state("polling")
	s.write(worklog.Draft{Title: "meanwhile"})
	b.equalsFresh()
}

// A page that asks is told that it is too far behind while its reader is elsewhere: asking on would put new rows above a
// hole.
func TestBrowserPollingPageThatIsFarBehindAsksNothingUntilItsReaderAgrees(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 100)...)
	b := s.open(s.proxy.url, "/")
	s.proxy.set(swallow)
	b.do("dispatchEvent(new Event('online'))")
	b.state("polling")
	b.do("scrollTo(0, 800)")
	s.proxy.set(refuse)
	for i := range 4 {
		s.write(numbered("c", 100+100*i, 100)...)
	}
	s.proxy.set(swallow)
	b.pill("↑ Newer entries")
	b.state("paused")
	b.wait("nothing asks", "!document.getElementById('live').matches('[hx-get], [sse-connect]')")
	s.write(numbered("c", 500, 2)...)
	s.proxy.set(pass)
	b.do("dispatchEvent(new Event('online'))")
	b.state("paused")
	b.wait("nothing asks", "!document.getElementById('live').matches('[hx-get], [sse-connect]')")
	if newest := b.rows()[0].Title; newest != "step 99" {
		t.Errorf("above what the page had is %s", newest)
	}
	b.do("document.getElementById('new-pill').click()")
	b.state("live")
	b.equalsFresh()
}

// Rows that were only counted are before the cursor already: a stream alone never brings them.
func TestBrowserLoadsThePageAgainWhateverComesBetween(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 100)...)
	b := s.open(s.proxy.url, "/")
	b.do("scrollTo(0, 800)")
	for i := range 6 {
		s.write(numbered("c", 100+100*i, 100)...)
		b.pill(fmt.Sprintf("↑ %d new", 100+100*i))
	}
	s.proxy.set(refuse)
	b.do(`window.refused = 0; const real = fetch;
		window.fetch = (...what) => real(...what).then((answer) => { refused += answer.status === 503; return answer; });`)
	b.do("document.getElementById('new-pill').click()")
	b.wait("it can not be loaded", "refused > 0")
	s.proxy.set(pass)
	b.do("dispatchEvent(new Event('online'))")
	b.state("live")
	b.equalsFresh()
}
