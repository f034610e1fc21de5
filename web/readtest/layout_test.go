package readtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/worklog"
)

// measures are what the claims of this file ask a page. Text is where its letters are, as far as its own box shows them:
// lines of the same paragraph may touch, so a few pixels do not count.
const measures = `
const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
const boxes = (e) => {
  const range = document.createRange(), own = e.getBoundingClientRect(), cut = getComputedStyle(e).overflowX !== 'visible';
  range.selectNodeContents(e);
  return [...range.getClientRects()].filter((r) => r.width > 1 && r.height > 1).map((r) => ({ left: cut ? Math.max(r.left, own.left) : r.left, right: cut ? Math.min(r.right, own.right) : r.right, top: r.top, bottom: r.bottom }));
};
const touch = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
const shown = (root, selector) => [...root.querySelectorAll(selector)].filter((e) => [...e.querySelectorAll('*'), e].some((x) => x.childElementCount === 0 && seen(x)));
const collisions = () => [...document.querySelectorAll('.row')].flatMap((row) => {
  const texts = shown(row, '.title, .word, .asked, .peek, .conv, .dur, .at').map((e) => [e, boxes(e)]);
  return texts.flatMap(([a, x], i) => texts.slice(i + 1).filter(([, y]) => x.some((r) => y.some((s) => touch(r, s)))).map(([b]) => a.textContent.trim().slice(0, 40) + ' | ' + b.textContent.trim()))
    .concat(texts.filter(([, x]) => x.some((r) => r.left < 0 || r.right > innerWidth)).map(([a]) => 'outside: ' + a.textContent.trim().slice(0, 40)));
});
const within = (e) => { const r = e.getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth && r.width > 0; };
const onTop = (e) => { e.scrollIntoView({ block: 'center' }); const r = e.getBoundingClientRect(); return e.contains(document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2)); };
`

// measure is what a page says of itself.
func measure[T any](r *reader, script string) T {
	r.t.Helper()
	return eval[T](r, "(() => { "+measures+" return "+script+" })()")
}

// crowded is what rows have to find room for.
func crowded() []worklog.Draft {
	long := "a title that is as long as what agents say, and wraps wherever there is not enough room for all of it beside the time"
	drafts := []worklog.Draft{
		{Title: "Bash: make", Tool: "Bash", Type: worklog.TypeToolCall, Key: "k1"},
		{Title: long, Key: "k2"},
		{Title: strings.Repeat("W", 300), Key: "k3"},
	}
	for i := range drafts {
		drafts[i].Status, drafts[i].Conversation, drafts[i].ConversationTitle = worklog.StatusWorking, "c", "Index the repository for everybody"
	}
	start, end := span()
	for _, title := range []string{"short", long} {
		drafts = append(drafts, worklog.Draft{Title: title, Tool: "Bash", Type: worklog.TypeToolCall, Status: worklog.StatusError, Conversation: "c", Details: "Error: " + long, StartedAt: &start, EndedAt: &end}, worklog.Draft{Title: title})
	}
	return drafts
}

func TestBrowserPrintsNoTextOverAnother(t *testing.T) {
	t.Parallel()
	r := newReader(t, crowded()...)
	conversation := r.conversation()
	for _, script := range []bool{true, false} {
		r.script(script)
		for _, path := range []string{"/", conversation, "/unfiled", "/conversations"} {
			r.open(path)
			r.apart(fmt.Sprintf("%s with scripts: %t", path, script))
			if script {
				r.silence()
				r.apart(path + " with silent steps")
			}
		}
	}
}

// apart finds texts that lie on one another, or outside, in windows of all widths.
func (r *reader) apart(page string) {
	r.t.Helper()
	for _, width := range []int64{320, 360, 640, 700, 970, 1280} {
		r.size(width, 700)
		for _, found := range measure[[]string](r, "collisions()") {
			r.t.Errorf("%s, %d wide: %s", page, width, found)
		}
	}
}

// silence makes every running step one of which there is no news since another day.
func (r *reader) silence() {
	r.t.Helper()
	r.do("for (const e of document.querySelectorAll('[data-news]')) { e.dataset.news = '2026-01-20T20:20:20.000Z'; e.dataset.silent = '1' }; document.dispatchEvent(new Event('visibilitychange'))")
	r.wait("running steps are silent", "!document.querySelector('.s-working:not([data-silence])')")
}

