package ingest

import (
	"sync/atomic"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Metrics count what this process has done since its start.
type Metrics struct {
	stored, updated, unchanged, merged, limited, invalid atomic.Int64
	batches, failed, writes, nanos, skipped              atomic.Int64
	redacted                                             atomic.Int64
	recent                                               recent
}

// Snapshot is the state of Metrics at one moment.
type Snapshot struct {
	Counts  worklog.Counts
	Batches int64 // committed transactions
	Failed  int64 // transactions that stored nothing
	Writes  int64 // in all batches
	Seconds float64
	Queued  int // drafts that wait for their commit
	// Redacted counts the secrets that were replaced in drafts, those that were sent again included.
	Redacted int64
	Skipped  int64 // records of telemetry, and events of hooks, that say nothing an entry could show
	Recent   Recent
}

func (m *Metrics) count(o worklog.Outcome) {
	switch o {
	case worklog.OutcomeStored:
		m.stored.Add(1)
	case worklog.OutcomeUpdated:
		m.updated.Add(1)
	case worklog.OutcomeUnchanged:
		m.unchanged.Add(1)
	case worklog.OutcomeMerged:
		m.merged.Add(1)
	case worklog.OutcomeLimited:
		m.limited.Add(1)
	case worklog.OutcomeInvalid:
		m.invalid.Add(1)
	}
}

func (m *Metrics) batch(writes int, took time.Duration, err error) {
	if err != nil {
		m.failed.Add(1)
		return
	}
	m.batches.Add(1)
	m.writes.Add(int64(writes))
	m.nanos.Add(int64(took))
	m.recent.add(writes, took, time.Now())
}

// Snapshot returns the counters and the length of the queue.
func (s *Service) Snapshot() Snapshot {
	m := &s.metrics
	s.mu.Lock()
	queued := s.drafts
	s.mu.Unlock()
	return Snapshot{
		Counts: worklog.Counts{
			Stored: m.stored.Load(), Updated: m.updated.Load(), Unchanged: m.unchanged.Load(),
			Merged: m.merged.Load(), Limited: m.limited.Load(), Invalid: m.invalid.Load(),
		},
		Batches: m.batches.Load(), Failed: m.failed.Load(), Writes: m.writes.Load(),
		Seconds: time.Duration(m.nanos.Load()).Seconds(), Queued: queued, Redacted: m.redacted.Load(), Skipped: m.skipped.Load(),
		Recent: m.recent.figures(time.Now()),
	}
}
