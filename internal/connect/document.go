package connect

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// document is a JSON text and where in it everything stands. Every change is one of the text, which is then read again:
// configurations are small.
type document struct {
	text     []byte
	comments bool   // Gemini CLI allows them
	unit     string // of indentation; empty: all on one line
	root     *node
	own      func(handler map[string]any) bool
}

// node is a value in a document.
type node struct {
	kind       byte // '{', '[', or 'v' for everything else
	start, end int
	members    []member
	elements   []*node
}

type member struct {
	key   string
	start int
	value *node
}

// index is where the last member with a key is: the one that counts.
func (n *node) index(key string) int {
	for i, m := range slices.Backward(n.members) {
		if m.key == key {
			return i
		}
	}
	return -1
}

// member returns the value of a key; nil when there is none.
func (n *node) member(key string) *node {
	if n == nil {
		return nil
	}
	if i := n.index(key); i >= 0 {
		return n.members[i].value
	}
	return nil
}

// span is where the child i of n begins and ends.
func (n *node) span(i int) (start, end int) {
	if n.kind == '{' {
		return n.members[i].start, n.members[i].value.end
	}
	return n.elements[i].start, n.elements[i].end
}

func (n *node) children() int { return max(len(n.members), len(n.elements)) }

// find returns the object or list that begins at an offset.
func (d *document) find(start int) *node {
	todo := []*node{d.root}
	for len(todo) > 0 {
		n := todo[0]
		todo = append(todo[1:], n.elements...)
		for _, m := range n.members {
			todo = append(todo, m.value)
		}
		if n.start == start {
			return n
		}
	}
	return nil
}

// value is what a node says, as encoding/json would put it.
func (d *document) value(n *node) any {
	switch n.kind {
	case '{':
		m := map[string]any{}
		for _, x := range n.members {
			m[x.key] = d.value(x.value)
		}
		return m
	case '[':
		list := []any{}
		for _, x := range n.elements {
			list = append(list, d.value(x))
		}
		return list
	}
	var v any
	_ = json.Unmarshal(d.text[n.start:n.end], &v) // it was parsed before
	return v
}

// splice replaces a part of the text and reads it again.
func (d *document) splice(start, end int, with string) {
	d.text = slices.Concat(d.text[:start], []byte(with), d.text[end:])
	root, err := (&parser{text: d.text, comments: d.comments}).document()
	if err != nil { // a change makes no broken text of a good one: the property test says so
		panic("connect: " + err.Error())
	}
	d.root = root
}

// render writes a value at a depth of the document.
func (d *document) render(v any, depth int) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if d.unit != "" {
		e.SetIndent(strings.Repeat(d.unit, depth), d.unit)
	}
	_ = e.Encode(v) // texts, numbers, lists
	return strings.TrimSuffix(b.String(), "\n")
}

func (d *document) replace(n *node, v any, depth int) { d.splice(n.start, n.end, d.render(v, depth)) }

// set adds a member at the end of an object.
func (d *document) set(n *node, key string, v any, depth int) {
	colon := ":"
	if d.unit != "" {
		colon = ": "
	}
	d.insert(n, d.render(key, 0)+colon+d.render(v, depth), depth)
}

// add adds an element at the end of a list.
func (d *document) add(n *node, v any, depth int) { d.insert(n, d.render(v, depth), depth) }

// insert adds the text of a child at the end of n.
func (d *document) insert(n *node, child string, depth int) {
	before, after := "", ""
	if d.unit != "" {
		before, after = "\n"+strings.Repeat(d.unit, depth), "\n"+strings.Repeat(d.unit, depth-1)
	}
	count := n.children()
	if count == 0 {
		end := n.end - 1
		if len(bytes.TrimSpace(d.text[n.start+1:end])) == 0 {
			d.splice(n.start+1, end, before+child+after)
		} else { // a comment
			d.splice(end, end, before+child+after)
		}
		return
	}
	_, end := n.span(count - 1)
	if comma := d.comma(end); comma >= 0 {
		d.splice(comma+1, comma+1, before+child)
		return
	}
	d.splice(end, end, ","+before+child)
}

// comma is where the comma after an offset is, if the next thing is one.
func (d *document) comma(at int) int {
	p := parser{text: d.text, comments: d.comments, at: at}
	if p.space() == nil && p.at < len(d.text) && d.text[p.at] == ',' {
		return p.at
	}
	return -1
}

// remove takes the child i out of n, with the comma that it needed and the blank before it.
func (d *document) remove(n *node, i int) {
	start, end := n.span(i)
	blank := start
	for blank > n.start+1 && strings.IndexByte(" \t\r\n", d.text[blank-1]) >= 0 {
		blank--
	}
	if comma := d.comma(end); comma >= 0 {
		d.splice(blank, comma+1, "")
	} else if i > 0 {
		_, before := n.span(i - 1)
		comma := d.comma(before)
		d.splice(comma, end, string(d.text[comma+1:blank]))
	} else {
		d.splice(blank, end, "")
	}
	if n = d.find(n.start); n != nil && n.children() == 0 && len(bytes.TrimSpace(d.text[n.start+1:n.end-1])) == 0 {
		d.splice(n.start+1, n.end-1, "")
	}
}
