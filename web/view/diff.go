package view

import (
	"strconv"
	"strings"
)

// colourDiff gives the lines of a unified diff their classes and reports whether there are any. Lines count as added or
// deleted only inside a hunk, as far as its header says that it goes: a list of dashes is no diff.
func colourDiff(lines []line) bool {
	found := false
	var before, after int // lines that the hunk has still to come
	for i, l := range lines {
		if len(l) != 1 {
			if before > 0 && after > 0 && len(l) == 0 { // an empty line of context whose space was trimmed
				before, after = before-1, after-1
			}
			continue
		}
		text := l[0].text
		switch {
		case before > 0 || after > 0:
			before, after = colourHunk(l, text, before, after)
		case strings.HasPrefix(text, "@@ "):
			var ok bool
			if before, after, ok = hunk(text); ok {
				l[0].class = "dh"
				found = true
			}
		case strings.HasPrefix(text, "index ") && i > 0 && startsWith(lines, i-1, "diff --git "), strings.HasPrefix(text, "diff --git "), strings.HasPrefix(text, "--- ") && startsWith(lines, i+1, "+++ "), strings.HasPrefix(text, "+++ ") && startsWith(lines, i+1, "@@ "):
			l[0].class = "dm"
		}
	}
	if !found {
		for _, l := range lines {
			for i := range l {
				l[i].class = ""
			}
		}
	}
	return found
}

func colourHunk(l line, text string, before, after int) (int, int) {
	switch text[0] {
	case '+':
		l[0].class = "da"
		return before, after - 1
	case '-':
		l[0].class = "dd"
		return before - 1, after
	case ' ', '\t':
		return before - 1, after - 1
	case '\\': // no newline at end of file
		return before, after
	}
	return 0, 0 // not what the header promised
}

func startsWith(lines []line, i int, prefix string) bool {
	return i < len(lines) && len(lines[i]) == 1 && strings.HasPrefix(lines[i][0].text, prefix)
}

// hunk reads "@@ -1,5 +1,6 @@" and returns how many lines there are of either side.
func hunk(text string) (before, after int, ok bool) {
	ranges, _, found := strings.Cut(strings.TrimPrefix(text, "@@ "), " @@")
	old, new, both := strings.Cut(ranges, " ")
	if !found || !both || !strings.HasPrefix(old, "-") || !strings.HasPrefix(new, "+") {
		return 0, 0, false
	}
	before, okBefore := extent(old[1:])
	after, okAfter := extent(new[1:])
	return before, after, okBefore && okAfter
}

// extent reads "start,length" or "start", which has the length 1.
func extent(s string) (int, bool) {
	start, length, two := strings.Cut(s, ",")
	if _, err := strconv.ParseUint(start, 10, 31); err != nil {
		return 0, false
	}
	if !two {
		return 1, true
	}
	n, err := strconv.ParseUint(length, 10, 31)
	return int(n), err == nil
}
