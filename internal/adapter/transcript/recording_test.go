package transcript

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// recorded says what a page shows of each recording. The figures of calls and errors are those of the recordings' manifest.
func recorded() map[string]figures {
	return map[string]figures{
		"session-1284c080-full.jsonl":       {Rows: 452, Steps: 248, Completed: 248, Errors: 15},
		"session-1284c080-prefix.jsonl":     {Rows: 29, Steps: 16, Completed: 16, Errors: 1},
		"session-7505c804-full.jsonl":       {Rows: 147, Steps: 94, Completed: 94, Errors: 5},
		"session-7505c804-prefix.jsonl":     {Rows: 90, Steps: 59, Completed: 59, Errors: 3},
		"session-a2b25ca9-glued-line.jsonl": {Rows: 98, Steps: 56, Completed: 56, Errors: 1},
	}
}

func TestRecordedSessionsAreShownWhole(t *testing.T) {
	t.Parallel()
	for _, path := range recordings(t, "claude-code/*.jsonl") {
		name := filepath.Base(path)
		raw := read(t, path)
		if f := Detect(raw[:min(len(raw), 64<<10)]); f != ClaudeCode {
			t.Errorf("%s was taken for %q", name, f)
		}
		begin := time.Now()
		r := parse(t, New(ClaudeCode, Options{Now: now()}), raw)
		t.Logf("%s: %+v in %v, skipped %v", name, r.figures(), time.Since(begin).Round(time.Millisecond), r.skipped)
		if want, ok := recorded()[name]; ok && r.figures() != want {
			t.Errorf("%s: %+v, want %+v", name, r.figures(), want)
		}
		glued := 0
		if strings.Contains(name, "glued") {
			glued = 1
		}
		if len(r.damaged) != 0 || len(r.mended) != glued || len(r.rows) != len(r.byKey()) {
			t.Errorf("%s: damaged %v, mended %v, %d drafts for %d keys", name, r.damaged, r.mended, len(r.rows), len(r.byKey()))
		}
	}
}

func TestALongerFileOfTheSameSessionOnlyAddsRows(t *testing.T) {
	t.Parallel()
	for _, path := range append(recordings(t, "claude-code/*-prefix.jsonl"), recordings(t, "gemini-cli/*-prefix.json")...) {
		raw := read(t, path)
		before := parse(t, New(Detect(raw), Options{Now: now()}), raw).rows
		after := parse(t, New(Detect(raw), Options{Now: now()}), read(t, strings.Replace(path, "-prefix", "-full", 1))).rows
		if len(after) <= len(before) {
			t.Fatalf("%s: %d rows, then %d", path, len(before), len(after))
		}
		for i := range before {
			if !reflect.DeepEqual(before[i], after[i]) {
				t.Errorf("row %d of %s was\n%+v and is\n%+v", i, filepath.Base(path), before[i], after[i])
			}
		}
	}
}

func TestDamageAnywhereCostsOneLine(t *testing.T) {
	t.Parallel()
	for _, path := range recordings(t, "claude-code/session-7505c804-prefix.jsonl") {
		raw := read(t, path)
		whole := parse(t, New(ClaudeCode, Options{Now: now()}), raw)
		lines := bytes.SplitAfter(raw, []byte("\n"))
		for i := 4; i < len(lines)-1; i += 80 {
			torn := bytes.Join(append(append([][]byte{}, lines[:i]...), append([][]byte{append(lines[i][:len(lines[i])/2:len(lines[i])/2], '\n')}, lines[i+1:]...)...), nil)
			r := parse(t, New(ClaudeCode, Options{Now: now()}), torn)
			if len(r.damaged) != 1 || r.damaged[i+1] == "" || len(r.byKey()) < len(whole.byKey())-1 {
				t.Errorf("line %d: damaged %v, %d of %d rows", i+1, r.damaged, len(r.byKey()), len(whole.byKey()))
			}
		}
	}
}

func BenchmarkClaudeTranscript(b *testing.B) {
	for _, path := range recordings(b, "claude-code/session-1284c080-full.jsonl") {
		raw := read(b, path)
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			p := New(ClaudeCode, Options{Now: now()})
			for line := range bytes.Lines(raw) {
				if _, err := p.Line(line); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
