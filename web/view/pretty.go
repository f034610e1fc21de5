package view

import (
	"strings"
	"unicode/utf8"
)

// Bounds of JSON that is laid out; more, or deeper, is shown as it is.
const (
	maxPretty = 64 << 10
	maxDeep   = 32
	// inlineBytes is how long a list or object without others in it may be to stay on one line.
	inlineBytes = 72
)

// layOut returns JSON in lines of its own, with numbers and texts exactly as they are written. What is cut may end
// anywhere. False: s is no object or list, or not one that can be laid out.
func layOut(s string, cut bool) ([]line, bool) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '{' && s[0] != '[' || len(s) > maxPretty || !utf8.ValidString(s) && !cut {
		return nil, false
	}
	p := pretty{s: s, cut: cut}
	p.value(0)
	p.space()
	if p.bad || (p.i < len(s) && !p.ended) || (p.ended && !cut) {
		return nil, false
	}
	p.newline(0)
	return p.lines, true
}

// pretty reads JSON and writes it again. After the first mistake it does nothing more.
type pretty struct {
	s       string
	i       int
	cut     bool // s may end before its end
	ended   bool // it did
	bad     bool
	lines   []line
	current line
}

func (p *pretty) stopped() bool { return p.bad || p.ended }

func (p *pretty) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// peek skips white space and returns the next byte; at the end it stops.
func (p *pretty) peek() byte {
	if p.space(); p.i < len(p.s) {
		return p.s[p.i]
	}
	p.ended = true
	return 0
}

func (p *pretty) put(class, text string) {
	if n := len(p.current); n > 0 && p.current[n-1].class == class {
		p.current[n-1].text += text
		return
	}
	p.current = append(p.current, piece{class, text})
}

// newline ends a line; the next one is indented by depth.
func (p *pretty) newline(depth int) {
	p.lines = append(p.lines, p.current)
	p.current = nil
	if depth > 0 {
		p.put("", strings.Repeat("  ", depth))
	}
}

func (p *pretty) value(depth int) {
	switch c := p.peek(); {
	case p.stopped():
	case depth > maxDeep:
		p.bad = true
	case c == '{' || c == '[':
		p.container(c, depth)
	case c == '"':
		p.put("js", p.text())
	default:
		p.put("jn", p.scalar())
	}
}

// container takes an object or a list. A short one without others in it stays on one line.
func (p *pretty) container(open byte, depth int) {
	end := byte('}')
	if open == '[' {
		end = ']'
	}
	inline := p.isShort(end)
	p.put("", string(open))
	p.i++
	for first := true; ; first = false {
		c := p.peek()
		if p.stopped() {
			return
		}
		if c == end && first {
			p.i++
			p.put("", string(end))
			return
		}
		if !inline {
			p.newline(depth + 1)
		}
		if open == '{' {
			p.name()
		}
		if p.value(depth + 1); p.stopped() {
			return
		}
		if !p.next(end) {
			break
		}
		if p.put("", ","); inline {
			p.put("", " ")
		}
	}
	if p.stopped() {
		return
	}
	if !inline {
		p.newline(depth)
	}
	p.put("", string(end))
}

// next takes the comma before another value and returns true, or the end.
func (p *pretty) next(end byte) bool {
	switch c := p.peek(); {
	case p.stopped():
	case c == ',':
		p.i++
		return true
	case c == end:
		p.i++
	default:
		p.bad = true
	}
	return false
}

// name takes the name of a member and its colon.
func (p *pretty) name() {
	if p.peek() != '"' {
		p.bad = !p.ended
		return
	}
	p.put("jk", p.text())
	if p.stopped() {
		return
	}
	if p.peek() != ':' {
		p.bad = !p.ended
		return
	}
	p.i++
	p.put("", ": ")
}

// isShort reports whether what is opened at p.i ends soon and opens nothing else.
func (p *pretty) isShort(end byte) bool {
	rest := p.s[p.i+1 : min(len(p.s), p.i+1+inlineBytes)]
	n := strings.IndexByte(rest, end)
	return n >= 0 && !strings.ContainsAny(rest[:n], "{[\\") && strings.Count(rest[:n], `"`)%2 == 0
}

// text takes a string with its quotes. Its escapes stay.
func (p *pretty) text() string {
	start := p.i
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return Line(p.s[start:p.i])
		case c == '\\':
			p.i++
		case c < ' ':
			p.bad = true
			return ""
		}
	}
	p.i = len(p.s)
	p.ended = true
	return Line(p.s[start:])
}

// scalar takes a number, true, false or null.
func (p *pretty) scalar() string {
	start := p.i
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n,]}:\"{[", p.s[p.i]) < 0 {
		p.i++
	}
	word := p.s[start:p.i]
	if p.i == len(p.s) && p.cut {
		p.ended = true
		return Line(word)
	}
	switch {
	case word == "true", word == "false", word == "null":
	case word == "" || strings.Trim(word, "0123456789+-.eE") != "" || strings.IndexByte("-0123456789", word[0]) < 0:
		p.bad = true
	}
	return word
}
