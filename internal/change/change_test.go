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

// bare is a step of which only its tool is known.
func bare(s worklog.Status) worklog.Entry {
	e := ended(s)
	e.Title, e.Tool = "Bash", "Bash"
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
		{"a title that is only the tool's name is filled in", bare(worklog.StatusSuccess), false, change.Facts{Tool: "Bash", Title: "Bash: ls"}, true,
			func(e worklog.Entry, _ bool) bool { return e.Title == "Bash: ls" }},
		{"and not by somebody who does not know the tool", bare(worklog.StatusSuccess), false, change.Facts{Title: "Result"}, false, nil},
		{"the tool's name replaces no title of a running step", running(), false, change.Facts{Status: worklog.StatusWorking, Title: "Bash", Tool: "Bash"}, true,
			func(e worklog.Entry, _ bool) bool { return e.Title == "run" && e.Tool == "Bash" }},
		{"late facts fill in the tool", ended(worklog.StatusSuccess), false, change.Facts{Tool: "Bash", Source: "hook"}, true,
			func(e worklog.Entry, _ bool) bool { return e.Tool == "Bash" && e.Source == "hook" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, marks := c.entry, change.Marks{Inferred: c.inferred}
			if got := change.Apply(&e, &marks, c.facts); got != c.changed {
				t.Errorf("changed %v", got)
			}
			if c.check != nil && !c.check(e, marks.Inferred) {
				t.Errorf("entry %+v marks %+v", e, marks)
			}
		})
	}
}

// Telemetry of Claude Code calls every tool of an MCP server mcp_tool unless it was told to send names.
func TestTheNameOfAToolThatTelemetryKeepsToItselfIsFilledIn(t *testing.T) {
	t.Parallel()
	unnamed := change.Facts{Status: worklog.StatusSuccess, Tool: "mcp_tool", Title: "mcp_tool", LoggedAt: start}
	named := change.Facts{Status: worklog.StatusSuccess, Tool: "mcp__linear__get_issue", Title: "linear get_issue: 7", LoggedAt: start}
	begun := named
	begun.Status = worklog.StatusWorking
	for i, facts := range [][]change.Facts{{unnamed, named}, {named, unnamed}, {begun, unnamed}, {unnamed, begun}, {unnamed, unnamed, named}, {named, unnamed, named}} {
		e := worklog.Entry{ID: "1", Type: worklog.TypeToolCall, Status: facts[0].Status, Tool: facts[0].Tool, Title: facts[0].Title, LoggedAt: start}
		for _, f := range facts[1:] {
			change.Apply(&e, &change.Marks{}, f)
		}
		if e.Tool != named.Tool || e.Title != named.Title || e.Status != worklog.StatusSuccess {
			t.Errorf("order %d: %+v", i, e)
		}
	}
	own := worklog.Entry{ID: "1", Status: worklog.StatusSuccess, Tool: "mcp_tool", Title: "Look it up"}
	if change.Apply(&own, &change.Marks{}, named); own.Tool != named.Tool || own.Title != "Look it up" {
		t.Errorf("%+v", own)
	}
}

func TestExistingMetadataWinsAfterTheEndAndYieldsBefore(t *testing.T) {
	t.Parallel()
	late := change.Facts{Metadata: worklog.Metadata{"a": "new", "b": 2}}
	for status, want := range map[worklog.Status]string{worklog.StatusWorking: "map[a:new b:2]", worklog.StatusSuccess: "map[a:old b:2]"} {
		e := ended(status)
		e.Metadata = worklog.Metadata{"a": "old"}
		var marks change.Marks
		if !change.Apply(&e, &marks, late) || fmt.Sprint(map[string]any(e.Metadata)) != want {
			t.Errorf("%s: %v", status, e.Metadata)
		}
	}
}

