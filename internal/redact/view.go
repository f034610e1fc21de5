package redact

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/worklogdev/worklog/internal/ansi"
)

// shown is a text as it would be read, and where each part of it was written.
type shown struct {
	text string
	// cuts are the places in text before which something was left out, with the sum of all that was left out so far.
	cuts []cut
	// payloads are the texts inside control sequences, which are searched on their own.
	payloads []span
}

type cut struct{ at, missing int }

// span is a part of the text as written.
type span struct{ start, end int }

// written returns where the byte of text at i was written. What was left out right before it belongs to it only when
// asked for the end of a part.
func (v *shown) written(i int, end bool) int {
	n, _ := slices.BinarySearchFunc(v.cuts, i, func(c cut, i int) int {
		if c.at < i || c.at == i && !end {
			return -1
		}
		return 1
	})
	if n == 0 {
		return i
	}
	return i + v.cuts[n-1].missing
}

// show returns s without control sequences, control characters, characters without width and broken UTF-8. Most texts
// have none of these and cost no copy.
func (r *Redactor) show(s string) shown {
	v := shown{text: s}
	var b strings.Builder
	missing, from := 0, 0
	for i := plain(s, 0); i < len(s); i = plain(s, i) {
		if r.class[s[i]]&maybeUnseen == 0 {
			i++
			continue
		}
		n := v.unseen(s, i)
		if n < 0 {
			i -= n
			continue
		}
		if missing == 0 {
			b.Grow(len(s))
		}
		b.WriteString(s[from:i])
		i += n
		from = i
		missing += n
		if last := len(v.cuts) - 1; last >= 0 && v.cuts[last].at == b.Len() {
			v.cuts[last].missing = missing
		} else {
			v.cuts = append(v.cuts, cut{b.Len(), missing})
		}
	}
	if missing > 0 {
		b.WriteString(s[from:])
		v.text = b.String()
	}
	return v
}

// plain returns where the text from i on may first hold anything but printable ASCII. It looks at eight bytes at a time:
// this is a pass over everything that anybody writes.
func plain(s string, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56 // one load
		if (x|(x-ones*' ')|(x+ones))&tops != 0 { // a byte beyond 0x7e, or below a space
			return i
		}
	}
	return i
}

// unseen returns the length of what is left out at s[i], or minus the length of what stays.
func (v *shown) unseen(s string, i int) int {
	if s[i] == ansi.Escape {
		return v.sequence(s, i)
	}
	if s[i] < utf8.RuneSelf {
		return 1
	}
	c, n := utf8.DecodeRuneInString(s[i:])
	if !unseen(c) {
		return -n
	}
	return n
}

// sequence returns how much of s at i is left out, and notes the text in it.
func (v *shown) sequence(s string, i int) int {
	kind, n := ansi.Sequence(s[i:])
	switch {
	case kind == ansi.Payload:
		v.payloads = append(v.payloads, span{i + 2, i + 2 + len(ansi.Text(s[i:i+n]))})
	case kind == ansi.None, kind == ansi.Short && n == 2:
		return 1 // the letter may be the first of a key
	}
	return n
}

// unseen reports whether r takes no room in a text, or stands for what does not.
func unseen(r rune) bool {
	switch {
	case r < 0xad:
		return r >= 0x7f && r < 0xa0
	case r == 0xad, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff, r == utf8.RuneError:
		return true
	}
	return false
}
