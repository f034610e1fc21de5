package api_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// figures are what a reader sees of a recording: all rows, those that are calls of tools, those of which it is known when
// they began and ended, those that failed, run or stand under another, and their conversations.
type figures struct{ Rows, Calls, Completed, Errors, Running, Nested, Conversations int }

func figuresOf(all map[string]worklog.Entry) (f figures) {
	conversations := map[string]bool{}
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	for _, e := range all {
		conversations[e.ConversationID] = true
		f.Rows++
		count(&f.Calls, e.Tool != "")
		count(&f.Completed, !e.StartedAt.IsZero() && !e.EndedAt.IsZero())
		count(&f.Errors, e.Status == worklog.StatusError)
		count(&f.Running, e.Status == worklog.StatusWorking)
		count(&f.Nested, e.Parent != "")
	}
	f.Conversations = len(conversations)
	return f
}

// recorder is how a recording comes in, and what is shown of it.
type recorder struct {
	door string
	want figures
}

// recorded says how each recording comes in and what is shown of it. It is long because it is one table.
func recorded() map[string]recorder {
	return map[string]recorder{
		"testdata/recordings/claude.jsonl":                    {"file", figures{Rows: 7, Calls: 3, Completed: 4, Errors: 1, Nested: 3, Conversations: 1}},
		"testdata/recordings/hooks.jsonl":                     {"hooks", figures{Rows: 6, Calls: 3, Completed: 4, Errors: 1, Nested: 1, Conversations: 1}},
		"testdata/recordings/logs.jsonl":                      {"logs", figures{Rows: 4, Calls: 2, Completed: 1, Errors: 1, Conversations: 1}},
		"testdata/recordings/spans.json":                      {"traces", figures{Rows: 3, Calls: 1, Completed: 3, Errors: 1, Nested: 2, Conversations: 1}},
		"testdata/recordings/rollout.jsonl":                   {"file", figures{Rows: 6, Calls: 3, Completed: 3, Errors: 1, Nested: 5, Conversations: 1}},
		"testdata/recordings/events.jsonl":                    {"file", figures{Rows: 5, Calls: 2, Errors: 2, Conversations: 1}},
		"testdata/recordings/chat.jsonl":                      {"file", figures{Rows: 5, Calls: 2, Completed: 2, Errors: 1, Conversations: 1}},
		"claude-code-hooks/session-7505c804-full.hooks.jsonl": {"hooks", figures{Rows: 99, Calls: 94, Completed: 94, Errors: 5, Conversations: 1}},
		"claude-code/session-1284c080-full.jsonl":             {"file", figures{Rows: 452, Calls: 249, Completed: 248, Errors: 15, Conversations: 1}},
		"claude-code/session-1284c080-prefix.jsonl":           {"file", figures{Rows: 29, Calls: 16, Completed: 16, Errors: 1, Conversations: 1}},
		"claude-code/session-7505c804-full.jsonl":             {"file", figures{Rows: 147, Calls: 94, Completed: 94, Errors: 5, Conversations: 1}},
		"claude-code/session-7505c804-prefix.jsonl":           {"file", figures{Rows: 90, Calls: 59, Completed: 59, Errors: 3, Conversations: 1}},
		"claude-code/session-a2b25ca9-glued-line.jsonl":       {"file", figures{Rows: 98, Calls: 56, Completed: 56, Errors: 1, Conversations: 1}},
		"codex-rollout/rollout-1111.jsonl":                    {"file", figures{Rows: 5, Calls: 3, Completed: 3, Conversations: 1}},
		"codex-tui-log/binary-size-log.jsonl":                 {"file", figures{Rows: 40, Calls: 36, Completed: 32, Errors: 4, Nested: 4, Conversations: 2}},
		"gemini-cli/session-f7633853-full.json":               {"file", figures{Rows: 21, Calls: 9, Completed: 9, Conversations: 1}},
		"gemini-cli/session-f7633853-prefix.json":             {"file", figures{Rows: 11, Calls: 4, Completed: 4, Conversations: 1}},
		"otlp-logs/session-7505c804-full.otlp-logs.jsonl":     {"logs", figures{Rows: 145, Calls: 94, Completed: 94, Errors: 5, Conversations: 1}},
		"otlp-spec-examples/logs.json":                        {"logs", figures{Rows: 1, Conversations: 1}},
		"otlp-spec-examples/trace.json":                       {"traces", figures{}},
		"otlp-traces/helm.otlp.json":                          {"traces", figures{Rows: 4, Calls: 1, Completed: 4, Nested: 3, Conversations: 1}},
		"otlp-traces/k8s.otlp.json":                           {"traces", figures{Rows: 2, Completed: 2, Nested: 1, Conversations: 1}},
	}
}

