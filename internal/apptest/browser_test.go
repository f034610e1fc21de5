package apptest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// recorder stands in for a test, to see what it is told.
type recorder struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) end() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

// visit loads a page with the given body and script in a browser and returns what the test is told about it.
func visit(t *testing.T, body, script string, allowed ...string) []string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<!doctype html><title>t</title><link rel=icon href=/icon>%s<script src=/script></script>", body)
		case "/script":
			fmt.Fprint(w, script+"\ndocument.title = 'done'")
		case "/icon":
		default:
			http.NotFound(w, r)
		}
	}))
	defer site.Close()
	r := &recorder{TB: t}
	ctx := Browser(r, allowed...)
	done := chromedp.Poll[bool](`document.title === 'done'`)
	if err := chromedp.Do(ctx, chromedp.Navigate(site.URL)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(script, "throw") {
		if _, err := chromedp.Run(ctx, done); err != nil {
			t.Fatal(err)
		}
	}
	r.end()
	return r.errors
}

func TestBrowserReportsWhatGoesWrongInAPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, script, want string }{
		"console":         {script: "console.error('no', 7)", want: "console: \"no\" 7"},
		"exception":       {script: "throw new Error('oh')", want: "exception: Uncaught Error: oh"},
		"inline script":   {body: "<script>1</script>", want: "script-src"},
		"inline style":    {body: `<p style="color:red">`, want: "style-src"},
		"foreign picture": {body: `<img src="http://192.0.2.1/x.png">`, want: "img-src"},
		"dialog":          {script: "alert('hi')", want: "dialog: hi"},
		"missing file":    {body: "<script src=/missing></script>", want: "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := visit(t, c.body, c.script)
			if !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("got %q, want %q among it", got, c.want)
			}
		})
	}
}

func TestBrowserIsContentWithAGoodPage(t *testing.T) {
	t.Parallel()
	if got := visit(t, "<p>good", "console.log('fine')"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if got := visit(t, "", "console.error('expected trouble')", "expected"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestTabsOfABrowserShareTheirCookiesAndBrowsersDoNot(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if _, err := r.Cookie("seen"); err == nil {
			fmt.Fprint(w, "<link rel=icon href=data:,><title>again</title>")
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
		fmt.Fprint(w, "<link rel=icon href=data:,><title>first</title>")
	}))
	t.Cleanup(site.Close)
	title := func(ctx context.Context) string {
		if err := chromedp.Do(ctx, chromedp.Navigate(site.URL)); err != nil {
			t.Fatal(err)
		}
		title, err := chromedp.Run(ctx, chromedp.Title())
		if err != nil {
			t.Fatal(err)
		}
		return title
	}
	first := Browser(t)
	if got := title(first); got != "first" {
		t.Errorf("the first page: %s", got)
	}
	if got := title(Tab(t, first)); got != "again" {
		t.Errorf("a tab of it: %s", got)
	}
	if got := title(Browser(t)); got != "first" {
		t.Errorf("another browser: %s", got)
	}
}
