package replay

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// speed is how much faster than life a session is watched. REPLAY_SPEED=1 shows it at its own pace.
func speed(t *testing.T) float64 {
	t.Helper()
	const fast = 20
	given := os.Getenv("REPLAY_SPEED")
	if given == "" {
		return fast
	}
	v, err := strconv.ParseFloat(given, 64)
	if err != nil || v <= 0 {
		t.Fatalf("REPLAY_SPEED=%s: want a number above 0", given)
	}
	return v
}

// recordings are the small session of this package and the real ones, where a checkout has them beside it.
func recordings(t *testing.T) []string {
	t.Helper()
	paths := []string{filepath.Join("testdata", "session.hooks.jsonl")}
	real, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "recordings", "claude-code-hooks", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return append(paths, real...)
}

// patience is how long the browser may take beyond the session itself, which at its own pace takes longer than other tests.
const patience = 3 * time.Minute

// shown is one row as a page shows it.
type shown struct {
	ID, Rev, Text string
}

// rows reads the list of a page. What the browser adds by itself (relative times, what is unfolded) does not count.
const rows = `[...document.querySelectorAll('#log-list > li')].map(li => {
	const copy = li.cloneNode(true);
	copy.querySelectorAll('time').forEach(t => t.textContent = t.dateTime);
	copy.querySelectorAll('[title]').forEach(e => e.removeAttribute('title'));
	return {ID: li.id, Rev: li.dataset.rev, Text: copy.className + ' ' + copy.textContent.replace(/\s+/g, ' ')};
})`

func TestRecordedSessionAppearsLiveAndEndsAsAFreshLoad(t *testing.T) {
	t.Parallel()
	for _, path := range recordings(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			watch(t, readFile(t, path))
		})
	}
}

func watch(t *testing.T, beats []Beat) {
	app := apptest.Start(t)
	client, visitor := app.Client(), app.Login(apptest.Email)
	agent := &Agent{URL: app.URL, Token: app.Token(apptest.Email, account.ScopeWrite)}
	if err := agent.Post(t.Context(), beats[0].Body); err != nil {
		t.Fatal(err)
	}
	app.Settle()
	conversation := only(t, client)

	page := apptest.BrowserFor(t, patience+time.Duration(float64(beats[len(beats)-1].At)/speed(t)))
	app.SignIn(page, apptest.Email)
	url := app.URL + "/conversations/" + conversation
	if err := chromedp.Do(page, chromedp.Navigate(url), chromedp.WaitReady(`#live-status[data-state="live"]`)); err != nil {
		t.Fatal(err)
	}
	begun := 1 + slices.IndexFunc(beats, func(b Beat) bool { return bytes.Contains(b.Body, []byte(`PreToolUse`)) })
	if err := agent.Play(t.Context(), beats[1:begun], speed(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(page, chromedp.Poll[bool](`document.querySelector('#log-list > li .dur[data-started]') !== null`)); err != nil {
		t.Errorf("no step was seen while it was running: %v", err)
	}
	if _, err := chromedp.Run(page, chromedp.Poll[bool](`document.title.startsWith('▸ Running · ')`)); err != nil {
		t.Errorf("the tab did not say that it runs: %v", err)
	}
	if err := agent.Play(t.Context(), since(beats[begun:]), speed(t)); err != nil {
		t.Fatal(err)
	}
	app.Settle()
	apptest.Eventually(t, "the page shows every entry as it is stored", func() bool {
		return slices.Equal(stored(t, client, conversation), revs(evaluate(t, page)))
	})
	live := evaluate(t, page)
	apptest.Eventually(t, "title, totals and list of conversations are those of a fresh page", func() bool {
		return slices.Equal(head(app.Get(visitor, "/conversations/"+conversation)), liveHead(t, page))
	})
	state := "▸ Running · "
	if bytes.Contains(beats[len(beats)-1].Body, []byte(`"Stop"`)) { // not every recording ends with one
		state = "↩ Your turn · "
	}
	if title := liveHead(t, page)[0]; !strings.HasPrefix(title, state) {
		t.Errorf("after the last event the tab says %q, want %q", title, state)
	}

	if err := chromedp.Do(page, chromedp.Navigate(url), chromedp.WaitReady(`#live-status[data-state="live"]`)); err != nil {
		t.Fatal(err)
	}
	fresh := evaluate(t, page)
	if len(fresh) == 0 || len(fresh) > len(live) {
		t.Fatalf("%d rows on a fresh page, %d on the live one", len(fresh), len(live))
	}
	for i, row := range live[len(live)-len(fresh):] {
		if row != fresh[i] {
			t.Errorf("the live page shows\n%+v\na fresh one\n%+v", row, fresh[i])
		}
	}
}

// since is what follows in a session, as one that begins with it.
func since(beats []Beat) (rest []Beat) {
	for _, b := range beats {
		rest = append(rest, Beat{At: b.At - beats[0].At, Body: b.Body})
	}
	return rest
}

// only returns the one conversation that there is.
func only(t *testing.T, client *worklog.Client) string {
	t.Helper()
	list, err := client.Conversations(t.Context(), worklog.ConversationQuery{})
	if err != nil || len(list.Conversations) != 1 {
		t.Fatalf("%v, %+v", err, list)
	}
	return list.Conversations[0].ID
}

// head is what a page says of its conversation beside the rows: the tab's title, the totals, the list beside it.
func head(p *apptest.Page) []string {
	link := p.One(".threads a[data-state]")
	return []string{
		apptest.Text(p.One("title")), strings.ReplaceAll(apptest.Text(p.One("#log-facts")), " ", ""), apptest.Attr(link, "class"), apptest.Attr(link, "data-state"),
		apptest.Text(p.One(".threads a[data-state] .says")),
	}
}

func liveHead(t *testing.T, page context.Context) []string {
	t.Helper()
	said, err := chromedp.Run(page, chromedp.Evaluate[[]string](`(() => {
		const link = document.querySelector('.threads a[data-state]');
		return [document.title, document.getElementById('log-facts').textContent.replace(/\s+/g, ''), link.className, link.dataset.state, link.querySelector('.says').textContent];
	})()`))
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func evaluate(t *testing.T, page context.Context) []shown {
	t.Helper()
	list, err := chromedp.Run(page, chromedp.Evaluate[[]shown](rows))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func revs(list []shown) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.ID+" "+r.Rev)
	}
	return out
}

// stored is what the page must show, oldest first: each entry with its last change.
func stored(t *testing.T, client *worklog.Client, conversation string) []string {
	t.Helper()
	var out []string
	for e, err := range client.All(t.Context(), worklog.Query{ConversationID: conversation}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("entry-%s %d", e.ID, e.Rev))
	}
	slices.Reverse(out)
	return out
}
