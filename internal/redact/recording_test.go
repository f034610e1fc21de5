package redact_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/redact"
)

// Recordings of real agents, where they are, were published with their secrets replaced. What is found in them is looked
// at: run with -v.
func TestRecordingsStayReadable(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../../../shared/recordings/*/*")
	r := redact.New()
	var bytes, lines, hits int
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(f)
		s.Buffer(nil, 64<<20)
		for n := 1; s.Scan(); n++ {
			line := s.Text()
			bytes, lines = bytes+len(line), lines+1
			out, found := r.Text(line)
			if found == 0 {
				continue
			}
			hits += found
			t.Logf("%s:%d: %s", filepath.Base(file), n, around(line, out))
		}
		_ = f.Close()
	}
	t.Logf("%d marks in %d lines, %d bytes", hits, lines, bytes)
	if lines > 0 && hits*1000 > lines {
		t.Errorf("%d marks in %d lines: more than one in a thousand", hits, lines)
	}
}

// around is the part of the line that was replaced, with something before and after it.
func around(line, out string) string {
	i := strings.Index(out, redact.Mark)
	return strings.ToValidUTF8(line[max(0, i-40):min(len(line), i+60)], "?") + "  =>  " + strings.ToValidUTF8(out[max(0, i-20):min(len(out), i+40)], "?")
}
