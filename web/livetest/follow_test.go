package livetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

func TestBrowserShowsAnEntryWhileItIsWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 1, 3)...)
	activity := s.open(s.URL, "/")
	conversation := activity.another(s.conversation("c"))
	s.write(worklog.Draft{Title: "elsewhere", Conversation: "other"}, worklog.Draft{Title: "step 4", Conversation: "c"})
	for _, b := range []*tab{activity, conversation} {
		b.wait("the entry is there", "[...document.querySelectorAll('#log-list .title')].some((n) => n.textContent.includes('step 4'))")
		b.equalsFresh()
	}
	if first := activity.rows()[0].Title; first != "step 4" {
		t.Errorf("the activity begins with %q", first)
	}
	if rows := conversation.rows(); len(rows) != 4 || rows[3].Title != "step 4" {
		t.Errorf("the conversation reads %v", rows)
	}
	conversation.wait("the totals follow", "document.getElementById('log-facts').textContent.includes('4 steps')")
}

// titled waits until page and tab are called that.
func (b *tab) titled(title string) {
	b.t.Helper()
	b.wait("the page has its title", fmt.Sprintf("document.querySelector('h1').textContent.trim() === %q && document.title.endsWith(%q)", title, title+" · Worklog"))
}

func TestBrowserShowsATitleThatComesLater(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 60)...)
	b := s.open(s.URL, s.conversation("c"))
	asks := s.load(b.ctxOfAnotherTab(), s.proxy.url, s.conversation("c"))
	s.proxy.set(swallow)
	asks.do("dispatchEvent(new Event('online'))")
	asks.state("polling")
	b.do(`document.querySelector('.menu').open = true; const title = document.querySelector('.rename input'); title.value = 'half'; title.focus(); scrollTo(0, 500);
		window.at = document.querySelectorAll('#log-list > li')[30].getBoundingClientRect().top`)
	asks.titled("c")
	long := strings.Repeat("a title of more than one line ", 12) + "<b>end</b>"
	s.write(worklog.Draft{Title: "prompt", Conversation: "c", ConversationTitle: long})
	for _, p := range []*tab{b, asks} {
		p.titled(long)
	}
	b.wait("who renames it goes on", "document.activeElement.value === 'half' && document.querySelector('.menu').open")
	b.wait("nobody is moved", "Math.abs(document.querySelectorAll('#log-list > li')[30].getBoundingClientRect().top - window.at) < 1")
	b.do("window.heading = document.querySelector('h1').firstChild")
	s.write(numbered("c", 60, 1)...)
	b.wait("the totals follow", "document.getElementById('log-facts').textContent.includes('62 steps')")
	b.wait("a title that is the same stays", "document.querySelector('h1').firstChild === window.heading")
}

func TestBrowserTakesATitleAfterAGap(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 3)...)
	b := s.open(s.proxy.url, s.conversation("c"))
	s.proxy.set(refuse)
	s.write(worklog.Draft{Title: "prompt", Conversation: "c", ConversationTitle: "Mend the build"})
	for i := range 4 {
		s.write(numbered("c", 100*i, 100)...)
	}
	s.proxy.set(pass)
	b.equalsFresh()
	b.titled("Mend the build")
}

func TestBrowserCompletesARunningStepInPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusWorking, Conversation: "c", Details: "running", Type: worklog.TypeToolCall},
		worklog.Draft{Title: "later", Conversation: "c"})
	b := s.open(s.URL, s.conversation("c"))
	b.do(`const row = document.querySelector('#log-list > li'); row.mine = true; row.querySelector('details').open = true; row.querySelector('summary').focus()`)
	s.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusSuccess, Details: "running\nok 17 tests, all of them good"})
	b.wait("the step has ended", "document.querySelector('#log-list > li.s-success')")
	b.wait("it is the same element", "document.querySelector('#log-list > li').mine")
	b.wait("it is still unfolded, with the new details", "document.querySelector('#log-list > li details[open] pre').textContent.includes('17 tests')")
	b.wait("it still has the focus", "document.querySelector('#log-list > li summary') === document.activeElement")
	b.wait("it stopped counting", "!document.querySelector('#log-list > li [data-started]')")
	b.equalsFresh()
	if n := len(b.rows()); n != 2 {
		t.Errorf("%d rows", n)
	}
}

func TestBrowserKeepsASelectionWhileTheRowChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusWorking, Conversation: "c"})
	b := s.open(s.URL, "/")
	b.do(`getSelection().selectAllChildren(document.querySelector('#log-list .title'))`)
	s.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusError})
	b.wait("the step has failed", "document.querySelector('#log-list > li.s-error')")
	b.wait("the text is still selected", "getSelection().toString().trim() === 'npm test'")
}

func TestBrowserShowsForgedTextAsText_S02(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(s.URL, "/")
	for i, text := range []string{
		"<img src=x onerror=alert(1)>", "x\r\n\r\nevent: bye\r\ndata: gone\r\n\r\n", "<ol hx-swap-oob=\"innerHTML:#log-list\"></ol>", "</li></ol><script>alert(1)</script>",
		"\u2028id: 999999999\u2028", "\x1b[31mred\x1b[0m", "<div hx-get=/ hx-trigger=load>", "a\rid: 9223372036854775807\rdata: x",
	} {
		s.write(worklog.Draft{Title: fmt.Sprintf("%d %s", i, text), Details: text, Metadata: worklog.Metadata{text: text}, Key: text, Conversation: text})
	}
	b.wait("all are there", "document.querySelectorAll('#log-list > li').length === 8")
	b.state("live")
	b.equalsFresh()
	s.write(worklog.Draft{Title: "and on"})
	b.wait("the stream goes on", "document.querySelector('#log-list .title')?.textContent.includes('and on')")
}

