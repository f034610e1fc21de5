package view_test

import (
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/andybalholm/cascadia"
	nethtml "golang.org/x/net/html"
)

// document is a rendered component that can be asked by selector.
type document struct {
	t    testing.TB
	root *nethtml.Node
}

func find(t testing.TB, c templ.Component) document {
	t.Helper()
	root, err := nethtml.Parse(strings.NewReader(html(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	return document{t, root}
}

func (d document) all(selector string) []*nethtml.Node {
	d.t.Helper()
	s, err := cascadia.ParseGroup(selector)
	if err != nil {
		d.t.Fatalf("%s: %v", selector, err)
	}
	return cascadia.QueryAll(d.root, s)
}

// one is the only element that matches.
func (d document) one(selector string) *nethtml.Node {
	d.t.Helper()
	nodes := d.all(selector)
	if len(nodes) != 1 {
		d.t.Fatalf("%s matches %d elements, want 1", selector, len(nodes))
	}
	return nodes[0]
}

// text is the only matching element's text with single spaces.
func (d document) text(selector string) string {
	d.t.Helper()
	return textOf(d.one(selector))
}

func (d document) attr(selector, name string) string {
	d.t.Helper()
	return attrOf(d.one(selector), name)
}

func (d document) absent(selector string) {
	d.t.Helper()
	if n := len(d.all(selector)); n > 0 {
		d.t.Errorf("%s matches %d elements, want none", selector, n)
	}
}

func textOf(n *nethtml.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == nethtml.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func attrOf(n *nethtml.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
