package store

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Room says how much may be written. Beyond it entries keep their title and facts, and their details are cut.
type Room struct {
	// PerDay is how many bytes a user may write on a day, in UTC; 0: as many as there are.
	PerDay int64
	// Scarce: the disk is nearly full. Nobody's details are kept whole.
	Scarce bool
}

// scarceDetails is what of the details stays where there is no room: enough to see what it was.
const scarceDetails = 512

// written is what an owner has written on a day.
type written struct {
	day   *time.Time
	bytes int64
}

// left is the room that an owner has today, with nothing of this batch counted.
func (p *plan) left(w written) int64 {
	if w.day != nil && w.day.Equal(today(p.batch.Now)) {
		return p.batch.Room.PerDay - w.bytes
	}
	return p.batch.Room.PerDay
}

// fullFrom is how many bytes of a day leave no room for the longest details, or all but a hundredth of what may be
// written, if that is more.
func fullFrom(perDay int64) int64 {
	if perDay == 0 {
		return math.MaxInt64
	}
	return perDay - min(worklog.MaxDetailsBytes, perDay/100)
}

func today(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour) }

// cutHere begins the mark of what was cut.
const cutHere = "\n[cut here: "

// fit cuts details for which the owner has no room. What becomes of them, took counts.
func (p *plan) fit(owner int64, details string) string {
	r := p.batch.Room
	if len(details) <= scarceDetails || r.PerDay == 0 && !r.Scarce {
		return details
	}
	n := int64(len(details))
	why := ""
	switch {
	case r.Scarce:
		why = "the disk of this installation is nearly full"
	case n > p.room[owner]:
		why = "what a user may store in a day is used up"
	default:
		return details
	}
	return worklog.Cut(details, scarceDetails) + fmt.Sprintf("%s%d bytes in all; %s]", cutHere, n, why)
}

// fitNew is fit for an entry that is made.
func (p *plan) fitNew(owner int64, details string) string {
	got := p.fit(owner, details)
	p.took(owner, "", got, details)
	return got
}

// took counts what an entry that had some details has got of the whole ones that a write brought: nothing, what was cut of
// them, or all. An entry that is cut again and again is one.
func (p *plan) took(owner int64, had, got, whole string) {
	switch {
	case got == had:
	case got != whole && !strings.Contains(had, cutHere):
		p.deltas[owner].Cut++
	case got == whole && len(got) > scarceDetails:
		p.room[owner] -= int64(len(got))
	}
}
