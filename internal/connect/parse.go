package connect

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxNesting bounds the depth of a configuration.
const maxNesting = 200

// parser reads JSON and notes where things are. What encoding/json can say about a value it is asked.
type parser struct {
	text     []byte
	comments bool // and commas before a closing bracket
	at       int
	depth    int
}

// parse reads a configuration: one JSON object.
func parse(text []byte, comments bool) (*document, error) {
	d := &document{text: bytes.Clone(text), comments: comments}
	var err error
	if d.root, err = (&parser{text: d.text, comments: comments}).document(); err != nil {
		return nil, err
	}
	d.unit = indentation(d)
	return d, nil
}

// indentation is how the members of a document are indented; two blanks for one that has none.
func indentation(d *document) string {
	if len(d.root.members) == 0 {
		return "  "
	}
	before := d.text[d.root.start+1 : d.root.members[0].start]
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
		if unit := before[i+1:]; len(unit) > 0 && len(bytes.TrimSpace(unit)) == 0 {
			return string(unit)
		}
		return "  "
	}
	return ""
}

func (p *parser) document() (*node, error) {
	p.at = len(p.text) - len(bytes.TrimPrefix(p.text, []byte("\xef\xbb\xbf")))
	n, err := p.value()
	if err != nil {
		return nil, err
	}
	if n.kind != '{' {
		return nil, p.broken(n.start, "it is no object")
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.at < len(p.text) {
		return nil, p.broken(p.at, "something follows its end")
	}
	return n, nil
}

// broken says what is wrong, and where.
func (p *parser) broken(at int, what string) error {
	at = min(at, len(p.text))
	line := bytes.Count(p.text[:at], []byte("\n")) + 1
	column := at - bytes.LastIndexByte(p.text[:at], '\n')
	return fmt.Errorf("%w: line %d, column %d: %s", ErrBroken, line, column, what)
}

// space skips blanks and, where they are allowed, comments.
func (p *parser) space() error {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			p.at++
		case p.comments && bytes.HasPrefix(p.text[p.at:], []byte("//")):
			if i := bytes.IndexByte(p.text[p.at:], '\n'); i >= 0 {
				p.at += i
			} else {
				p.at = len(p.text)
			}
		case p.comments && bytes.HasPrefix(p.text[p.at:], []byte("/*")):
			i := bytes.Index(p.text[p.at+2:], []byte("*/"))
			if i < 0 {
				return p.broken(p.at, "a comment does not end")
			}
			p.at += i + 4
		default:
			return nil
		}
	}
	return nil
}

// next skips blanks and returns the byte that follows; 0 at the end.
func (p *parser) next() (byte, error) {
	if err := p.space(); err != nil || p.at == len(p.text) {
		return 0, err
	}
	return p.text[p.at], nil
}

// scalar is a text, a number or a word at the beginning of text, as far as it goes; encoding/json knows whether it is a
// good one.
func scalar(text []byte) []byte {
	if len(text) > 0 && text[0] == '"' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return text[:i+1]
			}
		}
		return nil
	}
	end := bytes.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '+' && r != '.'
	})
	if end < 0 {
		end = len(text)
	}
	return text[:end]
}

func (p *parser) value() (*node, error) {
	c, err := p.next()
	if err != nil {
		return nil, err
	}
	n := &node{kind: c, start: p.at}
	switch c {
	case '{', '[':
		if p.depth++; p.depth > maxNesting {
			return nil, p.broken(p.at, "it is nested too deeply")
		}
		p.at++
		err = p.children(n)
		p.depth--
	default:
		n.kind = 'v'
		raw := scalar(p.text[p.at:])
		if !json.Valid(raw) {
			return nil, p.broken(p.at, "a value is expected")
		}
		p.at += len(raw)
	}
	n.end = p.at
	return n, err
}

// children reads what is in an object or a list, up to and with the bracket that closes it.
func (p *parser) children(n *node) error {
	closing := n.kind + 2 // of { and [ alike
	for first := true; ; first = false {
		c, err := p.next()
		if err != nil {
			return err
		}
		if c == closing && (first || p.comments) {
			p.at++
			return nil
		}
		if err := p.child(n); err != nil {
			return err
		}
		switch c, err = p.next(); {
		case err != nil:
			return err
		case c == closing:
			p.at++
			return nil
		case c != ',':
			return p.broken(p.at, fmt.Sprintf("a comma or %q is expected", string(closing)))
		}
		p.at++
	}
}

func (p *parser) child(n *node) error {
	m := member{start: p.at}
	if n.kind == '{' {
		key, err := p.value()
		if err != nil {
			return err
		}
		if key.kind != 'v' || json.Unmarshal(p.text[key.start:key.end], &m.key) != nil || p.text[key.start] != '"' {
			return p.broken(key.start, "a name in quotes is expected")
		}
		if c, err := p.next(); err != nil || c != ':' {
			return p.broken(p.at, "a colon is expected")
		}
		p.at++
	}
	v, err := p.value()
	if err != nil {
		return err
	}
	if m.value = v; n.kind == '{' {
		n.members = append(n.members, m)
	} else {
		n.elements = append(n.elements, v)
	}
	return nil
}
