// Package rollup knows what the dashboard counts and how: entries per minute, hour and day by type and status, by owner,
// and by tool with the durations of its steps. It is arithmetic and a loop; package store keeps the counts.
//
// An entry counts in the buckets of the moment at which worklog received it (created_at), so nobody can write into the
// past, and the entries of a window are the ones that the ledger calls stored. It counts once, as what it says now: when
// a working step succeeds, or a reported end replaces an inferred one, its place in the same buckets changes. Deleting
// an entry does not take it out of history.
//
// Decision: what may still change is remembered in a table of its own (working and inferred entries until they end, and
// for a day those that lack a tool, a type or times), because a rollup that should lose an entry must know what it had
// counted. Everything else needs no memory: an entry whose seq is above the owner's watermark has not been counted.
package rollup

import (
	"time"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// MaxTools is how many tools a bucket tells apart; the rest counts as [OtherTools].
	MaxTools = 200
	// OtherTools stands for the names beyond MaxTools. No tool has the empty name: entries without a tool are not counted by tool.
	OtherTools = ""
	// LateFacts is how long after its arrival a finished entry may still get a tool, a type or times that are counted.
	LateFacts = 24 * time.Hour
	// MaxOpen is how long an entry may work, or wait for its reported end, and still be counted anew when that comes.
	MaxOpen = 100 * 24 * time.Hour
)

// Entry is what is counted of an entry.
type Entry struct {
	Owner, Seq int64
	At         time.Time // when it was received
	Type       worklog.Type
	Status     worklog.Status
	Tool       string
	Took       int // the place of its duration in a Histogram; NoDuration: it has none
}

// NoDuration is the Took of an entry without one.
const NoDuration = -1

// Took returns the place of the time from start to end in a histogram.
func Took(start, end time.Time) int {
	if start.IsZero() || end.IsZero() {
		return NoDuration
	}
	return placeOf(end.Sub(start))
}

// Facts are what decides whether an entry that was counted may have to be counted anew.
type Facts struct {
	Inferred bool // nobody has reported its end
	Keyed    bool // later drafts may name it
	Started  bool
	Ended    bool
}

// Memory is why an entry is remembered.
type Memory uint8

// The reasons. Forget is none.
const (
	Forget Memory = iota
	Late          // late facts may fill in what is missing
	Open          // it is working, or its end is inferred
)

// Remember returns why the entry must be remembered to be counted right when it changes.
func (e *Entry) Remember(f Facts, now time.Time) Memory {
	age := now.Sub(e.At)
	switch {
	case e.Status == worklog.StatusWorking || f.Inferred:
		if age < MaxOpen {
			return Open
		}
	case age >= LateFacts:
	case f.Keyed && (e.Type == worklog.TypeInfo || e.Tool == "" || e.Tool == change.UnnamedTool || !f.Started || !f.Ended):
		return Late
	case f.Started && !f.Ended: // a PATCH may end it
		return Late
	}
	return Forget
}

// Progress is what one step of the worker did.
type Progress struct {
	Idle    bool // another process counts
	Entries int  // changes that were counted
	More    bool // there is more to count right now
}
