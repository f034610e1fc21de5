package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// schedule is one run of the model: writers, tabs that drop and come back, hints that get lost.
type schedule struct {
	writers, writes, tabs, drops int
	lost                         float64 // share of hints
	ring                         int
	seed                         uint64
}

// TestEveryTabSeesEveryChangeOnceInOrder is the promise of the live path: whatever the schedule, a tab that keeps its
// cursor misses nothing, sees nothing twice, and ends with what a fresh page shows.
func TestEveryTabSeesEveryChangeOnceInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := schedule{
			writers: rapid.IntRange(1, 4).Draw(rt, "writers"),
			writes:  rapid.IntRange(1, 60).Draw(rt, "writes"),
			tabs:    rapid.IntRange(1, 6).Draw(rt, "tabs"),
			drops:   rapid.IntRange(0, 5).Draw(rt, "drops"),
			lost:    rapid.Float64Range(0, 1).Draw(rt, "lost hints"),
			ring:    rapid.SampledFrom([]int{2, 8, 512}).Draw(rt, "ring"),
			seed:    rapid.Uint64().Draw(rt, "seed"),
		}
		var problems []string
		inWorld(t, Options{RingFrames: s.ring, TabsPerSession: 9, MaxAge: 30 * time.Second}, func(w *world) { problems = s.run(w) })
		for _, p := range problems {
			rt.Error(p)
		}
	})
}

func (s schedule) run(w *world) (problems []string) {
	var everybody sync.WaitGroup
	for i := range s.writers {
		r := rand.New(rand.NewPCG(s.seed, uint64(i)))
		everybody.Go(func() { s.write(w, r) })
	}
	seen := make([][]int64, s.tabs)
	for i := range s.tabs {
		r := rand.New(rand.NewPCG(s.seed, uint64(100+i)))
		everybody.Go(func() { seen[i] = s.read(w, i, r) })
	}
	everybody.Wait()
	for i, revs := range seen {
		problems = append(problems, s.check(w, i, revs)...)
	}
	return problems
}

// write commits inserts and updates, and gives some of the hints, early, late or twice.
func (s schedule) write(w *world, r *rand.Rand) {
	for range s.writes {
		time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
		if r.IntN(3) == 0 {
			w.hub.Hint(1)
		}
		w.db.write(1, []string{"x", "y"}[r.IntN(2)], r.IntN(30))
		for range r.IntN(3) {
			if r.Float64() >= s.lost {
				w.hub.Hint(1)
			}
		}
	}
}

// read follows the feed over drops, ageing and reconnects, and returns what it saw.
func (s schedule) read(w *world, i int, r *rand.Rand) (seen []int64) {
	conversation := s.conversation(i)
	var cursor int64
	follow := func(d time.Duration) {
		request := watch(1, "s", fmt.Sprint("t", i), cursor)
		request.Conversation = conversation
		p, end := w.tryOpen(request)
		if end != 0 {
			return
		}
		select {
		case <-p.over:
		case <-time.After(d):
		}
		p.leave()
		seen = append(seen, p.got...)
		cursor = p.tab.Cursor()
	}
	for range s.drops {
		follow(time.Duration(r.IntN(8000)) * time.Millisecond)
		time.Sleep(time.Duration(r.IntN(5000)) * time.Millisecond)
	}
	time.Sleep(30 * time.Second) // all writers are done
	for range 3 {
		follow(20 * time.Second) // longer than a sweep
	}
	return seen
}

func (s schedule) conversation(tab int) string { return []string{"", "x"}[tab%2] }

func (s schedule) check(w *world, tab int, revs []int64) (problems []string) {
	if !slices.IsSorted(revs) || len(slices.Compact(slices.Clone(revs))) != len(revs) {
		problems = append(problems, fmt.Sprintf("tab %d saw changes out of order or twice: %v", tab, revs))
	}
	for _, rev := range w.db.since(1, 0, s.conversation(tab)) {
		if !slices.Contains(revs, rev) {
			problems = append(problems, fmt.Sprintf("tab %d never saw %d: %v", tab, rev, revs))
		}
	}
	return problems
}

func TestWindowsShareMemoryWithoutSharingFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := &window{}
		var rev int64
		var old []*window
		for range rapid.IntRange(1, 30).Draw(rt, "reads") {
			var more []*Frame
			for range rapid.IntRange(1, 20).Draw(rt, "frames") {
				rev++
				more = append(more, NewFrame(rev, "", "", 1, nil))
			}
			w = w.grown(more, 16, 1000)
			old = append(old, w)
		}
		for _, w := range old {
			for i, f := range w.frames {
				if f.rev != w.low+int64(i)+1 {
					rt.Fatalf("window (%d, %d] holds %d at %d", w.low, w.high, f.rev, i)
				}
			}
			if w.low+int64(len(w.frames)) != w.high {
				rt.Fatalf("window (%d, %d] holds %d frames", w.low, w.high, len(w.frames))
			}
		}
	})
}

func TestManyOwnersAtOnceUseFewWorkers(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{Workers: 2}, func(w *world) {
		var pages []*page
		for i := range 50 {
			pages = append(pages, w.open(watch(int64(i), fmt.Sprint("s", i), "a", 0)))
		}
		synctest.Wait()
		for i := range 50 {
			w.commit(int64(i), "")
		}
		for _, p := range pages {
			w.wantRevs(p, []int64{1})
		}
	})
}