func TestMetadataNeverGrowsBeyondItsBounds(t *testing.T) {
	t.Parallel()
	e := ended(worklog.StatusSuccess)
	e.Metadata = worklog.Metadata{"a": strings.Repeat("x", 40_000)}
	var marks change.Marks
	if change.Apply(&e, &marks, change.Facts{Metadata: worklog.Metadata{"b": strings.Repeat("y", 40_000)}}) || len(e.Metadata) != 1 {
		t.Errorf("%d keys", len(e.Metadata))
	}
}

func TestNumbersAreEqualWhateverGoTypeHoldsThem(t *testing.T) {
	t.Parallel()
	e := ended(worklog.StatusSuccess)
	e.Metadata = worklog.Metadata{"n": json.Number("3")}
	var marks change.Marks
	if change.Apply(&e, &marks, change.Facts{Metadata: worklog.Metadata{"n": 3}}) {
		t.Error("a number changed into itself")
	}
}

// Whatever arrives in whatever order, an ended step never runs again and applying the same facts twice changes nothing more.
func TestApplyIsIdempotentAndEndsAreFinal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := running()
		var marks change.Marks
		for range rapid.IntRange(1, 6).Draw(t, "drafts") {
			f := change.Facts{
				Status: rapid.SampledFrom(append(worklog.Statuses(), "")).Draw(t, "status"), Title: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "title"),
				Details: rapid.SampledFrom([]string{"", "x", "xx"}).Draw(t, "details"), Tool: rapid.SampledFrom([]string{"", "Bash"}).Draw(t, "tool"),
				Inferred: rapid.Bool().Draw(t, "inferred"), AskedAt: moment(t, "asked"), AnsweredAt: moment(t, "answered"), LoggedAt: start.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "at")) * time.Second),
			}
			before := e
			change.Apply(&e, &marks, f)
			if before.Status.Final() && !e.Status.Final() {
				t.Fatal("an ended step runs again")
			}
			if e.Status.Final() == e.EndedAt.IsZero() {
				t.Fatalf("status %s, end %v", e.Status, e.EndedAt)
			}
			if e.Status.Final() && !marks.AskedAt.IsZero() {
				t.Fatal("an ended step waits for a permission")
			}
			if change.Apply(&e, &marks, f) {
				t.Fatalf("the same facts changed the entry twice: %+v", f)
			}
		}
	})
}

// moment is a time, or none.
func moment(t *rapid.T, name string) time.Time {
	n := rapid.IntRange(0, 5).Draw(t, name)
	if n == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(n) * time.Second)
}

func TestAStepAsksUntilItEndsOrIsAnswered(t *testing.T) {
	t.Parallel()
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	for _, c := range []struct {
		name  string
		facts []change.Facts
		asks  time.Time
	}{
		{"the first time counts", []change.Facts{{AskedAt: at(1)}, {AskedAt: at(2)}}, at(1)},
		{"news of the step do not answer", []change.Facts{{AskedAt: at(1)}, {Status: worklog.StatusWorking, Details: "x"}}, at(1)},
		{"an answer", []change.Facts{{AskedAt: at(1)}, {AnsweredAt: at(2)}}, time.Time{}},
		{"an answer to an earlier question", []change.Facts{{AskedAt: at(3)}, {AnsweredAt: at(2)}}, at(3)},
		{"a reported end", []change.Facts{{AskedAt: at(1)}, {Status: worklog.StatusSuccess, LoggedAt: at(2)}}, time.Time{}},
		{"an end that nobody reported", []change.Facts{{AskedAt: at(1)}, {Status: worklog.StatusWarning, LoggedAt: at(2), Inferred: true}}, time.Time{}},
		{"a question that comes after the end", []change.Facts{{Status: worklog.StatusSuccess, LoggedAt: at(2)}, {AskedAt: at(1)}}, time.Time{}},
	} {
		e, marks := running(), change.Marks{}
		for _, f := range c.facts {
			change.Apply(&e, &marks, f)
		}
		if !marks.AskedAt.Equal(c.asks) {
			t.Errorf("%s: asks since %v, want %v", c.name, marks.AskedAt, c.asks)
		}
	}
}
