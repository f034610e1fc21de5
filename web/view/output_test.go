package view_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// withDetails is a step that printed s.
func withDetails(s string) view.Row {
	r := row(1, worklog.TypeToolCall, worklog.StatusSuccess, "step", 1, 0)
	r.Details, r.DetailsBytes = s, len(s)
	return r
}

// printed is what stands in the <pre> of an entry's page, with the classes of its parts in braces.
func printed(t testing.TB, s string) string {
	t.Helper()
	var b strings.Builder
	for _, tag := range preOf(t, withDetails(s)) {
		b.WriteString(tag)
	}
	return b.String()
}

// preOf is the content of a row's <pre>, in tokens. Anything but text and spans with classes of ours fails the test.
func preOf(t testing.TB, r view.Row) (tokens []string) {
	t.Helper()
	inside := false
	z := nethtml.NewTokenizer(strings.NewReader(html(t, view.EntryRow(r))))
	for z.Next() != nethtml.ErrorToken {
		token := z.Token()
		switch {
		case token.Data == "pre" && token.Type != nethtml.TextToken:
			inside = token.Type == nethtml.StartTagToken
		case !inside:
		case token.Type == nethtml.TextToken:
			checkInert(t, token.Data, true)
			tokens = append(tokens, token.Data)
		case token.Type == nethtml.EndTagToken && token.Data == "span":
			tokens = append(tokens, "}")
		case token.Type == nethtml.StartTagToken && token.Data == "span" && len(token.Attr) == 1 && token.Attr[0].Key == "class":
			for _, class := range strings.Fields(token.Attr[0].Val) {
				if !slices.Contains(view.PieceClasses(), class) {
					t.Fatalf("class %q is none of ours", class)
				}
			}
			tokens = append(tokens, token.Attr[0].Val+"{")
		default:
			t.Fatalf("%s in the output of %q", token, r.Details)
		}
	}
	return tokens
}

