package replay

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func readFile(t *testing.T, path string) []Beat {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	beats, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return beats
}

func TestEveryRecordedEventIsAValidDraft(t *testing.T) {
	t.Parallel()
	for _, path := range recordings(t) {
		for i, b := range readFile(t, path) {
			b.Draft.Normalize()
			if err := b.Draft.Validate(time.Now()); err != nil {
				t.Errorf("%s: line %d: %v", path, i+1, err)
			}
		}
	}
}

func TestRecordedToolsStartAsRunningStepsAndComplete(t *testing.T) {
	t.Parallel()
	for _, path := range recordings(t) {
		last := map[string]worklog.Status{}
		before := time.Duration(0)
		for i, b := range readFile(t, path) {
			if b.At < before {
				t.Errorf("%s: line %d comes before the one above it", path, i+1)
			}
			before = b.At
			if b.Draft.Tool == "" {
				continue
			}
			if _, known := last[b.Draft.Key]; known == (b.Draft.Status == worklog.StatusWorking) {
				t.Errorf("%s: line %d: status %q of step %s", path, i+1, b.Draft.Status, b.Draft.Key)
			}
			last[b.Draft.Key] = b.Draft.Status
		}
		for key, status := range last {
			if status == worklog.StatusWorking {
				t.Errorf("%s: %s never completes", path, key)
			}
		}
	}
}

func TestToolTakesAsLongAsItDid(t *testing.T) {
	t.Parallel()
	lines := `{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Bash","tool_use_id":"1","tool_input":{"command":"make\nmake test"}}
{"hook_event_name":"PostToolUse","session_id":"s","tool_name":"Bash","tool_use_id":"1","tool_input":{"command":"make\nmake test"},"duration_ms":7000,"tool_response":{"stdout":"done"}}
{"hook_event_name":"Stop","session_id":"s"}`
	beats, err := Read(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	if len(beats) != 3 || beats[0].At != 0 || beats[1].At != 7*time.Second || beats[2].At != 9*time.Second {
		t.Fatalf("got %+v", beats)
	}
	if d := beats[1].Draft; d.Title != "Bash: make" || d.Details != "done" || d.Key != beats[0].Draft.Key {
		t.Errorf("got %+v", d)
	}
}

func TestUnknownEventsAreNamed(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{`{"hook_event_name":"Dance"}`, `{`} {
		if _, err := Read(strings.NewReader(lines)); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Errorf("%s: %v", lines, err)
		}
	}
}