func TestBrowserLeadsFromEveryRowOfAPhone(t *testing.T) {
	t.Parallel()
	r := newReader(t, crowded()...)
	r.size(360, 740)
	conversation := r.conversation()
	for _, script := range []bool{true, false} {
		r.script(script)
		for path, links := range map[string]string{"/": ".at, .conv", conversation: ".at"} {
			r.open(path)
			for _, found := range measure[[]string](r, "[...document.querySelectorAll('#log-list .row')].flatMap((row) => [...row.querySelectorAll('"+links+"')].filter((a) => !onTop(a)).map((a) => a.className + ' of ' + row.textContent.trim().slice(0, 40)))") {
				r.t.Errorf("%s, scripts %t: nobody can tap %s", path, script, found)
			}
		}
	}
	r.script(true)
	r.open("/")
	r.wait("rows name their conversation", "[...document.querySelectorAll('#log-list .conv')].every((a) => a.checkVisibility() && a.textContent.startsWith('Index the repository'))")
}

func TestBrowserLeavesTheRoomToTitles(t *testing.T) {
	t.Parallel()
	r := newReader(t, crowded()...)
	r.open("/")
	for _, width := range []int64{640, 800, 970, 1100} {
		r.size(width, 700)
		if part := measure[float64](r, "(() => { const m = document.querySelector('#log-list .row:not(.s-working) summary'), s = getComputedStyle(m); return (m.clientWidth - parseFloat(s.paddingRight)) / document.getElementById('log-list').clientWidth })()"); part < 0.45 {
			t.Errorf("in a window of %d titles have %.0f %% of the width", width, 100*part)
		}
	}
}

func TestBrowserKeepsThePageVisibleUnderALongTitle(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A very long title ", 27)
	drafts := steps(40)
	drafts[0].ConversationTitle = long
	r := newReader(t, drafts...)
	conversation := r.conversation()
	for _, size := range [][2]int64{{320, 600}, {640, 450}, {640, 320}, {1280, 800}} {
		r.size(size[0], size[1])
		r.open(conversation)
		r.do("scrollTo(0, document.documentElement.scrollHeight)")
		head := "Math.max(0, document.querySelector('.head').getBoundingClientRect().bottom)"
		if part := measure[float64](r, head+" / innerHeight"); part > 0.35 {
			t.Errorf("at %v the head covers %.0f %% of the page", size, 100*part)
		}
		r.press("g")
		for range 20 {
			r.press("k")
			if over := measure[float64](r, head+" - document.querySelector('[data-at=here]').getBoundingClientRect().top"); over > 1 {
				t.Fatalf("at %v the head covers %.0f px of the row that the keyboard is on", size, over)
			}
		}
	}
	r.expect("document.querySelector('.head h1').title === document.querySelector('.head h1').textContent", "true")
	if err := chromedp.Do(r.ctx, chromedp.Click(".head h1")); err != nil {
		t.Fatal(err)
	}
	r.expect("(() => { const h = document.querySelector('.head h1'); return h.scrollHeight <= h.clientHeight + 1 || getComputedStyle(h).overflowY === 'auto' })()", "true")
}

func TestBrowserShowsTheWholeTitleOfAnEntry(t *testing.T) {
	t.Parallel()
	r := newReader(t, worklog.Draft{Title: strings.Repeat("W", 500)})
	r.size(320, 600)
	r.open("/")
	r.open(eval[string](r, "document.querySelector('#log-list .at').getAttribute('href')"))
	r.expect("document.getElementById('entry-title').scrollHeight <= document.getElementById('entry-title').clientHeight + 1", "true")
	r.do("scrollTo(0, document.documentElement.scrollHeight)")
	r.expect("document.querySelector('.head').getBoundingClientRect().bottom < innerHeight / 2", "true")
}

func TestBrowserShowsOnAPhoneWhatIsChosen(t *testing.T) {
	t.Parallel()
	r := newAdmin(t, steps(3)...)
	for path, chosen := range map[string]string{
		"/": "All", "/?status=error": "Failed", "/?status=info": "Notes", "/?type=info": "Info", "/?status=error&type=tool_call": "Failed,Tools", "/?q=step": "All",
	} {
		r.open(path)
		r.chosen(path, ".chip", chosen)
	}
	for path, room := range map[string]string{"/admin": "Dashboard", "/admin/retention": "Retention", "/admin/audit": "Audit"} {
		r.open(path)
		r.chosen(path, ".rooms a", room)
		r.chosen(path, ".nav a", "Admin")
		r.expect("[...document.querySelectorAll('.nav a')].every((e) => { const r = e.getBoundingClientRect(), n = e.parentElement.getBoundingClientRect(); return r.left >= n.left - 1 && r.right <= n.right + 1 })", "true")
	}
}

