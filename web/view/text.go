package view

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what untrusted text can do to a page.
const (
	maxUnseen   = 8  // characters without width in a row: enough for any emoji or accent, too few for a flood
	maxSequence = 64 // bytes of a terminal sequence; a longer one is text
)

// Text returns s as text of several lines that can do nothing but be read: terminal colours and cursor movements are
// dropped, every other control character and every reordering of the writing direction becomes visible, and floods of
// characters without width are counted instead of shown. Line ends become "\n".
func Text(s string) string { return clean(s, true) }

// Line is [Text] for a single line: line ends and tabs become spaces.
func Line(s string) string { return clean(s, false) }

func clean(s string, lines bool) string {
	if plain(s, lines) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	unseen := 0
	for i := 0; i < len(s); {
		if n := sequence(s[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == '\r' && i+1 < len(s) && s[i+1] == '\n' {
			n = 2
		}
		i += n
		if widthless(r) {
			unseen++
		} else {
			endFlood(&b, unseen)
			unseen = 0
		}
		if unseen <= maxUnseen {
			writeSafe(&b, r, lines)
		}
	}
	endFlood(&b, unseen)
	return b.String()
}

// builder is what text is written to.
type builder interface {
	io.Writer
	io.ByteWriter
	io.StringWriter
	WriteRune(r rune) (n int, err error)
}

// endFlood says how many characters of a run without width were left out.
func endFlood(b builder, unseen int) {
	if unseen > maxUnseen {
		b.WriteString("[" + count(int64(unseen-maxUnseen), "unseen character") + "]")
	}
}

// plain reports whether clean would return s unchanged: most texts, so they cost no copy.
func plain(s string, lines bool) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c == 0x7f || (c < ' ' && (!lines || (c != '\n' && c != '\t'))) {
			return false
		}
	}
	return true
}

// writeSafe writes r, or what stands for it.
func writeSafe(b builder, r rune, lines bool) {
	switch {
	case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
		b.WriteByte(lineEnd(lines, '\n'))
	case r == '\t':
		b.WriteByte(lineEnd(lines, '\t'))
	case r < ' ':
		b.WriteRune('\u2400' + r) // its control picture
	case r == 0x7f:
		b.WriteRune('\u2421')
	case r >= 0x80 && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		// C1 controls, and the directional overrides and isolates behind which text hides what it really says.
		fmt.Fprintf(b, "[U+%04X]", r)
	case unicode.Is(unicode.Noncharacter_Code_Point, r):
		b.WriteRune(utf8.RuneError)
	default:
		b.WriteRune(r)
	}
}

func lineEnd(lines bool, c byte) byte {
	if lines {
		return c
	}
	return ' '
}

// widthless reports whether r takes no room of its own: joiners, marks, tags, variation selectors.
func widthless(r rune) bool {
	return r >= 0xad && (unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf))
}

// sequence returns the length of the terminal control sequence (ECMA-48 CSI) that s begins with, else 0. Only these are
// dropped: the strings that other escapes carry (titles, links, clipboard contents) stay readable.
func sequence(s string) int {
	if len(s) < 3 || s[0] != 0x1b || s[1] != '[' {
		return 0
	}
	for i := 2; i < min(len(s), maxSequence); i++ {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x3f:
			return 0
		}
	}
	return 0
}
