package change_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/worklog"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func running() worklog.Entry {
	return worklog.Entry{ID: "1", Title: "run", Type: worklog.TypeToolCall, Status: worklog.StatusWorking, StartedAt: start, LoggedAt: start}
}

func ended(s worklog.Status) worklog.Entry {
	e := running()
	e.Status, e.EndedAt = s, start.Add(time.Second)
	return e
}

func TestApply(t *testing.T) {
	t.Parallel()
	later := start.Add(time.Minute)
	for _, c := range []struct {
		name     string
		entry    worklog.Entry
		inferred bool
		facts    change.Facts
		changed  bool
		check    func(e worklog.Entry, inferred bool) bool
	}{
		{"a running step ends at the draft's time", running(), false, change.Facts{Status: worklog.StatusSuccess, LoggedAt: later}, true,
			func(e worklog.Entry, _ bool) bool { return e.Status == worklog.StatusSuccess && e.EndedAt.Equal(later) }},
		{"a reported end time wins over the draft's", running(), false, change.Facts{Status: worklog.StatusError, LoggedAt: later, EndedAt: start.Add(3)}, true,
			func(e worklog.Entry, _ bool) bool { return e.EndedAt.Equal(start.Add(3)) }},
		{"a running step takes a new title", running(), false, change.Facts{Status: worklog.StatusWorking, Title: "run 2"}, true,
			func(e worklog.Entry, _ bool) bool { return e.Title == "run 2" }},
		{"the same facts change nothing", running(), false, change.Facts{Status: worklog.StatusWorking, Title: "run", StartedAt: later}, false, nil},
		{"a final status stays", ended(worklog.StatusError), false, change.Facts{Status: worklog.StatusSuccess, LoggedAt: later}, false,
			func(e worklog.Entry, _ bool) bool { return e.Status == worklog.StatusError }},
		{"a late start does not reopen", ended(worklog.StatusSuccess), false, change.Facts{Status: worklog.StatusWorking, Title: "other"}, false,
			func(e worklog.Entry, _ bool) bool { return e.Title == "run" }},
		{"an inferred end yields to a reported one", ended(worklog.StatusWarning), true, change.Facts{Status: worklog.StatusSuccess, LoggedAt: later}, true,
			func(e worklog.Entry, i bool) bool {
				return e.Status == worklog.StatusSuccess && !i && e.EndedAt.Equal(later)
			}},
		{"an inferred end does not yield to another inferred one", ended(worklog.StatusWarning), true, change.Facts{Status: worklog.StatusSuccess, Inferred: true}, false,
			func(e worklog.Entry, i bool) bool { return e.Status == worklog.StatusWarning && i }},
		{"the longest details win after the end", ended(worklog.StatusSuccess), false, change.Facts{Details: "long"}, true,
			func(e worklog.Entry, _ bool) bool { return e.Details == "long" }},
		{"late facts fill in the tool", ended(worklog.StatusSuccess), false, change.Facts{Tool: "Bash", Source: "hook"}, true,
			func(e worklog.Entry, _ bool) bool { return e.Tool == "Bash" && e.Source == "hook" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, inferred := c.entry, c.inferred
			if got := change.Apply(&e, &inferred, c.facts); got != c.changed {
				t.Errorf("changed %v", got)
			}
			if c.check != nil && !c.check(e, inferred) {
				t.Errorf("entry %+v inferred %v", e, inferred)
			}
		})
	}
}

func TestExistingMetadataWinsAfterTheEndAndYieldsBefore(t *testing.T) {
	t.Parallel()
	late := change.Facts{Metadata: worklog.Metadata{"a": "new", "b": 2}}
	for status, want := range map[worklog.Status]string{worklog.StatusWorking: "map[a:new b:2]", worklog.StatusSuccess: "map[a:old b:2]"} {
		e := ended(status)
		e.Metadata = worklog.Metadata{"a": "old"}
		var inferred bool
		if !change.Apply(&e, &inferred, late) || fmt.Sprint(map[string]any(e.Metadata)) != want {
			t.Errorf("%s: %v", status, e.Metadata)
		}
	}
}

func TestMetadataNeverGrowsBeyondItsBounds(t *testing.T) {
	t.Parallel()
	e := ended(worklog.StatusSuccess)
	e.Metadata = worklog.Metadata{"a": strings.Repeat("x", 40_000)}
	var inferred bool
	if change.Apply(&e, &inferred, change.Facts{Metadata: worklog.Metadata{"b": strings.Repeat("y", 40_000)}}) || len(e.Metadata) != 1 {
		t.Errorf("%d keys", len(e.Metadata))
	}
}

func TestNumbersAreEqualWhateverGoTypeHoldsThem(t *testing.T) {
	t.Parallel()
	e := ended(worklog.StatusSuccess)
	e.Metadata = worklog.Metadata{"n": json.Number("3")}
	var inferred bool
	if change.Apply(&e, &inferred, change.Facts{Metadata: worklog.Metadata{"n": 3}}) {
		t.Error("a number changed into itself")
	}
}

// Whatever arrives in whatever order, an ended step never runs again and applying the same facts twice changes nothing more.
func TestApplyIsIdempotentAndEndsAreFinal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := running()
		var inferred bool
		for range rapid.IntRange(1, 6).Draw(t, "drafts") {
			f := change.Facts{
				Status: rapid.SampledFrom(append(worklog.Statuses(), "")).Draw(t, "status"), Title: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "title"),
				Details: rapid.SampledFrom([]string{"", "x", "xx"}).Draw(t, "details"), Tool: rapid.SampledFrom([]string{"", "Bash"}).Draw(t, "tool"),
				Inferred: rapid.Bool().Draw(t, "inferred"), LoggedAt: start.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "at")) * time.Second),
			}
			before := e
			change.Apply(&e, &inferred, f)
			if before.Status.Final() && !e.Status.Final() {
				t.Fatal("an ended step runs again")
			}
			if e.Status.Final() == e.EndedAt.IsZero() {
				t.Fatalf("status %s, end %v", e.Status, e.EndedAt)
			}
			if change.Apply(&e, &inferred, f) {
				t.Fatalf("the same facts changed the entry twice: %+v", f)
			}
		}
	})
}