// chosen compares what of some links is marked as current, and in sight, on phones.
func (r *reader) chosen(page, links, want string) {
	r.t.Helper()
	for _, width := range []int64{360, 320} {
		r.size(width, 740)
		if got := measure[string](r, "[...document.querySelectorAll('"+links+"[aria-current]')].filter(within).map((e) => e.textContent).sort().join()"); got != want {
			r.t.Errorf("%s, %d wide, shows %q as chosen, want %q", page, width, got, want)
		}
	}
}

func TestBrowserTellsWhatIsChosenInForcedColours(t *testing.T) {
	t.Parallel()
	r := newAdmin(t, used(3)...)
	r.forceColours()
	const ground = "getComputedStyle(%s).backgroundColor"
	differ := func(path, one, other string) {
		t.Helper()
		r.open(path)
		a, b := fmt.Sprintf(ground, "document.querySelector(`"+one+"`)"), fmt.Sprintf(ground, "document.querySelector(`"+other+"`)")
		if is := eval[string](r, a); is == eval[string](r, b) {
			t.Errorf("%s: %s and %s are both %s", path, one, other, is)
		}
	}
	differ("/?status=error", ".chip[aria-current]", ".chip:not([aria-current])")
	differ("/?status=error", ".nav a[aria-current]", ".nav a:not([aria-current])")
	differ("/?status=error", ".theme button[aria-pressed=true]", ".theme button[aria-pressed=false]")
	differ("/admin", ".rooms a[aria-current]", ".rooms a:not([aria-current])")
	differ("/admin", ".tabs a[aria-current]", ".tabs a:not([aria-current])")
	differ("/settings/connect/codex", ".agents a[aria-current]", ".agents a:not([aria-current])")
	r.open("/admin")
	r.shown(len(used(3)))
	r.expect("new Set([...document.querySelectorAll('#board-entries .k')].map((e) => getComputedStyle(e).backgroundColor)).size === document.querySelectorAll('#board-entries .k').length", "true")
}

// forceColours has the browser replace the page's colours by a reader's few.
func (r *reader) forceColours() {
	r.t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}}
	if _, err := chromedp.Call(r.ctx, emulation.SetEmulatedMedia, params); err != nil {
		r.t.Fatal(err)
	}
}

func TestBrowserDrawsNoLineThroughLargeNumbers(t *testing.T) {
	t.Parallel()
	drafts := used(3)
	r := newAdmin(t, drafts...)
	r.open("/admin")
	r.shown(len(drafts))
	for _, width := range []int64{320, 640, 1280} {
		r.size(width, 800)
		for _, number := range []string{"1 234 567", "123 456 789"} {
			if n := measure[int](r, "(() => { for (const e of document.querySelectorAll('.kpi .big')) e.textContent = '"+strings.ReplaceAll(number, " ", "\u202f")+"'; return [...document.querySelectorAll('.kpi')].filter((k) => k.querySelector('.spark') && boxes(k.querySelector('.big')).some((b) => touch(b, k.querySelector('.spark').getBoundingClientRect()))).length })()"); n != 0 {
				t.Errorf("%d wide, %d lines cross %s", width, n, number)
			}
		}
	}
}

func TestBrowserCutsNothingOfTheLedger(t *testing.T) {
	t.Parallel()
	drafts := used(3)
	r := newAdmin(t, drafts...)
	r.open("/admin")
	r.shown(len(drafts))
	for _, width := range []int64{320, 970, 1280} {
		r.size(width, 800)
		r.expect("[...document.querySelectorAll('.ledger th')].filter((e) => e.scrollWidth > e.clientWidth + 1).length", "0")
	}
}

func TestBrowserOffersLargeEnoughTargets(t *testing.T) {
	t.Parallel()
	r := newReader(t, steps(3)...)
	r.size(1280, 800)
	r.open("/")
	r.expect("[...document.querySelectorAll('.theme button, .chip, .nav a')].filter((e) => { const r = e.getBoundingClientRect(); return r.width < 24 || r.height < 24 }).map((e) => e.textContent.trim()).join()", "")
}

// span is a step of an hour that has ended.
func span() (start, end time.Time) {
	end = time.Now()
	return end.Add(-64 * time.Minute), end
}
