package livetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

const other = "grace@example.org"

// left is a page of the site's user, through the proxy, with more entries than it shows. Then another user writes, and signs
// in in the same browser as soon as lose has taken the page's stream away.
func left(t *testing.T, lose func(s *site, b *tab)) (*site, *tab) {
	t.Helper()
	s := newSite(t)
	s.write(numbered("c", 0, 103)...)
	grace := s.ClientOf(other, account.ScopeWrite)
	for i := range 3 {
		if _, err := grace.Append(t.Context(), worklog.Draft{Title: fmt.Sprintf("hers %d", i), Conversation: "hers", ConversationTitle: "Hers"}); err != nil {
			t.Fatal(err)
		}
	}
	ctx := apptest.Browser(t, append(planned(), "401")...)
	s.SignIn(ctx, apptest.Email)
	b := s.load(ctx, s.proxy.url, "/")
	lose(s, b)
	s.SignIn(b.ctxOfAnotherTab(), other)
	return s, b
}

// hide makes the page one that nobody looks at, and three newer ones take its place.
func hide(_ *site, b *tab) {
	b.do("window.looked = false; Object.defineProperty(document, 'hidden', { get: () => !window.looked, configurable: true })")
	for range 3 {
		b.another("/")
	}
	b.state("paused")
}

const look = "window.looked = true; document.dispatchEvent(new Event('visibilitychange'))"

func TestBrowserPageOfOneUserNeverShowsWhatIsAnothers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lose   func(s *site, b *tab)
		comes  string // what brings the page back
		passes bool   // streams come through then
	}{
		"paused": {hide, look, true},
		"polling": {func(s *site, b *tab) {
			s.proxy.set(swallow)
			b.do("dispatchEvent(new Event('online'))")
			b.state("polling")
		}, "", false},
		"cut off":              {func(s *site, _ *tab) { s.proxy.set(refuse) }, "dispatchEvent(new Event('online'))", true},
		"asked for older ones": {hide, "document.querySelector('#older a').click()", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b := left(t, tt.lose)
			if tt.passes {
				s.proxy.set(pass)
			}
			b.do(tt.comes)
			b.state("ended")
			b.isStillMine()
			s.proxy.set(pass)
			b.do("document.querySelector('#live-status a').click()")
			b.wait("the page is the other's", "document.querySelector('.who').textContent.startsWith('grace')")
			b.state("live")
		})
	}
}

// isStillMine checks that the page shows nothing but what its user wrote, and asks for the conversations beside it once more.
func (b *tab) isStillMine() {
	b.t.Helper()
	b.do(`window.answered = 0; const real = fetch;
		window.fetch = (...what) => real(...what).then((answer) => { answered += String(what[0]).includes('/conversations/changes'); return answer; });
		Object.defineProperty(document, 'hidden', { value: false, configurable: true });
		document.dispatchEvent(new CustomEvent('worklog:news'))`)
	b.wait("the list beside was asked for", "answered > 0")
	if beside := eval[string](b, "document.getElementById('threads').textContent"); strings.Contains(beside, "Hers") {
		b.t.Errorf("beside the page stands %q", beside)
	}
	for i, r := range b.rows() {
		if want := fmt.Sprintf("step %d", 102-i); r.Title != want {
			b.t.Errorf("row %d is %v, want %s", i, r, want)
		}
	}
}
