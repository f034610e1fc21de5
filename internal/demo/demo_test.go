package demo

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/worklog"
)

// audience takes what the demo writes, behind the real limiter.
type audience struct {
	mu      sync.Mutex
	limiter *limit.Limiter
	entries map[string]worklog.Draft // by key
	drafts  []worklog.Draft          // all, in order
	at      []time.Time
	stored  int
	limited int
	merged  int
	fail    func() error // may be nil
}

func newAudience() *audience {
	l := limit.New(limit.Options{PerMinute: 60, Import: 20_000, Now: time.Now})
	return &audience{limiter: l, entries: make(map[string]worklog.Draft)}
}

func (a *audience) Append(_ context.Context, drafts ...worklog.Draft) ([]worklog.Receipt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		if err := a.fail(); err != nil {
			return nil, err
		}
	}
	var receipts []worklog.Receipt
	for _, d := range drafts {
		d.Normalize()
		if err := d.Validate(time.Now()); err != nil {
			receipts = append(receipts, worklog.Receipt{Outcome: worklog.OutcomeInvalid, Reason: err.Error()})
			continue
		}
		a.drafts = append(a.drafts, d)
		a.at = append(a.at, time.Now())
		receipts = append(receipts, a.take(d))
	}
	return receipts, nil
}

func (a *audience) take(d worklog.Draft) worklog.Receipt {
	const owner = 1
	f := limit.FingerprintOf(&d)
	_, known := a.entries[d.Key]
	_, _, seen := a.limiter.Seen(owner, f)
	switch {
	case d.Key != "" && known:
		a.entries[d.Key] = d
		return worklog.Receipt{Outcome: worklog.OutcomeUpdated}
	case d.Key == "" && seen:
		a.merged++
		return worklog.Receipt{Outcome: worklog.OutcomeMerged}
	case d.LoggedAt == nil && a.limiter.Reserve(limit.Window{Owner: owner}, 1).N == 0:
		a.limited++
		reset := a.limiter.State(limit.Window{Owner: owner}).Reset
		return worklog.Receipt{Outcome: worklog.OutcomeLimited, RetryAfter: int(reset/time.Second) + 1}
	}
	a.stored++
	if d.Key != "" {
		a.entries[d.Key] = d
	}
	a.limiter.Committed(owner, f, "id", int64(a.stored))
	return worklog.Receipt{Outcome: worklog.OutcomeStored}
}

// watch plays the demo for so long in the test's own time.
func watch(t *testing.T, a *audience, seed uint64, long time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	if err := Play(ctx, a, seed, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("the demo ended with %v", err)
	}
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the demo ended early: %v", err)
	}
}

func TestDemoWritesWithinASecondAndNeverStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAudience()
		began := time.Now()
		watch(t, a, 1, time.Hour)
		live := liveOnly(a)
		if len(live) == 0 || live[0].Sub(began) > time.Second {
			t.Fatalf("%d live drafts, the first must come within a second", len(live))
		}
		for i := 1; i < len(live); i++ {
			if gap := live[i].Sub(live[i-1]); gap > 30*time.Second {
				t.Errorf("nothing happens for %v after %v", gap, live[i-1].Sub(began))
			}
		}
	})
}

func liveOnly(a *audience) []time.Time {
	var at []time.Time
	for i, d := range a.drafts {
		if d.LoggedAt == nil {
			at = append(at, a.at[i])
		}
	}
	return at
}

func TestDemoShowsWhatAgentsDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAudience()
		watch(t, a, 1, time.Hour)
		types, statuses, conversations := map[worklog.Type]int{}, map[worklog.Status]int{}, map[string]bool{}
		parents := 0
		for _, d := range a.drafts {
			types[d.Type]++
			statuses[d.Status]++
			conversations[d.Conversation] = true
			if d.Parent != "" {
				parents++
			}
			if strings.Contains(d.Title+d.Details, "{{") {
				t.Errorf("a placeholder is left in %q", d.Title+d.Details)
			}
		}
		for _, typ := range worklog.Types() {
			if types[typ] == 0 {
				t.Errorf("no entry of type %s", typ)
			}
		}
		for _, s := range worklog.Statuses() {
			if statuses[s] == 0 {
				t.Errorf("no entry with status %s", s)
			}
		}
		if parents == 0 || a.merged == 0 || a.limited == 0 || len(conversations) < 8 {
			t.Errorf("%d parts of a step, %d repeats, %d limited, %d conversations: each must be seen", parents, a.merged, a.limited, len(conversations))
		}
		t.Logf("an hour: %d stored, %d limited, %d merged, %d conversations", a.stored, a.limited, a.merged, len(conversations))
		// A burst is an event, not the normal state.
		if a.limited > a.stored/7 {
			t.Errorf("%d limited of %d stored entries", a.limited, a.stored)
		}
	})
}

func TestEveryDemoStepThatRunsCompletes(t *testing.T) {
	t.Parallel()
	scenes, err := loadScenes(sceneFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenes {
		last := map[string]worklog.Draft{}
		for _, b := range s.beats("run", "conversation", rand.New(rand.NewPCG(1, 1))) {
			if b.draft.Parent != "" && last[b.draft.Parent].Status != worklog.StatusWorking {
				t.Errorf("%s: %q is part of a step that is not running", s.name, b.draft.Title)
			}
			if b.draft.Key != "" {
				last[b.draft.Key] = b.draft
			}
		}
		for _, d := range last {
			if d.Status == worklog.StatusWorking {
				t.Errorf("%s: %q never completes", s.name, d.Title)
			}
		}
	}
}

func TestDemoHistoryIsOldCompleteAndTheSameOnEveryStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAudience()
		watch(t, a, 1, time.Second)
		first := len(a.entries)
		old := 0
		for i, d := range a.drafts {
			if d.LoggedAt == nil {
				continue
			}
			old++
			if a.at[i].Sub(*d.LoggedAt) < time.Hour || d.Status == worklog.StatusWorking || d.Key == "" {
				t.Errorf("%q (%s) is not history", d.Title, d.Status)
			}
		}
		if old < 20 {
			t.Errorf("%d entries of history, want at least 20", old)
		}
		watch(t, a, 1, 300*time.Millisecond)
		if grown := len(a.entries) - first; grown > 2 {
			t.Errorf("a second start writes %d new entries, want only what happens now", grown)
		}
	})
}

func TestDemoWithTheSameSeedIsTheSameDemo(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) (drafts []worklog.Draft) {
		synctest.Test(t, func(t *testing.T) {
			a := newAudience()
			watch(t, a, seed, 2*time.Minute)
			drafts = a.drafts
		})
		return drafts
	}
	first, second, other := play(1), play(1), play(2)
	if !reflect.DeepEqual(first, second) {
		t.Error("two plays with one seed differ")
	}
	if reflect.DeepEqual(first, other) {
		t.Error("two plays with different seeds are the same")
	}
}

func TestDemoWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAudience()
		back := time.Now().Add(20 * time.Second)
		a.fail = func() error {
			if time.Now().Before(back) {
				return worklog.Errorf(worklog.CodeUnavailable, "starting")
			}
			return nil
		}
		watch(t, a, 1, 40*time.Second)
		if a.stored < 25 {
			t.Errorf("%d entries after the server came back", a.stored)
		}
	})
}

func TestDemoEndsWhenItsTokenIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAudience()
		a.fail = func() error { return worklog.Errorf(worklog.CodeUnauthorized, "no such token") }
		err := Play(t.Context(), a, 1, slog.New(slog.DiscardHandler))
		if worklog.CodeOf(err) != worklog.CodeUnauthorized {
			t.Errorf("got %v, want unauthorized", err)
		}
	})
}

func TestBrokenSceneIsNamed(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"scenes/x.ndjson": {Data: []byte(`{"title":"x"}` + "\n" + `{"titel":"typo"}`)}}
	if _, err := loadScenes(files); err == nil || !strings.Contains(err.Error(), "scenes/x.ndjson: line 2") {
		t.Errorf("got %v, want the file and the line", err)
	}
}
