package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/worklog"
)

// press sends the form that holds the button with that text, as a browser without scripts does. What is typed into
// fields goes in place of what they hold.
func (x *site) press(doc *html.Node, button string, typed url.Values) *httptest.ResponseRecorder {
	x.Helper()
	for _, form := range cascadia.QueryAll(doc, cascadia.MustCompile("main form")) {
		for _, b := range cascadia.QueryAll(form, cascadia.MustCompile("button")) {
			if strings.TrimSpace(textOf(b)) == button {
				return x.submit(form, b, typed)
			}
		}
	}
	x.Fatalf("no form has a button %q", button)
	return nil
}

func (x *site) submit(form, button *html.Node, typed url.Values) *httptest.ResponseRecorder {
	x.Helper()
	values := url.Values{}
	for _, n := range cascadia.QueryAll(form, cascadia.MustCompile("input[name]")) {
		values.Set(attrOf(n, "name"), attrOf(n, "value"))
	}
	for name := range typed {
		if !values.Has(name) {
			x.Fatalf("there is no field %q to type into", name)
		}
		values.Set(name, typed.Get(name))
	}
	if name := attrOf(button, "name"); name != "" {
		values.Set(name, attrOf(button, "value"))
	}
	return x.ask(strings.ToUpper(attrOf(form, "method")), attrOf(form, "action"), values)
}

func attrOf(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestTheFormsOfAConversationDoWhatTheySay(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(worklog.Draft{Title: "work", Conversation: "c"})
	path := "/conversations/" + x.conversation("c")
	for _, step := range []struct {
		button   string
		typed    url.Values
		selector string // of what shows it on the page that comes then
		want     string
	}{
		{"Rename", url.Values{"title": {"A better <name>"}}, "h1", "A better <name>"},
		{"Pin to the top", nil, "#threads h2", "Pinned"},
		{"Unpin", nil, "#threads h2", "Last 24 hours"},
		{"Keep it for good", nil, "#log-facts", "1 step kept"},
		{"Let retention delete it again", nil, "#log-facts", "1 step"},
		{"Archive", nil, "#log-facts", "1 step archived"},
		{"Bring back from the archive", nil, "#log-facts", "1 step"},
		{"Share with the team", nil, ".teamnote", "Every user of this installation can read this conversation."},
	} {
		w := x.press(x.see(path), step.button, step.typed)
		if w.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", step.button, w.Code, w.Body)
		}
		if got := texts(x.see(w.Header().Get("Location")), step.selector); len(got) != 1 || got[0] != step.want {
			t.Errorf("after %q the page says %q, want %q", step.button, got, step.want)
		}
	}
	question := attr(x.see(path), ".menu a.danger", "href")
	w := x.press(x.see(question), "Delete conversation", nil)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Fatalf("%d to %s", w.Code, w.Header().Get("Location"))
	}
	if got := texts(x.see("/"), "#log-list .title"); len(got) != 2 || !strings.Contains(got[0], `“A better <name>” deleted`) {
		t.Errorf("the activity reads %q", got)
	}
}
