package redact_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/worklogdev/worklog/internal/redact"
)

// pieces is what texts are put together from, to bring what the scanner looks for next to each other.
func pieces() []string {
	list := []string{"\x1b[31m", "\x1b]0;", "\a", "\x1b\\", "\n", " ", "\"", "\\\"", "'", "`", "=", ":", "://", "@", "/", ".", "-----", "BEGIN PRIVATE KEY", "END PRIVATE KEY", "…", "\n[cut here: ", "é", "\u200b", "\xff", redact.Mark, "]", "hunter2", "--", "$", "{", "("}
	for _, name := range []string{"password", "token", "api_key", "secret", "Authorization", "Bearer", "Basic", "Cookie", "AccountKey", "x-amz-signature"} {
		list = append(list, name, name+"=", name+": ", `"`+name+`":"`)
	}
	for key := range keys() {
		list = append(list, key, key[:len(key)/2])
	}
	return append(list, awkward()...)
}

// check holds for every text: the same again changes nothing, and what was not replaced is what was there, in order.
func check(t interface{ Fatalf(string, ...any) }, r *redact.Redactor, s string) {
	got, n := r.Text(s)
	if n == 0 && got != s {
		t.Fatalf("%q changed to %q and nothing was found", s, got)
	}
	if again, m := r.Text(got); again != got {
		t.Fatalf("%q became %q (%d), and then %q (%d)", s, got, n, again, m)
	}
	rest := s
	for i, part := range strings.Split(got, redact.Mark) {
		if i > 0 && strings.Count(s, redact.Mark) == 0 {
			_, part, _ = strings.Cut(part, "]")
		}
		if strings.Count(s, redact.Mark) > 0 {
			return
		}
		at := strings.Index(rest, part)
		if at < 0 {
			t.Fatalf("%q became %q, which has %q in another place", s, got, part)
		}
		rest = rest[at+len(part):]
	}
}

func TestRedactingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	r := redact.New()
	all := pieces()
	rapid.Check(t, func(rt *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(all), rapid.String()), 0, 12).Draw(rt, "parts")
		check(rt, r, strings.Join(parts, ""))
	})
}

func FuzzText(f *testing.F) {
	for _, s := range pieces() {
		f.Add(s)
	}
	for key := range keys() {
		f.Add("x=" + key + "\x1b[0m\nAuthorization: Bearer " + key + "\nhttps://a:" + key + "@b")
	}
	r := redact.New()
	f.Fuzz(func(t *testing.T, s string) { check(t, r, s) })
}