// foreign are the recordings of formats that have no door: whoever wants them writes NDJSON.
func foreign(path string) bool {
	folder, _, _ := strings.Cut(path, "/")
	return slices.Contains([]string{"aider", "openhands", "pi-coding-agent", "swe-agent"}, folder) || strings.HasSuffix(path, ".orig.json")
}

// whole reports whether a recording's manifest counts what its format shows: others have spans of other things, and
// calls that are no commands.
func whole(path string) bool {
	folder, _, _ := strings.Cut(path, "/")
	return slices.Contains([]string{"claude-code", "claude-code-hooks", "otlp-logs"}, folder)
}

// replay brings a recording in.
func (s *server) replay(token, door, path string) {
	s.t.Helper()
	raw := recording(s.t, path)
	if own, err := os.ReadFile(path); err == nil {
		raw = own
	}
	if door == "file" {
		s.importFile(raw, token)
		return
	}
	bodies := [][]byte{raw}
	if strings.HasSuffix(path, ".jsonl") { // a line is a request
		bodies = bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	}
	for _, body := range bodies {
		if s.clock.advance(time.Minute); door == "hooks" { // no limit is in its way
			s.post(token, string(body))
		} else {
			s.export("/v1/"+door, token, string(body))
		}
	}
}

// manifest is what the recordings' own list says of each: how many errors and calls of tools are in it. Without
// recordings there are only those of our own.
func manifest(t *testing.T) map[string][2]int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "recordings", "MANIFEST.tsv"))
	if os.IsNotExist(err) {
		t.Logf("THE RECORDINGS ARE NOT HERE: of %d sessions only those of testdata were checked", len(recorded()))
	} else if err != nil {
		t.Fatal(err)
	}
	all := map[string][2]int{}
	own, err := filepath.Glob("testdata/recordings/*")
	if err != nil || len(own) == 0 {
		t.Fatalf("no recordings of our own: %v", err)
	}
	for _, path := range own {
		all[path] = [2]int{}
	}
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 || len(f) < 10 {
			continue
		}
		bad, _ := strconv.Atoi(f[8]) // not everywhere a number
		calls, _ := strconv.Atoi(f[9])
		all[f[0]] = [2]int{bad, calls}
	}
	return all
}

// Every recording, and of each format a small one of our own, comes in through its door and is shown whole; the second time it changes nothing.
func TestEachRecordingHasTheRowsThatItShould(t *testing.T) {
	t.Parallel()
	listed, known := manifest(t), recorded()
	for path := range known {
		if _, there := listed[path]; !there && len(listed) > len(known) { // all of them or none are here
			t.Errorf("%s is not in the manifest", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(listed)) {
		if foreign(path) {
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c, there := known[path]
			if !there {
				t.Fatal("nobody has said what it should show")
			}
			s := newServerWithLimit(t, 100_000)
			token := s.user("a@x.test")
			for range 2 {
				s.replay(token, c.door, path)
				got := figuresOf(s.byKey(token))
				if got != c.want {
					t.Errorf("%+v, want %+v", got, c.want)
				}
				if said := [2]int{got.Errors, got.Completed}; whole(path) && said != listed[path] {
					t.Errorf("%v errors and calls, the manifest says %v", said, listed[path])
				}
				if c.door == "hooks" { // an agent tells of nothing twice
					return
				}
			}
		})
	}
}
