package limit_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/internal/limit"
)

// clock is a hand-moved clock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func setup(perMinute, imports int) (*limit.Limiter, *clock) {
	c := newClock()
	return limit.New(limit.Options{PerMinute: perMinute, Import: imports, Now: c.now}), c
}

func TestSweepForgetsWhatNoLongerMatters(t *testing.T) {
	t.Parallel()
	l, c := setup(60, 100)
	l.Reserve(limit.Window{Owner: 1}, 3)
	l.ReserveImport(limit.Window{Owner: 2, Token: "t"}, 3)
	l.Committed(3, limit.Fingerprint{1}, "id", 1)
	l.Coalesce(4, "step")
	wantSize(t, l, limit.Size{Windows: 2, Recent: 1, Updates: 1})

	c.advance(time.Second)
	l.Sweep()
	wantSize(t, l, limit.Size{Windows: 2})

	c.advance(59 * time.Second)
	l.Sweep()
	wantSize(t, l, limit.Size{})
}

func wantSize(t *testing.T, l *limit.Limiter, want limit.Size) {
	t.Helper()
	if got := l.Size(); got != want {
		t.Errorf("size %+v, want %+v", got, want)
	}
}

func TestRunSweepsByItselfAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(limit.Options{PerMinute: 60, Now: time.Now})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		l.Reserve(limit.Window{Owner: 1}, 60)
		l.Committed(1, limit.Fingerprint{1}, "id", 1)

		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantSize(t, l, limit.Size{Windows: 1})
		time.Sleep(time.Minute)
		synctest.Wait()
		wantSize(t, l, limit.Size{})

		stop()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
	})
}

// 100,000 users, each at the limit, fit into 100 MB, and leave it again.
func TestHundredThousandUsersFitAndAreForgotten_S16(t *testing.T) {
	l, c := setup(60, 100)
	before := heap()
	for owner := range int64(100_000) {
		if l.Reserve(limit.Window{Owner: owner}, 60).N != 60 {
			t.Fatalf("owner %d was refused below the limit", owner)
		}
	}
	full := heap() - before
	t.Logf("100,000 users with 60 places each: %d MB, %d bytes a user", full>>20, full/100_000)
	if full > 100<<20 {
		t.Errorf("100,000 users hold %d bytes", full)
	}
	c.advance(time.Minute)
	l.Sweep()
	wantSize(t, l, limit.Size{})
	left := heap() - before
	t.Logf("after the sweep: %d MB", left>>20)
	if left > 20<<20 {
		t.Errorf("%d bytes stay after the sweep", left)
	}
	runtime.KeepAlive(l)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryIsBoundedWhateverIsSent(t *testing.T) {
	t.Parallel()
	l, _ := setup(60, 100)
	var f limit.Fingerprint
	for i := range int64(200_000) {
		f[0], f[1], f[2] = byte(i), byte(i>>8), byte(i>>16)
		l.Committed(i, f, "id", i)
		l.Coalesce(i, "step")
	}
	if n := l.Size(); n.Recent > 1<<17 || n.Updates > 1<<17 {
		t.Errorf("size %+v exceeds its bounds", n)
	}
}

func TestConcurrentWritersNeverExceedTheLimit(t *testing.T) {
	t.Parallel()
	l, _ := setup(60, 100)
	var wg sync.WaitGroup
	granted := make([]int, 8)
	for i := range granted {
		wg.Go(func() {
			for range 100 {
				r := l.Reserve(limit.Window{Owner: 1}, 2)
				if i%2 == 0 {
					l.Release(r, r.N)
					continue
				}
				granted[i] += r.N
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range granted {
		total += n
	}
	if state := l.State(limit.Window{Owner: 1}); total > 60 || state.Remaining != 60-total {
		t.Errorf("%d places kept and %d remain, want 60 together", total, state.Remaining)
	}
}
