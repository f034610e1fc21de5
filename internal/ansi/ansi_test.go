package ansi_test

import (
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/ansi"
)

func TestSequencesAreFoundWhole(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind ansi.Kind
		n    int
	}{
		"":                                      {ansi.None, 0},
		"x":                                     {ansi.None, 0},
		"\x1b":                                  {ansi.None, 0},
		"\x1b[":                                 {ansi.None, 0},
		"\x1b[31mx":                             {ansi.CSI, 5},
		"\x1b[mx":                               {ansi.CSI, 3},
		"\x1b[38;2;1;2;3mx":                     {ansi.CSI, 13},
		"\x1b[?25lx":                            {ansi.CSI, 6},
		"\x1b[\nm":                              {ansi.None, 0},
		"\x1b[é":                                {ansi.None, 0},
		"\x1b[" + strings.Repeat("1", 80) + "m": {ansi.None, 0},
		"\x1b]0;title\ax":                       {ansi.Payload, 10},
		"\x1b]8;;http://a\x1b\\x":               {ansi.Payload, 15},
		"\x1bPq#0\x1b\\":                        {ansi.Payload, 7},
		"\x1b]0;title":                          {ansi.None, 0},
		"\x1b]0;ti\ntle\a":                      {ansi.None, 0},
		"\x1b]0;ti\x1b[31mtle\a":                {ansi.None, 0},
		"\x1b(Bx":                               {ansi.Short, 3},
		"\x1b7x":                                {ansi.Short, 2},
		"\x1b(":                                 {ansi.None, 0},
		"\x1b\x00":                              {ansi.None, 0},
	}
	for in, want := range tests {
		if kind, n := ansi.Sequence(in); kind != want.kind || n != want.n {
			t.Errorf("Sequence(%q) = %v, %d, want %v, %d", in, kind, n, want.kind, want.n)
		}
	}
}

func TestTextOfAPayload(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"\x1b]0;title\a": "0;title", "\x1b]8;;http://a\x1b\\": "8;;http://a", "\x1b]\a": "", "\x1bP\x1b\\": ""} {
		if got := ansi.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzSequence(f *testing.F) {
	for _, s := range []string{"\x1b[31m", "\x1b]8;;x\a", "\x1bPq\x1b\\", "\x1b(B", "\x1b[\x1b]", "\x1b]\x1b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kind, n := ansi.Sequence(s)
		if (kind == ansi.None) != (n == 0) || n > len(s) {
			t.Fatalf("Sequence(%q) = %v, %d", s, kind, n)
		}
		if n == 0 {
			return
		}
		if again, m := ansi.Sequence(s[:n]); again != kind || m != n {
			t.Errorf("%q alone is %v, %d", s[:n], again, m)
		}
		if kind == ansi.Payload && strings.ContainsAny(ansi.Text(s[:n]), "\x1b\n\r\a") {
			t.Errorf("the payload of %q goes too far", s[:n])
		}
	})
}
