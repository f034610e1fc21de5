// Package readtest proves in a real browser what pages offer to those who read them: keys, unfolding, colours, narrow
// screens, no script at all. What happens while a page is live is proved by package livetest.
package readtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// reader is a browser that is signed in to the package's program as a user of the test's own.
type reader struct {
	t      *testing.T
	app    *apptest.App
	client *worklog.Client
	ctx    context.Context
}

func newReader(t *testing.T, drafts ...worklog.Draft) *reader {
	t.Helper()
	app := apptest.Shared(t)
	r := &reader{t: t, app: app, client: app.Client(), ctx: newBrowser(t)}
	app.SignIn(r.ctx, apptest.Email)
	r.write(drafts...)
	return r
}

func newBrowser(t *testing.T) context.Context {
	t.Helper()
	return apptest.Browser(t, "htmx:sseError", "ERR_INCOMPLETE_CHUNKED", "ERR_NETWORK", "404")
}

// stranger is another browser, in which nobody has signed in.
func (r *reader) stranger() *reader {
	r.t.Helper()
	other := *r
	other.ctx = newBrowser(r.t)
	return &other
}

func (r *reader) write(drafts ...worklog.Draft) {
	r.t.Helper()
	if len(drafts) == 0 {
		return
	}
	if _, err := r.client.Append(r.t.Context(), drafts...); err != nil {
		r.t.Fatal(err)
	}
}

// conversation is the path of the page of the user's only conversation.
func (r *reader) conversation() string {
	r.t.Helper()
	page, err := r.client.Conversations(r.t.Context(), worklog.ConversationQuery{})
	if err != nil || len(page.Conversations) != 1 {
		r.t.Fatalf("%d conversations, %v", len(page.Conversations), err)
	}
	return "/conversations/" + page.Conversations[0].ID
}

func (r *reader) open(path string) {
	r.t.Helper()
	if err := chromedp.Do(r.ctx, chromedp.Navigate(r.app.URL+path)); err != nil {
		r.t.Fatalf("open %s: %v", path, err)
	}
}

// press types keys wherever the focus is.
func (r *reader) press(keys string) {
	r.t.Helper()
	if err := chromedp.Do(r.ctx, chromedp.KeyEvent(keys)); err != nil {
		r.t.Fatalf("press %q: %v", keys, err)
	}
}

// size makes the window as large as asked.
func (r *reader) size(width, height int64) {
	r.t.Helper()
	if err := chromedp.Do(r.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		r.t.Fatal(err)
	}
}

// theme makes the system prefer light or dark.
func (r *reader) theme(name string) {
	r.t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}
	if _, err := chromedp.Call(r.ctx, emulation.SetEmulatedMedia, params); err != nil {
		r.t.Fatal(err)
	}
}

// script turns scripts on or off for the pages that follow.
func (r *reader) script(on bool) {
	r.t.Helper()
	if _, err := chromedp.Call(r.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		r.t.Fatal(err)
	}
}

func eval[T any](r *reader, script string) T {
	r.t.Helper()
	v, err := chromedp.Run(r.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		r.t.Fatalf("%s: %v", script, err)
	}
	return v
}

func (r *reader) do(script string) {
	r.t.Helper()
	eval[bool](r, "(() => { "+script+"; return true })()")
}

// wait waits until an expression is true. A page that is just being replaced has no answer yet.
func (r *reader) wait(claim, expression string) {
	r.t.Helper()
	script := "(() => { try { return Boolean(" + expression + ") } catch { return false } })()"
	apptest.Eventually(r.t, claim+": "+expression, func() bool {
		is, err := chromedp.Run(r.ctx, chromedp.Evaluate[bool](script))
		return err == nil && is
	})
}

// arrive is wait for what is on the next page, once all of that is there: what is clicked or typed then is not lost.
func (r *reader) arrive(claim, expression string) {
	r.t.Helper()
	r.wait(claim, "document.readyState === 'complete' && ("+expression+")")
}

func (r *reader) expect(expression, want string) {
	r.t.Helper()
	if got := eval[string](r, "String("+expression+")"); got != want {
		r.t.Errorf("%s = %q, want %q", expression, got, want)
	}
}

// steps are n finished steps of one conversation.
func steps(n int) []worklog.Draft {
	drafts := make([]worklog.Draft, n)
	for i := range drafts {
		drafts[i] = worklog.Draft{Title: fmt.Sprintf("step %03d", i+1), Conversation: "c", Status: worklog.StatusSuccess, Details: fmt.Sprintf("details of %d", i+1)}
	}
	return drafts
}
