package view

import (
	"bytes"
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"

	"github.com/worklogdev/worklog/internal/ansi"
	"github.com/worklogdev/worklog/worklog"
)

// Bounds of what a page shows at once; the rest unfolds.
const (
	shownLines = 120
	shownJSON  = 40
	// fewLines are not worth hiding.
	fewLines = 20
)

// piece is a part of a line with the classes it is shown in, which are words of ours, see [pieceClasses].
type piece struct{ class, text string }

// line is one line of output.
type line []piece

// output is what an entry's details look like.
type output struct {
	lines []line
	kind  string // json, diff, or empty
	// overwritten is how many states of lines a progress display has replaced.
	overwritten int
	head, rest  []line
}

// outputOf reads the details of a row: JSON is laid out, a unified diff is coloured, and everything else is shown as a
// terminal would.
func outputOf(r Row) output {
	o := output{}
	if lines, ok := layOut(r.Details, cut(r)); ok {
		o.lines, o.kind = lines, "json"
	} else {
		s := screen{}
		s.write(r.Details)
		o.lines, o.overwritten = s.lines, s.overwritten
		if !s.coloured && colourDiff(o.lines) {
			o.kind = "diff"
		}
	}
	for len(o.lines) > 1 && len(o.lines[len(o.lines)-1]) == 0 {
		o.lines = o.lines[:len(o.lines)-1]
	}
	most := shownLines
	if o.kind == "json" {
		most = shownJSON
	}
	o.head = o.lines
	if len(o.lines) > most+fewLines && !r.Unfolded {
		o.head, o.rest = o.lines[:most], o.lines[most:]
	}
	if cut(r) { // what is missing comes with the rest
		o.rest = nil
	}
	return o
}

// screen is a terminal that only goes forward: it knows colours, and that a line may be written again.
type screen struct {
	lines       []line
	current     line
	text        bytes.Buffer // the piece that is being written, in the class written
	written     string
	style       style
	class       string // of the style
	unseen      int    // characters without width in a row
	again       bool   // the next character begins the line anew
	coloured    bool
	overwritten int
}

// write shows s.
func (s *screen) write(text string) {
	for i := 0; i < len(text); {
		if text[i] == ansi.Escape {
			if kind, n := ansi.Sequence(text[i:]); n > 0 {
				s.sequence(kind, text[i:i+n])
				i += n
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		s.rune(r, i < len(text) && text[i] == '\n')
	}
	s.endLine()
}

// sequence obeys colours and the erasing of a line. Everything else that a terminal may be told has no meaning on a page.
func (s *screen) sequence(kind ansi.Kind, seq string) {
	if kind != ansi.CSI {
		return
	}
	switch seq[len(seq)-1] {
	case 'm':
		s.coloured = true
		s.style.apply(seq[2 : len(seq)-1])
		s.class = s.style.class()
	case 'K':
		if seq == "\x1b[2K" || s.again {
			s.erase()
		}
	}
}

func (s *screen) rune(r rune, beforeNewline bool) {
	switch {
	case r == '\r' && beforeNewline:
		return
	case r == '\n' || r == '\u2028' || r == '\u2029':
		s.endLine()
		return
	case r == '\r':
		s.again = true
		return
	case r == '\b':
		s.back()
		return
	}
	if s.again {
		s.erase()
	}
	s.begin()
	if widthless(r) {
		s.unseen++
	} else {
		endFlood(&s.text, s.unseen)
		s.unseen = 0
	}
	if s.unseen <= maxUnseen {
		writeSafe(&s.text, r, true)
	}
}

// erase forgets what the line said.
func (s *screen) erase() {
	s.again = false
	if s.text.Len() == 0 && len(s.current) == 0 {
		return
	}
	s.text.Reset()
	s.current, s.unseen = nil, 0
	s.overwritten++
}

// back takes back the last character of the piece that is being written, as spinners do.
func (s *screen) back() {
	_, n := utf8.DecodeLastRune(s.text.Bytes())
	s.text.Truncate(s.text.Len() - n)
	s.unseen = 0
}

// begin sees to it that what is written next has the class of the style.
func (s *screen) begin() {
	if s.written != s.class {
		s.endPiece()
		s.written = s.class
	}
}

func (s *screen) endPiece() {
	if s.text.Len() == 0 {
		return
	}
	s.current = append(s.current, piece{s.written, s.text.String()})
	s.text.Reset()
}

func (s *screen) endLine() {
	s.begin()
	endFlood(&s.text, s.unseen)
	s.unseen, s.again = 0, false
	s.endPiece()
	s.lines = append(s.lines, s.current)
	s.current = nil
}

// plainLine returns the text of a line.
func (l line) plain() string {
	if len(l) == 1 {
		return l[0].text
	}
	var b strings.Builder
	for _, p := range l {
		b.WriteString(p.text)
	}
	return b.String()
}

// inPre writes lines into a <pre>. It is no template, because there every space counts.
func inPre(lines []line) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		for i, l := range lines {
			if i > 0 {
				b.WriteByte('\n')
			}
			for _, p := range l {
				if p.class == "" {
					b.WriteString(templ.EscapeString(p.text))
					continue
				}
				b.WriteString(`<span class="` + p.class + `">` + templ.EscapeString(p.text) + `</span>`)
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// label says what unfolds: "output, 41 lines", "diff, 12 lines", "JSON, 3.2 KB".
func (o *output) label(r Row) string {
	word := "details"
	switch {
	case o.kind == "json":
		word = "JSON"
	case o.kind == "diff":
		word = "diff"
	case r.Type == worklog.TypeToolCall:
		word = "output"
	}
	if cut(r) {
		return word + ", " + size(r.DetailsBytes)
	}
	word += ", " + count(int64(len(o.lines)), "line")
	if o.overwritten > 0 {
		word += ", " + thousands(int64(o.overwritten)) + " overwritten"
	}
	return word
}

// more says what unfolds below the part of an output that is shown.
func (o *output) more() string { return "Show all " + count(int64(len(o.lines)), "line") }
