package transcript

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// now is when the tests read their files: long after they were written.
func now() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// result is what a parser made of a file.
type result struct {
	rows    []Row
	damaged map[int]string // by line
	mended  map[int]string
	skipped map[string]int
	err     error
}

// parse reads a whole file and holds every draft to the rules of drafts.
func parse(t testing.TB, p Parser, text []byte) result {
	t.Helper()
	res := result{damaged: map[int]string{}, mended: map[int]string{}}
	r := bufio.NewReaderSize(bytes.NewReader(text), 64<<10)
	for n := 1; ; n++ {
		raw, err := r.ReadBytes('\n')
		if len(raw) > 0 {
			rows, mistake := p.Line(raw)
			res.rows = append(res.rows, rows...)
			if repaired, ok := errors.AsType[Repaired](mistake); ok {
				res.mended[n] = repaired.Reason
			} else if mistake != nil {
				res.damaged[n] = mistake.Error()
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
	}
	rest, err := p.Close()
	res.rows, res.err, res.skipped = append(res.rows, rest...), err, p.Skipped()
	for _, row := range res.rows {
		d := row.Draft
		d.Normalize()
		if err := d.Validate(now()); err != nil || d.Key == "" || d.Conversation == "" || d.Source == "" {
			t.Errorf("line %d: %v: %+v", row.Line, err, d)
		}
	}
	return res
}

// byKey returns the last draft of every key.
func (r result) byKey() map[string]worklog.Draft {
	all := map[string]worklog.Draft{}
	for _, row := range r.rows {
		all[row.Draft.Key] = row.Draft
	}
	return all
}

// figures are what a page shows of a file.
type figures struct{ Rows, Steps, Completed, Errors, Running, Nested int }

func (r result) figures() (f figures) {
	for _, d := range r.byKey() {
		f.Rows++
		if d.StartedAt != nil {
			f.Steps++
			if d.EndedAt != nil {
				f.Completed++
			}
		}
		switch d.Status {
		case worklog.StatusError:
			f.Errors++
		case worklog.StatusWorking:
			f.Running++
		}
		if d.Parent != "" {
			f.Nested++
		}
	}
	return f
}

// recordings are the real files beside the checkout, where there are any.
func recordings(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "shared", "recordings", pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Logf("THE RECORDINGS ARE NOT HERE: nothing was checked against %s", pattern)
	}
	return paths
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
