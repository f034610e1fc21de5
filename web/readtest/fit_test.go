package readtest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// odd is what stretches pages: long words, long commands, many facts, floods.
func odd() []worklog.Draft {
	return []worklog.Draft{
		{Title: "Bash: go test ./" + strings.Repeat("verylongpathsegment/", 15), Tool: "Bash", Type: worklog.TypeToolCall, Status: worklog.StatusError, Conversation: "c", ConversationTitle: strings.Repeat("Donaudampfschiff", 12),
			Details: strings.Repeat("x", 1500) + "\nnext\n" + strings.Repeat("column  ", 200), Metadata: worklog.Metadata{strings.Repeat("key", 40): strings.Repeat("value", 60), "nested": map[string]any{"a": []any{1, 2, 3}}}},
		{Title: strings.Repeat("W", 500), Status: worklog.StatusWorking, Key: "k", Conversation: "c"},
		{Title: "child " + strings.Repeat("مرحبا ", 30), Parent: "k", Key: "k2", Conversation: "c", Status: worklog.StatusWarning, Details: "warned"},
		{Title: "z" + strings.Repeat("\u0301", 80) + strings.Repeat("\u200d", 400), Parent: "k2", Conversation: "c", Type: worklog.TypeFileOperation},
		{Title: "Deployed", Type: worklog.TypeDeployment, Status: worklog.StatusSuccess, Conversation: "c"},
	}
}

// rooms are the pages of somebody who has signed in.
func (r *reader) rooms() []string {
	r.t.Helper()
	conversation := r.conversation()
	r.open(conversation)
	entry := eval[string](r, "document.querySelector('.at').getAttribute('href')")
	return []string{
		"/", conversation, conversation + "/delete", entry, "/conversations", "/unfiled", "/settings", "/settings/connect", "/settings/connect/codex", "/settings/tokens", "/settings/tokens/new",
		"/settings/sessions", "/?q=nothing", "/nowhere",
	}
}

// doors are the pages of somebody who has not.
func (r *reader) doors() []string {
	r.t.Helper()
	r.open("/settings")
	link, err := url.Parse(strings.TrimSpace(r.app.Command("", "user", "link", eval[string](r, "document.querySelector('.who').title"))))
	if err != nil {
		r.t.Fatal(err)
	}
	return []string{"/login", link.Path, "/enter/unknown"}
}

func TestBrowserFitsEveryPageIntoAPhone(t *testing.T) {
	t.Parallel()
	r := newReader(t, odd()...)
	doors := r.doors()
	r.fit(r.rooms())
	r.stranger().fit(doors)
}

func (r *reader) fit(paths []string) {
	r.t.Helper()
	for _, path := range paths {
		for _, width := range []int64{320, 1280} {
			r.size(width, 800)
			r.open(path)
			r.expect("location.pathname + location.search", path)
			r.do("for (const d of document.querySelectorAll('details')) d.open = true")
			if wide := eval[int64](r, "document.documentElement.scrollWidth"); wide > width {
				r.t.Errorf("%s is %d wide in a window of %d", path, wide, width)
			}
		}
	}
}

func TestBrowserFindsNoBarrier(t *testing.T) {
	t.Parallel()
	r := newReader(t, odd()...)
	doors := r.doors()
	r.size(1280, 800) // all of it is there
	r.passable(r.rooms())
	r.stranger().passable(doors)
}

func (r *reader) passable(paths []string) {
	r.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		r.theme(theme)
		for _, path := range paths {
			r.open(path)
			r.do("for (const d of document.querySelectorAll('.row details')) d.open = true; document.getElementById('help')?.showModal()")
			apptest.Accessible(r.t, r.ctx)
			r.do("document.getElementById('help')?.close()")
			apptest.Accessible(r.t, r.ctx)
			if r.t.Failed() {
				r.t.Fatalf("that was %s in the %s theme", path, theme)
			}
		}
	}
}
