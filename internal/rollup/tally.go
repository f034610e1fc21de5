package rollup

import (
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// StatusKey is a row of counts by type and status.
type StatusKey struct {
	Grain  Grain
	Bucket time.Time
	Type   worklog.Type
	Status worklog.Status
}

// OwnerKey is a row of counts by owner.
type OwnerKey struct {
	Grain  Grain
	Bucket time.Time
	Owner  int64
}

// ToolKey is a row of counts by tool.
type ToolKey struct {
	Grain  Grain
	Bucket time.Time
	Tool   string
}

// Count is how many entries there are, and how many of them failed.
type Count struct{ Entries, Failed int64 }

// ToolCount is the count of a tool, with the durations by place.
type ToolCount struct {
	Count
	Durations map[int]int64
}

// Tally collects what changes in the counts.
type Tally struct {
	now      time.Time
	Statuses map[StatusKey]int64
	Owners   map[OwnerKey]Count
	Tools    map[ToolKey]*ToolCount
}

// NewTally returns an empty tally. Now decides which buckets are kept.
func NewTally(now time.Time) *Tally {
	return &Tally{now: now, Statuses: map[StatusKey]int64{}, Owners: map[OwnerKey]Count{}, Tools: map[ToolKey]*ToolCount{}}
}

// Move counts an entry as it is instead of as it was; before is nil for one that was not counted yet.
func (t *Tally) Move(before, after *Entry) {
	if before != nil {
		if before.Type == after.Type && before.Status == after.Status && before.Tool == after.Tool && before.Took == after.Took {
			return
		}
		t.add(before, -1)
	}
	t.add(after, 1)
}

func (t *Tally) add(e *Entry, n int64) {
	failed := int64(0)
	if e.Status == worklog.StatusError {
		failed = n
	}
	for _, g := range Grains() {
		bucket := g.Bucket(e.At)
		if bucket.Before(g.Oldest(t.now)) {
			continue
		}
		t.Statuses[StatusKey{g, bucket, e.Type, e.Status}] += n
		o := OwnerKey{g, bucket, e.Owner}
		t.Owners[o] = Count{t.Owners[o].Entries + n, t.Owners[o].Failed + failed}
		if e.Tool != "" {
			t.addTool(ToolKey{g, bucket, e.Tool}, e.Took, n, failed)
		}
	}
}

func (t *Tally) addTool(k ToolKey, took int, n, failed int64) {
	c := t.Tools[k]
	if c == nil {
		c = &ToolCount{Durations: map[int]int64{}}
		t.Tools[k] = c
	}
	c.Entries += n
	c.Failed += failed
	if took != NoDuration {
		c.Durations[took] += n
	}
}

// Array returns the durations as a histogram, places without any included.
func (c *ToolCount) Array() Histogram {
	h := Histogram{}
	for place, n := range c.Durations {
		h.Add(append(make(Histogram, place), n))
	}
	return h
}

// Merge adds the count of another tool.
func (c *ToolCount) Merge(o *ToolCount) {
	c.Entries += o.Entries
	c.Failed += o.Failed
	for place, n := range o.Durations {
		c.Durations[place] += n
	}
}
