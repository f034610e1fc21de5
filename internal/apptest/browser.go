package apptest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserTimeout bounds everything that one test does with a page; some look at dozens of them, in both themes.
const browserTimeout = 10 * time.Minute

// chromium is the one browser of a test process.
type chromium struct {
	ctx    context.Context
	cancel []context.CancelFunc
	dir    string
}

func (c *chromium) close() {
	for i := len(c.cancel) - 1; i >= 0; i-- {
		c.cancel[i]()
	}
	_ = os.RemoveAll(c.dir)
}

func startChromium() (*chromium, error) {
	dir, err := os.MkdirTemp("", "worklog-chromium-")
	if err != nil {
		return nil, err
	}
	c := &chromium{dir: dir}
	options := append(chromedp.DefaultExecAllocatorOptions[:], // headless, and nothing that talks to the network by itself
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.NoSandbox, // it does not work as root, and the pages are our own
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("allow-pre-commit-input", true), // else a click on a page that is not painted yet is lost
		chromedp.WSURLReadTimeout(startTimeout),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	c.cancel = append(c.cancel, cancel)
	c.ctx, cancel = chromedp.NewContext(allocator)
	c.cancel = append(c.cancel, cancel)
	if err := chromedp.Do(c.ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// Browser opens a page of Chromium with cookies of its own, for chromedp.Run and Do. The test fails at its end if the page has
// written an error to the console, thrown an exception, broken its Content-Security-Policy or opened a dialog, except for
// messages that contain one of allowed.
func Browser(t testing.TB, allowed ...string) context.Context {
	t.Helper()
	return BrowserFor(t, browserTimeout, allowed...)
}

// BrowserFor is Browser for a page that lives so long: what ends the context ends the page.
func BrowserFor(t testing.TB, long time.Duration, allowed ...string) context.Context {
	t.Helper()
	shared.mu.Lock()
	if shared.browser == nil {
		var err error
		if shared.browser, err = startChromium(); err != nil {
			shared.mu.Unlock()
			t.Fatalf("start Chromium: %v", err)
		}
	}
	parent := shared.browser.ctx
	shared.mu.Unlock()
	return openPage(t, parent, long, allowed, chromedp.WithNewBrowserContext())
}

// Tab opens another page with the cookies of ctx, which [Browser] has made.
func Tab(t testing.TB, ctx context.Context, allowed ...string) context.Context {
	t.Helper()
	return openPage(t, ctx, browserTimeout, allowed)
}

func openPage(t testing.TB, parent context.Context, long time.Duration, allowed []string, options ...chromedp.ContextOption) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, long)
	t.Cleanup(cancel)
	found := &complaints{}
	err := chromedp.Listen(ctx, func(event any) { found.listen(ctx, event) })
	if err == nil {
		_, err = chromedp.Call(ctx, audits.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatalf("open a page: %v", err)
	}
	t.Cleanup(func() { found.report(t, allowed) })
	return ctx
}

// SignIn gives the browser page the session of a new login.
func (a *App) SignIn(ctx context.Context, email string) {
	a.t.Helper()
	site, err := url.Parse(a.URL)
	if err != nil {
		a.t.Fatal(err)
	}
	httpOnly := true
	for _, c := range a.Login(email).Jar.Cookies(site) {
		cookie := network.SetCookieParams{Name: c.Name, Value: c.Value, URL: a.URL, HTTPOnly: &httpOnly, SameSite: network.CookieSameSiteLax}
		if _, err := chromedp.Call(ctx, network.SetCookie, cookie); err != nil {
			a.t.Fatalf("sign in: %v", err)
		}
	}
}

// Clock tells a page what time it is on the server, and has it believe no stream from then on. The page's own clock, by
// which it knows how long it has heard nothing, goes on as it is.
func Clock(t testing.TB, ctx context.Context, at time.Time) {
	t.Helper()
	script := fmt.Sprintf(`(() => {
		const told = new CustomEvent('worklog:clock', { detail: %q });
		if (!window.clockOfTest) document.addEventListener('worklog:clock', (event) => { if (event !== window.clockOfTest) event.stopImmediatePropagation(); }, true);
		window.clockOfTest = told;
		document.dispatchEvent(told);
		return true;
	})()`, at.UTC().Format(time.RFC3339Nano))
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script)); err != nil {
		t.Fatalf("tell the time: %v", err)
	}
}

// complaints are what went wrong inside a page.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) listen(ctx context.Context, event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		c.add("exception: %s", thrown(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			c.add("console: %s", arguments(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			c.add("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details; e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue && d != nil && d.ContentSecurityPolicyIssueDetails != nil {
			c.add("content security policy: %s %s", d.ContentSecurityPolicyIssueDetails.ViolatedDirective, d.ContentSecurityPolicyIssueDetails.BlockedURL)
		}
	case *page.EventJavascriptDialogOpening:
		c.add("dialog: %s", e.Message)
		go func() { // an open dialog stops the page, and a listener must not call the browser
			_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	}
}

func thrown(d *runtime.ExceptionDetails) string {
	if d.Exception != nil {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text
}

func arguments(args []*runtime.RemoteObject) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a.Value)
		if a.Description != "" {
			words[i] = a.Description
		}
	}
	return strings.Join(words, " ")
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

func (c *complaints) report(t testing.TB, allowed []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
next:
	for _, text := range c.list {
		for _, a := range allowed {
			if strings.Contains(text, a) {
				continue next
			}
		}
		t.Errorf("in the page: %s", text)
	}
}
