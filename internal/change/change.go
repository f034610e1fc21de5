// Package change holds the rules by which an entry that exists may still change.
//
// A working entry takes what a later draft says. A final status stays, except that an inferred end yields once to a
// reported one. Of a finished entry late facts fill in what is missing: existing metadata keys win, the longest
// details win, the title is frozen unless it is only the name of the tool, which may be a name for many. A running step may wait for somebody's permission, until it ends or was answered.
package change

import (
	"encoding/json"
	"maps"
	"reflect"
	"time"

	"github.com/worklogdev/worklog/internal/redact"
	"github.com/worklogdev/worklog/worklog"
)

// Facts are what a draft or a patch says about an entry. Zero fields say nothing.
type Facts struct {
	Status    worklog.Status
	Type      worklog.Type
	Tool      string
	Title     string
	Details   string
	Metadata  worklog.Metadata
	Parent    string
	Source    string
	StartedAt time.Time
	EndedAt   time.Time
	// LoggedAt is when it happened; an end without EndedAt ends then.
	LoggedAt time.Time
	// Inferred says that nobody reported this end.
	Inferred bool
	// AskedAt is when the step asked for a permission; AnsweredAt is up to when whatever it asked has been answered.
	AskedAt, AnsweredAt time.Time
	// Redacted is how many secrets were replaced in all of this.
	Redacted int
}

// Marks are what is known of an entry beside what its writers say.
type Marks struct {
	Inferred bool      // nobody reported the end
	AskedAt  time.Time // since when a running step waits for a permission; zero: it does not
	Redacted int       // how many secrets were replaced in what it says
}

// Of returns what a normalized draft says. LoggedAt is now when the draft has none.
func Of(d *worklog.Draft, now time.Time) Facts {
	f := Facts{
		Status: d.Status, Type: d.Type, Tool: d.Tool, Title: d.Title, Details: d.Details, Metadata: d.Metadata,
		Parent: d.Parent, Source: d.Source, LoggedAt: now,
	}
	if d.StartedAt != nil {
		f.StartedAt = *d.StartedAt
	}
	if d.EndedAt != nil {
		f.EndedAt = *d.EndedAt
	}
	if d.LoggedAt != nil {
		f.LoggedAt = *d.LoggedAt
	}
	return f
}

// Begin completes the times of an entry that has just been made of a draft: a running step runs from the moment it was logged.
func Begin(e *worklog.Entry) {
	if e.Status == worklog.StatusWorking {
		e.EndedAt = time.Time{}
		if e.StartedAt.IsZero() {
			e.StartedAt = e.LoggedAt
		}
	}
}

// Apply lets f change e under the rules of the package and reports whether it did. It touches neither Rev nor UpdatedAt.
func Apply(e *worklog.Entry, m *Marks, f Facts) bool {
	before, marks := *e, *m
	fillMissing(e, f)
	switch {
	case e.Status == worklog.StatusWorking:
		applyRunning(e, m, f)
	case m.Inferred && f.Status.Final() && f.Status != "" && !f.Inferred:
		end(e, f)
		m.Inferred = false
		fillFinished(e, f)
	default:
		fillFinished(e, f)
	}
	if m.Redacted+f.Redacted > 0 {
		m.Redacted = redact.Marks(e)
	}
	return *m != marks || !same(before, *e)
}

// applyRunning takes what f says about a running step: its last word counts.
func applyRunning(e *worklog.Entry, m *Marks, f Facts) {
	if f.Title != "" && (f.Title != f.Tool || e.Title == "") { // the name of its tool says less than any title
		e.Title = f.Title
	}
	if f.Details != "" {
		e.Details = f.Details
	}
	e.Metadata = merged(e.Metadata, f.Metadata, true)
	if f.Status != "" && f.Status.Final() {
		end(e, f)
		m.Inferred = f.Inferred
	}
	ask(e, m, f)
}

// ask notes that a step waits for a permission, or does not any more. The first time that it asked counts.
func ask(e *worklog.Entry, m *Marks, f Facts) {
	if !m.AskedAt.After(f.AnsweredAt) {
		m.AskedAt = time.Time{}
	}
	if m.AskedAt.IsZero() && f.AskedAt.After(f.AnsweredAt) {
		m.AskedAt = f.AskedAt
	}
	if e.Status != worklog.StatusWorking {
		m.AskedAt = time.Time{}
	}
}

func end(e *worklog.Entry, f Facts) {
	e.Status = f.Status
	e.EndedAt = f.EndedAt
	if e.EndedAt.IsZero() {
		e.EndedAt = f.LoggedAt
	}
}

// fillFinished adds late facts to a finished step.
func fillFinished(e *worklog.Entry, f Facts) {
	if e.Title == e.Tool && f.Tool == e.Tool && f.Title != "" { // so far it has none but the name of its tool
		e.Title = f.Title
	}
	if len(f.Details) > len(e.Details) {
		e.Details = f.Details
	}
	if e.EndedAt.IsZero() {
		e.EndedAt = f.EndedAt
	}
	e.Metadata = merged(e.Metadata, f.Metadata, false)
}

// UnnamedTool is what telemetry of Claude Code calls the tools of all MCP servers, unless it was told to send their names.
const UnnamedTool = "mcp_tool"

// fillMissing sets what e does not know yet, whatever its status.
func fillMissing(e *worklog.Entry, f Facts) {
	if e.Tool == UnnamedTool && f.Tool != "" {
		if e.Title == e.Tool {
			e.Title = f.Tool // still one that any title replaces
		}
		e.Tool = f.Tool
	}
	if e.Type == worklog.TypeInfo && f.Type != "" {
		e.Type = f.Type
	}
	fill(&e.Tool, f.Tool)
	fill(&e.Parent, f.Parent)
	fill(&e.Source, f.Source)
	fill(&e.StartedAt, f.StartedAt)
}

func fill[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// merged returns the keys of both, known ones changed only if newWins; known alone when both together exceed the bounds of metadata.
func merged(known, added worklog.Metadata, newWins bool) worklog.Metadata {
	if len(added) == 0 {
		return known
	}
	both := maps.Clone(known)
	if both == nil {
		both = worklog.Metadata{}
	}
	for k, v := range added {
		if _, has := both[k]; newWins || !has {
			both[k] = v
		}
	}
	if sameMetadata(both, known) || (&worklog.Draft{Title: "x", Type: worklog.TypeInfo, Status: worklog.StatusInfo, Metadata: both}).Validate(time.Time{}) != nil {
		return known
	}
	return both
}

func same(a, b worklog.Entry) bool {
	am, bm := a.Metadata, b.Metadata
	a.Metadata, b.Metadata = nil, nil
	return reflect.DeepEqual(a, b) && sameMetadata(am, bm)
}

// sameMetadata compares as JSON, since one side may hold json.Number where the other holds an int.
func sameMetadata(a, b worklog.Metadata) bool {
	if len(a) != len(b) {
		return false
	}
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
