package rollup_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/worklog"
)

func TestAQuantileIsAtMostOnePlaceOff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1))
		all := make([]time.Duration, rapid.IntRange(1, 500).Draw(r, "n"))
		var h rollup.Histogram
		for i := range all {
			all[i] = time.Duration(math.Exp(rnd.Float64()*18) * float64(time.Millisecond))
			place := rollup.Took(time.Unix(0, 1), time.Unix(0, 1).Add(all[i]))
			h.Add(append(make(rollup.Histogram, place), 1))
		}
		slices.Sort(all)
		if h.Count() != int64(len(all)) {
			r.Fatalf("%d counted, want %d", h.Count(), len(all))
		}
		for _, q := range []float64{0.5, 0.95, 0.99} {
			rank := int(math.Ceil(q*float64(len(all)))) - 1
			got, want := h.Quantile(q).Seconds(), all[max(rank, 0)].Seconds()
			if ratio := got / want; ratio < 0.8 || ratio > 1.25 { // a place is 19 % wide
				r.Errorf("quantile %v of %d = %v, want about %v", q, len(all), got, want)
			}
		}
	})
}

func TestOddDurationsHaveAPlace(t *testing.T) {
	t.Parallel()
	start := time.Unix(1, 0)
	for d, want := range map[time.Duration]int{-time.Hour: 0, 0: 0, time.Millisecond: 1, 2 * time.Millisecond: 5, 100 * 24 * time.Hour: 128} {
		if got := rollup.Took(start, start.Add(d)); got != want {
			t.Errorf("%v has place %d, want %d", d, got, want)
		}
	}
	if got := rollup.Took(time.Time{}, start); got != rollup.NoDuration {
		t.Errorf("no start: %d", got)
	}
	var none rollup.Histogram
	if none.Quantile(0.5) != 0 || none.Count() != 0 {
		t.Error("an empty histogram has quantiles")
	}
}

// Whatever the window: its spans follow each other, are whole buckets, and are few.
func TestSpansCoverAWindowExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		from := time.Unix(60*rapid.Int64Range(29_000_000, 30_000_000).Draw(r, "from"), 0).UTC()
		to := from.Add(time.Duration(rapid.Int64Range(1, 200_000).Draw(r, "minutes")) * time.Minute)
		at, buckets := from, 0
		for _, s := range rollup.Cover(from, to) {
			if !s.From.Equal(at) || !s.Grain.Bucket(s.From).Equal(s.From) || !s.Grain.Bucket(s.To).Equal(s.To) || !s.From.Before(s.To) {
				r.Fatalf("span %+v at %v", s, at)
			}
			at = s.To
			buckets += int(s.To.Sub(s.From) / s.Grain.Width())
		}
		if !at.Equal(to) {
			r.Fatalf("covered up to %v, want %v", at, to)
		}
		if weeks := int(to.Sub(from) / rollup.Week.Width()); buckets > weeks+2*(6+23+59) {
			r.Fatalf("%d buckets for %v", buckets, to.Sub(from))
		}
	})
	now := time.Now()
	if got := rollup.Cover(now, now); got != nil {
		t.Errorf("an empty window is %v", got)
	}
}

// Every window, and the one before it that it is compared with, lies within what is kept.
func TestEveryRangeIsKeptTwice(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC)
	for _, r := range rollup.Ranges() {
		from, to := r.Window(now)
		if !now.Before(to) || now.Sub(to) > r.Step || to.Sub(from) != time.Duration(r.Bars)*r.Step {
			t.Errorf("%s: [%v, %v)", r.Name, from, to)
		}
		if from.Before(r.Grain.Oldest(now)) {
			t.Errorf("%s: the bars begin at %v, kept from %v", r.Name, from, r.Grain.Oldest(now))
		}
		for _, s := range rollup.Cover(from.Add(from.Sub(to)), to) {
			if s.From.Before(s.Grain.Oldest(now)) {
				t.Errorf("%s: needs %s buckets from %v, kept from %v", r.Name, s.Grain, s.From, s.Grain.Oldest(now))
			}
		}
		if named, ok := rollup.RangeNamed(r.Name); !ok || named != r {
			t.Errorf("%s is not found", r.Name)
		}
	}
	if _, ok := rollup.RangeNamed("2h"); ok {
		t.Error("a range that does not exist was found")
	}
}

func TestAnEntryThatChangesMovesAndIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC)
	working := rollup.Entry{Owner: 1, Seq: 1, At: now, Type: worklog.TypeToolCall, Status: worklog.StatusWorking, Tool: "Bash", Took: rollup.NoDuration}
	failed := working
	failed.Status, failed.Took = worklog.StatusError, 9
	tally := rollup.NewTally(now)
	tally.Move(nil, &working)
	tally.Move(&working, &failed)
	tally.Move(&failed, &failed)
	for _, g := range rollup.Grains() {
		for status, want := range map[worklog.Status]int64{worklog.StatusWorking: 0, worklog.StatusError: 1} {
			if got := tally.Statuses[rollup.StatusKey{Grain: g, Bucket: g.Bucket(now), Type: working.Type, Status: status}]; got != want {
				t.Errorf("%s: %d %s, want %d", g, got, status, want)
			}
		}
		if got := tally.Owners[rollup.OwnerKey{Grain: g, Bucket: g.Bucket(now), Owner: 1}]; got != (rollup.Count{Entries: 1, Failed: 1}) {
			t.Errorf("%s: owner %+v", g, got)
		}
		tool := tally.Tools[rollup.ToolKey{Grain: g, Bucket: g.Bucket(now), Tool: "Bash"}]
		if tool.Count != (rollup.Count{Entries: 1, Failed: 1}) || tool.Array().Count() != 1 || len(tool.Array()) != 10 {
			t.Errorf("%s: tool %+v", g, tool)
		}
	}
}

func TestBucketsThatAreGoneAreNotWritten(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC)
	for age, want := range map[time.Duration]int{time.Hour: 4, 49 * time.Hour: 4, 51 * time.Hour: 3, 16 * 24 * time.Hour: 2, 408 * 24 * time.Hour: 0} {
		tally := rollup.NewTally(now)
		tally.Move(nil, &rollup.Entry{At: now.Add(-age), Type: worklog.TypeInfo, Status: worklog.StatusInfo, Took: rollup.NoDuration})
		if len(tally.Statuses) != want {
			t.Errorf("an entry of %v ago counts in %d grains, want %d", age, len(tally.Statuses), want)
		}
	}
}

func TestWhatMayChangeIsRememberedAndNothingElse(t *testing.T) {
	t.Parallel()
	now := time.Now()
	whole := rollup.Facts{Keyed: true, Started: true, Ended: true}
	entry := func(s worklog.Status, tool string, age time.Duration) rollup.Entry {
		return rollup.Entry{At: now.Add(-age), Type: worklog.TypeToolCall, Status: s, Tool: tool}
	}
	ok, day := worklog.StatusSuccess, 25*time.Hour
	for name, c := range map[string]struct {
		entry rollup.Entry
		facts rollup.Facts
		want  rollup.Memory
	}{
		"finished":                 {entry(ok, "Bash", 0), whole, rollup.Forget},
		"working":                  {entry(worklog.StatusWorking, "Bash", 2*day), whole, rollup.Open},
		"inferred":                 {entry(worklog.StatusError, "Bash", 2*day), rollup.Facts{Inferred: true, Keyed: true, Started: true, Ended: true}, rollup.Open},
		"working for too long":     {entry(worklog.StatusWorking, "Bash", 101*24*time.Hour), whole, rollup.Forget},
		"without a tool":           {entry(ok, "", 0), whole, rollup.Late},
		"long without a tool":      {entry(ok, "", day), whole, rollup.Forget},
		"nobody can name it":       {entry(ok, "", 0), rollup.Facts{}, rollup.Forget},
		"a patch may end it":       {entry(ok, "", 0), rollup.Facts{Started: true}, rollup.Late},
		"without a start":          {entry(ok, "Bash", 0), rollup.Facts{Keyed: true, Ended: true}, rollup.Late},
		"of a type that may yield": {rollup.Entry{At: now, Type: worklog.TypeInfo, Status: ok, Tool: "Bash"}, whole, rollup.Late},
	} {
		if got := c.entry.Remember(c.facts, now); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
