package wire

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// The functions of this file walk over JSON without copying it. What they walk over was found valid as a whole before,
// so that they need not look for mistakes; they end quietly where there is one.

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// space returns the place of the first byte from i that is no white space.
func space(raw []byte, i int) int {
	for i < len(raw) && isSpace(raw[i]) {
		i++
	}
	return i
}

// skip returns the place behind the value that begins at i.
func skip(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch c := raw[i]; {
		case c == '"':
			i = skipText(raw, i)
		case c == '{' || c == '[':
			depth++
			i++
			continue
		case c == '}' || c == ']':
			depth--
			i++
		case c == ',' || c == ':' || isSpace(c):
			i++
			continue
		default:
			i = skipWord(raw, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

func skipText(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return i
}

// skipWord skips a number, true, false or null.
func skipWord(raw []byte, i int) int {
	for i < len(raw) {
		switch c := raw[i]; {
		case c == ',' || c == ':' || c == '}' || c == ']' || isSpace(c):
			return i
		}
		i++
	}
	return i
}

// elements returns the values of a list; none when raw is something else.
func elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := space(raw, 0)
		if i >= len(raw) || raw[i] != '[' {
			return
		}
		for i = space(raw, i+1); i < len(raw) && raw[i] != ']'; i = space(raw, i) {
			end := skip(raw, i)
			if end <= i || !yield(raw[i:end]) {
				return
			}
			if i = space(raw, end); i < len(raw) && raw[i] == ',' {
				i++
			}
		}
	}
}

// members returns the names and values of an object; none when raw is something else.
func members(raw []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		i := space(raw, 0)
		if i >= len(raw) || raw[i] != '{' {
			return
		}
		for i = space(raw, i+1); i < len(raw) && raw[i] == '"'; i = space(raw, i) {
			end := skipText(raw, i)
			name := text(raw[i:end])
			i = space(raw, end)
			if i >= len(raw) || raw[i] != ':' {
				return
			}
			i = space(raw, i+1)
			if end = skip(raw, i); end <= i || !yield(name, raw[i:end]) {
				return
			}
			if i = space(raw, end); i < len(raw) && raw[i] == ',' {
				i++
			}
		}
	}
}

// text reads a JSON text; of any other value it is the JSON itself, and nothing of null.
func text(raw []byte) string {
	if len(raw) > 1 && raw[0] == '"' {
		if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			return string(inner)
		}
	}
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }
