package apptest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// maxPage bounds what Get reads.
const maxPage = 16 << 20

// Page is an answer, to be asserted by selector.
type Page struct {
	Status int
	Header http.Header
	Body   string

	t    testing.TB
	root *html.Node
}

// Get asks for path with client, which [App.Login] gives; nil stands for a stranger.
func (a *App) Get(client *http.Client, path string) *Page {
	a.t.Helper()
	if client == nil {
		client = &http.Client{Timeout: requestTimeout}
	}
	resp, err := client.Get(a.URL + path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
	p := Parse(a.t, body)
	p.Status, p.Header = resp.StatusCode, resp.Header
	return p
}

// Parse reads a page or a fragment.
func Parse(t testing.TB, body []byte) *Page {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return &Page{Body: string(body), t: t, root: root}
}

// Find returns the elements that match a CSS selector, in the order of the page.
func (p *Page) Find(selector string) []*html.Node {
	p.t.Helper()
	s, err := cascadia.ParseGroup(selector)
	if err != nil {
		p.t.Fatalf("selector %s: %v", selector, err)
	}
	return cascadia.QueryAll(p.root, s)
}

// One returns the only element that matches; the test ends if there is none or more.
func (p *Page) One(selector string) *html.Node {
	p.t.Helper()
	found := p.Find(selector)
	if len(found) != 1 {
		p.t.Fatalf("%d elements match %s, want 1", len(found), selector)
	}
	return found[0]
}

// Text returns what can be read in n, with white space folded.
func Text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Attr returns an attribute of n; empty if it has none of the name.
func Attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
