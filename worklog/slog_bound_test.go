package worklog_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// logged is what arrives of one record, which must be one that the server takes.
func logged(t *testing.T, what string, log func(*slog.Logger)) worklog.Draft {
	t.Helper()
	var got []worklog.Draft
	log(slog.New(worklog.NewHandler(recorder(&got).client(), worklog.HandlerOptions{})))
	if len(got) != 1 {
		t.Errorf("%s: %d records arrived", what, len(got))
		return worklog.Draft{}
	}
	d := got[0]
	d.Normalize()
	if err := d.Validate(time.Now()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return d
}

func TestARecordWithoutWordsIsCalledByItsLevel(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"", "  ", "\n", "\t\u00a0\u2003"} {
		if d := logged(t, message, func(l *slog.Logger) { l.Warn(message, "a", 1) }); d.Title != "WARN" || len(d.Metadata) != 1 {
			t.Errorf("%q became %q with %v", message, d.Title, d.Metadata)
		}
	}
	for message, title := range map[string]string{
		" x\n": "x", strings.Repeat(" ", 3000) + "late": "late", strings.Repeat("\x80", 3000): "\uFFFD", "\x00": "\uFFFD",
	} {
		if d := logged(t, message, func(l *slog.Logger) { l.Info(message) }); d.Title != title {
			t.Errorf("%.20q became %q, want %q", message, d.Title, title)
		}
	}
}

type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestARecordThatIsTooMuchArrivesInPart(t *testing.T) {
	t.Parallel()
	many := make([]any, 0, 3000)
	for i := range 1500 {
		many = append(many, fmt.Sprintf("key %04d", i), i)
	}
	deep := func(l *slog.Logger) *slog.Logger {
		for i := range 40 {
			l = l.WithGroup(fmt.Sprintf("g%d", i))
		}
		return l
	}
	for what, log := range map[string]func(*slog.Logger){
		"one large text":   func(l *slog.Logger) { l.Info("x", "small", "kept", "large", strings.Repeat("é", 100_000)) },
		"many large texts": func(l *slog.Logger) { l.Info("x", append([]any{"small", "kept"}, large(300)...)...) },
		"escapes":          func(l *slog.Logger) { l.Info("x", "small", "kept", "large", strings.Repeat("\x01", 60_000)) },
		"a large struct":   func(l *slog.Logger) { l.Info("x", "small", "kept", "large", make([]int, 100_000)) },
		"in a group": func(l *slog.Logger) {
			l.WithGroup("g").Info("x", "small", "kept", "large", strings.Repeat("x", 100_000))
		},
		"many keys":       func(l *slog.Logger) { l.Info("x", append([]any{"a small one", "kept"}, many...)...) },
		"keys of a group": func(l *slog.Logger) { l.WithGroup("g").Info("x", append([]any{"a small one", "kept"}, many...)...) },
		"a long key":      func(l *slog.Logger) { l.Info("x", "small", "kept", strings.Repeat("k", 100_000), 1) },
		"a tiny number":   func(l *slog.Logger) { l.Info("x", "small", "kept", "number", 5e-324) },
		"a huge number":   func(l *slog.Logger) { l.Info("x", "small", "kept", "number", raw("1e400")) },
		"nested": func(l *slog.Logger) {
			l.Info("x", "small", "kept", "deep", raw(strings.Repeat("[", 50)+strings.Repeat("]", 50)))
		},
		"groups in groups": func(l *slog.Logger) { l.Info("x", "small", "kept", nest(slog.Int("a", 1), 60)) },
		"groups":           func(l *slog.Logger) { deep(l.With("small", "kept")).Info("x", "a", 1) },
	} {
		d := logged(t, what, log)
		text, err := json.Marshal(d.Metadata)
		if err != nil || !strings.Contains(string(text), `small`) || !strings.Contains(string(text), `"kept"`) {
			t.Errorf("%s: lost is %.200s, %v", what, text, err)
		}
		if note, _ := d.Metadata["!CUT"].(string); !strings.Contains(note, "cut") {
			t.Errorf("%s: nothing says that it was cut: %.200s", what, text)
		}
	}
	if d := logged(t, "what fits", func(l *slog.Logger) { l.Info("x", "a", strings.Repeat("x", 65_000)) }); len(d.Metadata) != 1 || len(d.Metadata["a"].(string)) != 65_000 {
		t.Errorf("what fits was cut: %d keys", len(d.Metadata))
	}
}

func nest(a slog.Attr, n int) slog.Attr {
	for range n {
		a = slog.Group("g", a)
	}
	return a
}

// large is n attributes of a kilobyte each.
func large(n int) (attrs []any) {
	for i := range n {
		attrs = append(attrs, fmt.Sprintf("large %d", i), strings.Repeat("x", 1024))
	}
	return attrs
}