func TestColoursOfTerminalsAreShown(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                        "plain",
		"\x1b[31mred\x1b[0m plain":     "c2{red} plain",
		"\x1b[1;32mok\x1b[m":           "c3 ab{ok}",
		"\x1b[91mbright\x1b[39m":       "c2{bright}",
		"\x1b[90mgrey\x1b[0m":          "c1{grey}",
		"\x1b[37mwhite\x1b[30mblack":   "whiteblack",
		"\x1b[41mon red\x1b[49m":       "g2{on red}",
		"\x1b[32;41mgreen on red":      "g2{green on red}",
		"\x1b[7mswapped\x1b[27m":       "g1{swapped}",
		"\x1b[36;7mswapped":            "g7{swapped}",
		"\x1b[2mfaint\x1b[22m":         "c1{faint}",
		"\x1b[3;4;9mall\x1b[23;24;29m": "ai au as{all}",
		"\x1b[8mhidden\x1b[0m":         "hidden",
		"\x1b[38;5;196mx":              "c2{x}",
		"\x1b[38;5;46mx":               "c3{x}",
		"\x1b[38;5;21mx":               "c5{x}",
		"\x1b[38;5;244mx":              "c1{x}",
		"\x1b[38;2;255;165;0mx":        "c4{x}",
		"\x1b[38:2::0:255:255mx":       "c7{x}",
		"\x1b[48;2;200;0;200mx":        "g6{x}",
		"\x1b[38;5mx":                  "x",
		"\x1b[38;2;1mx":                "x",
		"\x1b[31ma\x1b[31mb":           "c2{ab}",
		"\x1b[31ma\nb\x1b[0mc":         "c2{a}\nc2{b}c",
		"\x1b[999mx":                   "x",
		"\x1b[31":                      "␛[31",
		"a\x1b[2J\x1b[10;5Hb":          "ab",
		"\x1b]0;title\ashell":          "shell",
		"\x1b]8;;https://e.example\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1b(Bx\x1b7y":                         "xy",
		"10%\r50%\r100%\ndone":                  "100%\ndone",
		"a\r\nb\r\nc":                           "a\nb\nc",
		"a\r\r\nb":                              "a\nb",
		"working\r":                             "working",
		"\x1b[33m1/9\x1b[0m\r\x1b[K\x1b[33m9/9": "c4{9/9}",
		"abc\x1b[2Kd":                           "d",
		"|\b/\b-\bok":                           "ok",
		"<b>\x1b[31m</span><script>":            "<b>c2{</span><script>}",
	} {
		if got := printed(t, in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

// Output is what strangers write: none of it may cost more than a few times its length. Runs alone, to count what it takes.
func TestHostileOutputCostsNoMoreThanItsLength(t *testing.T) {
	const n = 40_000
	for name, text := range map[string]string{
		"backspaces":                  strings.Repeat("a", n) + strings.Repeat("\b", n),
		"backspaces of runes":         strings.Repeat("é", n) + strings.Repeat("\b", n) + "x",
		"colours that change nothing": strings.Repeat("a\x1b[m", n), "colours that go and come": strings.Repeat("a\x1b[31mb\b\x1b[m", n),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		view.WriteScreen(text)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(100*len(text)) {
			t.Errorf("%s: %d KiB for %d KiB", name, took>>10, len(text)>>10)
		}
	}
}

func TestABackspaceTakesBackARune(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"aé\bx": "ax", "é\b\b\bx": "x", "a\nb\b\bc": "a\nc", "a\x1b[31m\bb": "c2{b}", "\x1b[31mab\b\x1b[mc": "c2{a}c"} {
		if got := printed(t, in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestOverwrittenStatesAreCounted(t *testing.T) {
	t.Parallel()
	got := find(t, view.EntryRow(withDetails("10%\r50%\r100%\ndone"))).text(".out .cap span")
	if got != "output, 2 lines, 2 overwritten" {
		t.Errorf("the label is %q", got)
	}
}

func TestADiffIsColouredAsFarAsItsHunksGo(t *testing.T) {
	t.Parallel()
	diff := "Changes:\n- not deleted\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@ func x\n a\n-b\n+<c>\n d\n\\ No newline at end of file\n- a list\n+ of signs"
	want := "Changes:\n- not deleted\ndm{diff --git a/x b/x}\ndm{--- a/x}\ndm{+++ b/x}\ndh{@@ -1,3 +1,3 @@ func x}\n a\ndd{-b}\nda{+<c>}\n d\n\\ No newline at end of file\n- a list\n+ of signs"
	if got := printed(t, diff); got != want {
		t.Errorf("shown as\n%s\nwant\n%s", got, want)
	}
	if label := find(t, view.EntryRow(withDetails(diff))).text(".out .cap span"); label != "diff, 13 lines" {
		t.Errorf("the label is %q", label)
	}
	for _, s := range []string{"- a\n+ b", "--- a\n+++ b", "@@ nothing @@", "@@ -x +y @@\n-a", "@@ -1 @@\n-a"} {
		if got := printed(t, s); got != s {
			t.Errorf("%q is no diff, and shown as %q", s, got)
		}
	}
}

func TestJSONIsLaidOut(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":1,"b":[1,2,3],"c":{"d":"x"}}`: "{\n  jk{\"a\"}: jn{1},\n  jk{\"b\"}: [jn{1}, jn{2}, jn{3}],\n  jk{\"c\"}: {jk{\"d\"}: js{\"x\"}}\n}",
		`[]`:                                "[]",
		`{"n":12345678901234567890.10}`:     "{jk{\"n\"}: jn{12345678901234567890.10}}",
		`{"s":"<b>\n\u001b[31m"}`:           "{\n  jk{\"s\"}: js{\"<b>\\n\\u001b[31m\"}\n}",
		`{"a":1}x`:                          `{"a":1}x`,
		`{"a":}`:                            `{"a":}`,
		`{'a':1}`:                           `{'a':1}`,
		`{"a" 1}`:                           `{"a" 1}`,
		`[1,]`:                              `[1,]`,
		`{"a":1`:                            `{"a":1`,
		`[info] started`:                    `[info] started`,
		`{a}`:                               `{a}`,
	} {
		if got := printed(t, in); got != want {
			t.Errorf("%s is shown as\n%s\nwant\n%s", in, got, want)
		}
	}
	r := withDetails(`{"list":[{"a":"` + strings.Repeat("x", 20))
	r.DetailsBytes = 9000
	if got := strings.Join(preOf(t, r), ""); got != "{\n  jk{\"list\"}: [\n    {\n      jk{\"a\"}: js{\"xxxxxxxxxxxxxxxxxxxx}" {
		t.Errorf("the beginning of JSON is shown as\n%s", got)
	}
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	if got := printed(t, deep); got != deep {
		t.Errorf("deep JSON is laid out: %.80s", got)
	}
}

func TestALongOutputUnfoldsInTwoSteps(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	doc := find(t, view.EntryRow(withDetails(b.String())))
	if head, rest := doc.text(".out > pre"), doc.text(".out .rest pre"); !strings.HasSuffix(head, "line 119") || !strings.HasPrefix(rest, "line 120") || !strings.HasSuffix(rest, "line 499") {
		t.Errorf("shown: …%q, hidden: %q…", head[len(head)-20:], rest[:20])
	}
	if got := doc.text(".rest summary"); got != "Show all 500 lines" {
		t.Errorf("the rest is announced as %q", got)
	}
	if doc := find(t, view.EntryRow(withDetails(strings.Repeat("x\n", 130)))); len(doc.all(".rest")) != 0 {
		t.Error("ten more lines are hidden")
	}
}

func TestWhoAsksForAllOfAnOutputGetsItAtOnce(t *testing.T) {
	t.Parallel()
	r := withDetails(strings.Repeat("x\n", 500))
	r.Unfolded = true
	if doc := find(t, view.EntryRow(r)); len(doc.all(".rest")) != 0 || strings.Count(doc.text(".out pre"), "x") != 500 {
		t.Error("a part is folded")
	}
}

func TestARowSaysWhatWasRedacted(t *testing.T) {
	t.Parallel()
	r := withDetails("token=[redacted: token]")
	r.Redacted = 2
	if got := find(t, view.EntryRow(r)).text(".word[title^='What looks like']"); got != "2 redacted" {
		t.Errorf("the row says %q", got)
	}
}

// outputs are pieces of which programs' output is made, and of which it should not be.
func outputs() []string {
	return append(hostile(), "\x1b[31m", "\x1b[0m", "\x1b[38;5;", "m", "\x1b[1", "\r", "\n", "\b", "\x1b[K", "\x1b]", "\a", "@@ -1,2 +1,2 @@\n", "-a\n", "+b\n", " c\n", "diff --git a b\n", "--- a\n", "+++ b\n",
		`{"a":`, `"`, `\`, "[", "]", "{", "}", ",", ":", "1e5", "null", "\u200d", "\u202e", "é", "\x9b", "\u009b31m", "\xff")
}

func TestOutputIsNothingButTextAndOurClasses(t *testing.T) {
	t.Parallel()
	parts := outputs()
	rapid.Check(t, func(rt *rapid.T) {
		s := strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(parts), rapid.String()), 1, 20).Draw(rt, "parts"), "")
		r := withDetails("." + s)
		r.DetailsBytes += rapid.IntRange(0, 1).Draw(rt, "cut")
		preOf(t, r)
		r.Details = s
		preOf(t, r)
	})
}

func FuzzOutput(f *testing.F) {
	for _, s := range outputs() {
		f.Add(s, false)
	}
	f.Add("\x1b[31mred\x1b[0m\r\x1b[2K10%\r20%\n", false)
	f.Add(`{"a":[1,{"b":"\u0041"}],"c":nul`, true)
	f.Add("--- a\n+++ b\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n", false)
	f.Fuzz(func(t *testing.T, s string, cut bool) {
		r := withDetails(s)
		if cut {
			r.DetailsBytes++
		}
		preOf(t, r)
	})
}