func TestBrowserFilterStaysTrueWhileItIsLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(worklog.Draft{Title: "npm test", Key: "k", Conversation: "c", Status: worklog.StatusWorking}, worklog.Draft{Title: "done", Conversation: "c", Status: worklog.StatusSuccess})
	path := s.conversation("c")
	working := s.open(s.URL, "/?status=working")
	conversation := working.another(path + "?status=working&type=info")
	pages := map[*tab]int{working: 2, conversation: 2, working.another(path + "?q=needle"): 1}
	s.write(
		worklog.Draft{Title: "go vet", Conversation: "c", Status: worklog.StatusWorking}, worklog.Draft{Title: "noise", Conversation: "c"},
		worklog.Draft{Title: "a needle", Conversation: "c"}, worklog.Draft{Title: "a tool", Conversation: "c", Type: worklog.TypeToolCall},
	)
	for p, n := range pages {
		p.wait("what matches appears", fmt.Sprintf("document.querySelectorAll('#log-list > li').length === %d", n))
	}
	s.write(worklog.Draft{Title: "npm test", Key: "k", Status: worklog.StatusSuccess})
	for _, p := range []*tab{working, conversation} {
		p.wait("what matches no longer goes", "document.querySelectorAll('#log-list > li').length === 1")
	}
	for p := range pages {
		p.equalsFresh()
	}
}

func TestBrowserKeepsTheListBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(s.URL, "/")
	for i := range 10 {
		s.write(numbered("c", 50*i, 50)...)
	}
	b.wait("the newest is shown", "document.querySelector('#log-list .title')?.textContent.includes('step 499')")
	b.equalsFresh()
	if n := len(b.rows()); n > 300 {
		t.Errorf("%d rows are kept, want 300 at most", n)
	}
	trimmed := b.rows()
	b.wait("the link is a live one", "document.querySelector('#older a')['htmx-internal-data']?.initHash")
	b.do("document.querySelector('#older a').click()")
	b.wait("older ones come back", fmt.Sprintf("document.querySelectorAll('#log-list > li').length > %d", len(trimmed)))
	rows := b.rows()
	if rows[len(trimmed)].Title != fmt.Sprintf("step %d", 499-len(trimmed)) {
		t.Errorf("after %v comes %v", rows[len(trimmed)-1], rows[len(trimmed)])
	}
}

// Rows that come at once at the end of a conversation move the edge that says where the reader is.
func TestBrowserKeepsAConversationBoundedWhenManyRowsComeAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(numbered("c", 0, 10)...)
	b := s.open(s.URL, s.conversation("c"))
	for i := range 5 {
		s.write(numbered("c", 10+100*i, 100)...)
	}
	b.wait("the newest is shown", "[...document.querySelectorAll('#log-list .title')].at(-1)?.textContent.includes('step 509')")
	if n := len(b.rows()); n > 300 {
		t.Errorf("%d rows are kept, want 300 at most", n)
	}
	b.equalsFresh()
}

func TestBrowserIgnoresChangesOfEntriesItDoesNotShow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(worklog.Draft{Title: "long ago", Key: "old", Status: worklog.StatusWorking})
	s.write(numbered("c", 0, 150)...)
	b := s.open(s.URL, "/")
	s.write(worklog.Draft{Title: "long ago", Key: "old", Status: worklog.StatusSuccess})
	s.write(worklog.Draft{Title: "the end"})
	b.wait("the newest is shown", "document.querySelector('#log-list .title')?.textContent.includes('the end')")
	for _, r := range b.rows() {
		if strings.Contains(r.Title, "long ago") {
			t.Errorf("an entry from before the list is shown as %v", r)
		}
	}
	b.equalsFresh()
}

func TestBrowserKeepsAnOutputThatTheReaderHasInWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := strings.Repeat("a line of output\n", 2000)
	s.write(worklog.Draft{Title: "make", Key: "k", Status: worklog.StatusWorking, Details: long})
	b := s.open(s.URL, "/")
	b.do(`window.shown = () => [...document.querySelectorAll('#log-list pre')].map((pre) => pre.textContent).join('');
		document.querySelector('#log-list summary').click(); document.querySelector('.out a').click()`)
	b.wait("all of it is there", "shown().length > 33000")
	b.do("new MutationObserver(() => { window.shrunk ||= shown().length < 33000 }).observe(document.getElementById('log-list'), { childList: true, subtree: true, characterData: true })")
	s.write(worklog.Draft{Title: "make", Key: "k", Status: worklog.StatusSuccess, Details: long + "the last line\n", Metadata: worklog.Metadata{"exit_code": 0}})
	b.wait("the step has ended", "document.querySelector('#log-list > li.s-success .facts')")
	b.wait("with its last line", "shown().includes('the last line')")
	if eval[bool](b, "Boolean(window.shrunk)") {
		t.Error("the output was folded under the reader")
	}
	b.equalsFresh()
}
