package worklog

import (
	"unicode/utf16"
	"unicode/utf8"
)

// maxScanDepth bounds the recursion over nested values: far above what metadata may have, so that deep metadata gets an
// answer that names it.
const maxScanDepth = 2000

// scanner reads JSON in one pass. After the first mistake it stands at the end of its input and err says what is wrong,
// so callers check once, when they are done.
type scanner struct {
	b   []byte
	i   int
	err *Error
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = Errorf(CodeMalformed, "not JSON at byte %d: %s", s.i, what)
	}
	s.i = len(s.b)
}

// peek skips white space and returns the next byte without taking it, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take takes c, the next byte after white space, or fails.
func (s *scanner) take(c byte, what string) {
	if s.peek() != c || s.i == len(s.b) {
		s.fail("expected " + what)
		return
	}
	s.i++
}

// end fails unless nothing but white space is left.
func (s *scanner) end() {
	if s.peek(); s.i < len(s.b) {
		s.fail("data after the end of the value")
	}
}

// list reads values between open and close, each by calling value, which must take exactly one.
func (s *scanner) list(open, close byte, value func()) {
	s.take(open, string(open))
	if s.peek() == close {
		s.i++
		return
	}
	for s.err == nil {
		value()
		switch s.peek() {
		case ',':
			s.i++
		case close:
			s.i++
			return
		default:
			s.fail("expected a comma or " + string(close))
		}
	}
}

// object calls member with the name of each member; member must take the value. The name is only valid until then.
func (s *scanner) object(member func(name []byte)) {
	s.list('{', '}', func() {
		name, escaped := s.span()
		if escaped {
			name = unescape(name)
		}
		s.take(':', "a colon")
		if s.err == nil {
			member(name)
		}
	})
}

// text reads a string. Invalid UTF-8 stays as it is: Normalize replaces it.
func (s *scanner) text() string {
	span, escaped := s.span()
	if escaped {
		span = unescape(span)
	}
	return string(span)
}

// span takes a string and returns what stands between its quotes, and whether that contains escapes.
func (s *scanner) span() (raw []byte, escaped bool) {
	s.take('"', "a string")
	for start := s.i; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			raw = s.b[start:s.i]
			s.i++
			return raw, escaped
		case c == '\\':
			escaped = true
			s.escape()
		case c < ' ':
			s.fail("a control character in a string")
		}
	}
	s.fail("a string without end")
	return nil, false
}

// escape checks the escape at s.i and moves to its last byte.
func (s *scanner) escape() {
	s.i++
	if s.i >= len(s.b) {
		return
	}
	switch s.b[s.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	case 'u':
		if _, ok := hex4(s.b[s.i+1:]); !ok {
			s.fail(`\u without four hexadecimal digits`)
			return
		}
		s.i += 4
	default:
		s.fail("an unknown escape in a string")
	}
}

// number takes a number and returns its text.
func (s *scanner) number() []byte {
	s.peek()
	start := s.i
	s.accept('-')
	if !s.accept('0') {
		s.digits()
	}
	if s.accept('.') {
		s.digits()
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('+') {
			s.accept('-')
		}
		s.digits()
	}
	return s.b[start:s.i]
}

func (s *scanner) accept(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) digits() {
	start := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	if s.i == start {
		s.fail("expected a digit")
	}
}

// word takes w: true, false or null.
func (s *scanner) word(w string) {
	if rest := s.b[s.i:]; len(rest) < len(w) || string(rest[:len(w)]) != w {
		s.fail("expected a value")
		return
	}
	s.i += len(w)
}

// null takes null if it is next.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.word("null")
	return true
}

// skip takes one value of any kind.
func (s *scanner) skip(depth int) {
	if depth > maxScanDepth {
		s.fail("nested too deep")
		return
	}
	switch c := s.peek(); {
	case c == '"':
		s.span()
	case c == '{':
		s.object(func([]byte) { s.skip(depth + 1) })
	case c == '[':
		s.list('[', ']', func() { s.skip(depth + 1) })
	case c == '-', c-'0' <= 9:
		s.number()
	case c == 't':
		s.word("true")
	case c == 'f':
		s.word("false")
	default:
		s.word("null")
	}
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape resolves the escapes of raw, which the scanner has checked. Half a surrogate pair becomes U+FFFD.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		if raw[i] != 'u' {
			out = append(out, plain(raw[i]))
			continue
		}
		r, _ := hex4(raw[i+1:])
		i += 4
		if utf16.IsSurrogate(r) {
			r, i = pair(r, raw, i)
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// plain returns what the escape of c stands for.
func plain(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// pair joins the surrogate r, whose escape ends at raw[i], with the one after it, and returns where that ends.
func pair(r rune, raw []byte, i int) (rune, int) {
	if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
		if low, ok := hex4(raw[i+3:]); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, i + 6
			}
		}
	}
	return utf8.RuneError, i
}
