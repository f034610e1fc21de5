package view_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/worklogdev/worklog/web/view"
)

// S-17.
func TestTextShowsWhatTerminalsAndBrowsersWouldHide(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, lines, line string }{
		"plain":           {"go test ./...", "go test ./...", "go test ./..."},
		"lines":           {"a\nb\tc\r\nd\re", "a\nb\tc\nd\ne", "a b c d e"},
		"colours":         {"\x1b[31mFAIL\x1b[0m ok \x1b[1;38;5;208mx", "FAIL ok x", "FAIL ok x"},
		"cursor":          {"\x1b[2J\x1b[1;1Hgone\x1b[K", "gone", "gone"},
		"hyperlink":       {"\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "␛]8;;http://evil␛\\click␛]8;;␛\\", "␛]8;;http://evil␛\\click␛]8;;␛\\"},
		"clipboard":       {"\x1b]52;c;cm0gLXJm\x07", "␛]52;c;cm0gLXJm␇", "␛]52;c;cm0gLXJm␇"},
		"broken sequence": {"\x1b[31", "␛[31", "␛[31"},
		"not a sequence":  {"\x1b[\nx", "␛[\nx", "␛[ x"},
		"long sequence":   {"\x1b[" + strings.Repeat("1", 80) + "m", "␛[" + strings.Repeat("1", 80) + "m", "␛[" + strings.Repeat("1", 80) + "m"},
		"controls":        {"a\x00b\x07c\x7fd\x08", "a␀b␇c␡d␈", "a␀b␇c␡d␈"},
		"C1":              {"\u009b31mx\u0085y", "[U+009B]31mx[U+0085]y", "[U+009B]31mx[U+0085]y"},
		"override":        {"abc\u202egnp.exe", "abc[U+202E]gnp.exe", "abc[U+202E]gnp.exe"},
		"isolate":         {"\u2066x\u2069", "[U+2066]x[U+2069]", "[U+2066]x[U+2069]"},
		"separators":      {"a\u2028b\u2029c", "a\nb\nc", "a b c"},
		"broken UTF-8":    {"a\xffb", "a\uFFFDb", "a\uFFFDb"},
		"arabic mark":     {"\u200fשלום", "\u200fשלום", "\u200fשלום"},
		"emoji":           {"👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 é", "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 é", "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 é"},
		"joiners":         {"a" + strings.Repeat("\u200d", 1000) + "b", "a" + strings.Repeat("\u200d", 8) + "[992 unseen characters]b", "a" + strings.Repeat("\u200d", 8) + "[992 unseen characters]b"},
		"accents":         {"z" + strings.Repeat("\u0301", 9), "z" + strings.Repeat("\u0301", 8) + "[1 unseen character]", "z" + strings.Repeat("\u0301", 8) + "[1 unseen character]"},
		"noncharacter":    {"a\uFFFEb", "a\uFFFDb", "a\uFFFDb"},
		"events":          {"x\r\nevent: bye\ndata: y", "x\nevent: bye\ndata: y", "x event: bye data: y"},
	}
	for name, tt := range tests {
		if got := view.Text(tt.in); got != tt.lines {
			t.Errorf("%s: Text(%q) = %q, want %q", name, tt.in, got, tt.lines)
		}
		if got := view.Line(tt.in); got != tt.line {
			t.Errorf("%s: Line(%q) = %q, want %q", name, tt.in, got, tt.line)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "\x1b[31mx", "\u202e", "\r\n", strings.Repeat("\u200d", 20), "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkInert(t, view.Text(s), true)
		checkInert(t, view.Line(s), false)
		if once, twice := view.Text(s), view.Text(view.Text(s)); once != twice {
			t.Errorf("Text(%q) = %q, and again %q", s, once, twice)
		}
	})
}

// checkInert fails if s holds anything that a browser or terminal would act upon.
func checkInert(t testing.TB, s string, lines bool) {
	t.Helper()
	for _, r := range s {
		if lines && (r == '\n' || r == '\t') {
			continue
		}
		if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == '\u2028' || r == '\u2029' {
			t.Fatalf("%U is left in %q", r, s)
		}
	}
}
