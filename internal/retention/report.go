package retention

import (
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// Step is one of the things that a sweep does.
type Step string

// The steps, in the order in which a sweep does them. The first three are named by what entries become.
const (
	StepDeleted  Step = "deleted"
	StepArchived Step = "archived"
	StepCold     Step = "cold"
	StepWarm     Step = "warm"
)

// Report is what a sweep has done so far, or in a dry run what it would do.
type Report struct {
	store.Sweep
	DryRun bool         `json:"dry_run"`
	Steps  []StepReport `json:"steps"` // those that have begun
}

// StepReport is what one step has done, or would do.
type StepReport struct {
	Step    Step   `json:"step"`
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`           // freed in the database; in a dry run what the entries have there
	Error   string `json:"error,omitempty"` // why it was stopped
	// Owners, of a dry run, have most entries first; MoreOwners is how many are not named.
	Owners     []store.OwnerCount `json:"owners,omitempty"`
	MoreOwners int                `json:"more_owners,omitempty"`
}

// add counts entries that a step has moved.
func (r *Report) add(st Step, n int64) {
	switch st {
	case StepWarm:
		r.Warm += n
	case StepCold:
		r.Cold += n
	case StepArchived:
		r.Archived += n
	case StepDeleted:
		r.Deleted += n
	}
}

// clone returns a report that the sweep does not change any more.
func (r Report) clone() Report {
	r.Steps = slices.Clone(r.Steps)
	return r
}

// step is a step with what it is for.
type step struct {
	name Step
	due  store.Due
	to   worklog.StorageStatus // empty: nothing remains
}

// steps is the table of ageing at a moment. The ranges of ages do not overlap, and what is oldest comes first.
func (s *Sweeper) steps(now time.Time) []step {
	warm, cold, end := now.Add(-s.settings.Hot), now.Add(-s.settings.Warm), now.Add(-s.settings.Cold)
	keep, drop := true, false
	return []step{
		{StepDeleted, store.Due{From: worklog.StorageStatuses(), Until: end, Keep: &drop, Now: now}, ""},
		{StepArchived, store.Due{From: []worklog.StorageStatus{worklog.StorageHot, worklog.StorageWarm, worklog.StorageCold}, Until: end, Keep: &keep, Now: now}, worklog.StorageArchived},
		{StepCold, store.Due{From: []worklog.StorageStatus{worklog.StorageHot, worklog.StorageWarm}, Since: end, Until: cold, Now: now}, worklog.StorageCold},
		{StepWarm, store.Due{From: []worklog.StorageStatus{worklog.StorageHot}, Since: cold, Until: warm, Now: now}, worklog.StorageWarm},
	}
}
