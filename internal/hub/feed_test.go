package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestChangesArriveAtEveryTabInOrder(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		a := w.open(watch(1, "s1", "a", 0))
		b := w.open(watch(1, "s2", "b", 0))
		var want []int64
		for range 20 {
			want = append(want, w.commit(1, ""))
			synctest.Wait()
		}
		w.wantRevs(a, want)
		w.wantRevs(b, want)
	})
}

func TestWriteBetweenPageAndStreamArrives(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		w.commit(1, "")
		cursor := w.commit(1, "") // the page is rendered here
		want := []int64{w.commit(1, ""), w.commit(1, "")}
		w.wantRevs(w.open(watch(1, "s", "a", cursor)), want)
	})
}

func TestLostHintCostsOneSweepAtMost(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		synctest.Wait()
		rev := w.db.insert(1, "")
		w.wantRevs(p, nil)
		time.Sleep(19 * time.Second)
		w.wantRevs(p, []int64{rev})
	})
}

func TestDuplicatedAndEarlyHintsDeliverNothingTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		var want []int64
		for range 50 {
			w.hub.Hint(1)
			want = append(want, w.db.insert(1, ""))
			for range rand.IntN(4) {
				w.hub.Hint(1)
				w.hub.Hint(2)
			}
		}
		w.hub.Hint(1)
		w.wantRevs(p, want)
	})
}

func TestHintDuringAReadIsNotLost(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		synctest.Wait()
		w.db.lag = time.Second
		first := w.commit(1, "")
		time.Sleep(500 * time.Millisecond) // its read has seen the rows, and not returned yet
		second := w.commit(1, "")
		time.Sleep(3 * time.Second)
		w.wantRevs(p, []int64{first, second})
	})
}

func TestUnwatchedOwnerCostsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		for range 10 {
			w.commit(7, "")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.db.asked("frames") + w.db.asked("heads"); n != 0 {
			t.Errorf("%d queries for an owner that nobody watches", n)
		}
	})
}

func TestIdleTabsCostOneQueryASweep(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{Recheck: time.Hour}, func(w *world) {
		for i := range int64(100) {
			w.open(watch(i, fmt.Sprint("s", i), "a", 0))
		}
		synctest.Wait()
		before := w.db.asked("heads")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.db.asked("heads") - before; n < 3 || n > 4 {
			t.Errorf("100 idle tabs of 100 users cost %d queries a minute, want about 4", n)
		}
		if n := w.db.asked("frames"); n != 0 {
			t.Errorf("100 idle tabs read frames %d times", n)
		}
	})
}

func TestFramesAreRenderedOncePerFormat(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		for i := range 30 {
			w.open(watch(1, fmt.Sprint("s", i%10), fmt.Sprint("t", i), 0))
		}
		program := watch(1, "", "", 0)
		program.Token, program.Format = "token", JSON
		w.open(program)
		synctest.Wait()
		for range 40 {
			w.commit(1, "")
		}
		synctest.Wait()
		if n := w.db.renders.Load(); n != 80 {
			t.Errorf("40 changes in two formats were rendered %d times, want 80", n)
		}
	})
}

func TestNobodyRendersForUnwatchedFormats(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		filtered := watch(1, "s", "a", 0)
		filtered.Read = func(context.Context, int64, int) ([]*Frame, error) { return nil, nil }
		w.open(filtered)
		synctest.Wait()
		w.commit(1, "")
		synctest.Wait()
		if n := w.db.renders.Load(); n != 0 {
			t.Errorf("rendered %d times for a tab that reads by itself", n)
		}
	})
}

func TestConversationTabSeesItsConversationOnly(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		x := watch(1, "s", "x", 0)
		x.Conversation = "x"
		live := w.open(x)
		var want []int64
		for i := range 30 {
			rev := w.commit(1, []string{"x", "y", ""}[i%3])
			if i%3 == 0 {
				want = append(want, rev)
			}
			synctest.Wait()
		}
		w.wantRevs(live, want)
		if c := live.tab.cursor; c != 30 {
			t.Errorf("the cursor stands at %d, want 30: other conversations must move it too", c)
		}
		again := x
		again.TabID = "replayed"
		w.wantRevs(w.open(again), want)
	})
}

func TestTeamReaderWatchesAnotherOwner(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		reader := watch(2, "reader", "a", 0)
		reader.Owner, reader.Conversation = 1, "team"
		p := w.open(reader)
		rev := w.commit(1, "team")
		w.commit(1, "private")
		w.commit(2, "own")
		w.wantRevs(p, []int64{rev})
	})
}

func TestFilteredTabReadsByItself(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		even := watch(1, "s", "a", 0)
		even.Read = func(ctx context.Context, after int64, limit int) ([]*Frame, error) {
			frames, err := w.db.Frames(ctx, 1, after, "", limit)
			return slices.DeleteFunc(frames, func(f *Frame) bool { return f.rev%2 == 1 }), err
		}
		p := w.open(even)
		for range 9 {
			w.commit(1, "")
			synctest.Wait()
		}
		w.wantRevs(p, []int64{2, 4, 6, 8})
		if p.tab.cursor != 9 {
			t.Errorf("the cursor stands at %d, want 9: what the filter hides is seen too", p.tab.cursor)
		}
	})
}

func TestRingThatWrappedGivesTheSameAsTheDatabase(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{RingFrames: 8}, func(w *world) {
		slow := w.open(watch(1, "s", "slow", 0))
		fast := w.open(watch(1, "s", "fast", 0))
		synctest.Wait()
		slow.stuck = make(chan struct{})
		var want []int64
		for range 100 {
			want = append(want, w.commit(1, ""))
			synctest.Wait()
		}
		w.wantRevs(fast, want)
		close(slow.stuck)
		w.wantRevs(slow, want)
		if w.hub.Stats().Replayed == 0 {
			t.Error("the slow tab did not need the database: the test shows nothing")
		}
	})
}

func TestRingKeepsItsBounds(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{RingFrames: 100, RingBytes: 64 << 10}, func(w *world) {
		w.db.size = 1 << 10
		p := w.open(watch(1, "s", "a", 0))
		for range 500 {
			w.commit(1, "")
			synctest.Wait()
			ring := w.hub.feeds[1].window.Load()
			bytes := 0
			for _, f := range ring.frames {
				bytes += f.size()
			}
			if len(ring.frames) > 100 || bytes > 64<<10 {
				t.Fatalf("the ring holds %d frames, %d bytes", len(ring.frames), bytes)
			}
		}
		w.wantRevs(p, w.db.since(1, 0, ""))
	})
}

func TestFrameLargerThanTheRingArrives(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{RingBytes: 1 << 10}, func(w *world) {
		w.db.size = 10 << 10
		p := w.open(watch(1, "s", "a", 0))
		w.wantRevs(p, nil)
		want := []int64{w.commit(1, "")}
		w.wantRevs(p, want)
		want = append(want, w.commit(1, ""), w.commit(1, ""), w.commit(1, ""))
		w.wantRevs(p, want)
	})
}

func TestTabTooFarBehindIsToldToLoadAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		for range 301 {
			w.db.insert(1, "")
		}
		if end := w.open(watch(1, "s", "far", 0)).ended(); end != EndBehind {
			t.Errorf("301 changes behind ended as %v, want behind", end)
		}
		near := w.open(watch(1, "s", "near", 1))
		if end := near.ended(); end != 0 {
			t.Errorf("300 changes behind ended as %v", end)
		}
		w.wantRevs(near, w.db.since(1, 1, ""))
	})
}

func TestProgramPagesThroughAnyGap(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		for range 1234 {
			w.db.insert(1, "")
		}
		program := Watch{User: 1, Owner: 1, Token: "token", Format: JSON}
		w.wantRevs(w.open(program), w.db.since(1, 0, ""))
	})
}

func TestCursorOfAnotherHistoryIsToldToLoadAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		w.commit(1, "")
		if end := w.open(watch(1, "s", "a", 99)).ended(); end != EndBehind {
			t.Errorf("a cursor from the future ended as %v, want behind", end)
		}
	})
}

func TestCursorAheadOfTheFeedWaitsForIt(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		old := w.open(watch(1, "s", "old", 0))
		synctest.Wait()
		cursor := w.db.insert(1, "") // its hint is still on the way when a page is rendered
		p := w.open(watch(1, "s", "a", cursor))
		w.wantRevs(p, nil)
		w.wantRevs(old, []int64{cursor})
		next := w.commit(1, "")
		w.wantRevs(p, []int64{next})
	})
}

func TestRestoredBackupLoadsPagesAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		for range 5 {
			w.commit(1, "")
		}
		synctest.Wait()
		w.db.mu.Lock()
		w.db.heads[1], w.db.rows[1] = 2, w.db.rows[1][:2]
		w.db.mu.Unlock()
		time.Sleep(20 * time.Second)
		if end := p.ended(); end != EndBehind {
			t.Errorf("ended as %v, want behind", end)
		}
	})
}

func TestRevsOfDeletedRowsStallNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		for range 10 {
			w.db.insert(1, "")
		}
		w.db.rows[1] = w.db.rows[1][:5] // retention deleted the newest
		p := w.open(watch(1, "s", "a", 3))
		w.wantRevs(p, []int64{4, 5})
		if p.tab.cursor != 10 {
			t.Errorf("the cursor stands at %d, want 10", p.tab.cursor)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.db.asked("frames"); n != 1 {
			t.Errorf("the gap was read %d times", n)
		}
	})
}

func TestDatabaseOutageEndsReplaysAndKeepsLiveTabs(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{RingFrames: 4}, func(w *world) {
		live := w.open(watch(1, "s", "live", 0))
		var want []int64
		for range 10 {
			want = append(want, w.commit(1, ""))
		}
		w.wantRevs(live, want)
		w.db.fail(errors.New("the database is away"))
		w.hub.Hint(1)
		lagging := w.open(watch(1, "s", "lagging", 1))
		if end := lagging.ended(); end != EndFailed || end.Terminal() {
			t.Errorf("a replay without database ended as %v, want a transient error", end)
		}
		time.Sleep(30 * time.Second)
		if end := live.ended(); end != 0 {
			t.Errorf("the live tab ended as %v", end)
		}
		w.db.fail(nil)
		want = append(want, w.db.insert(1, ""))
		time.Sleep(20 * time.Second)
		w.wantRevs(live, want)
		w.wantRevs(w.open(watch(1, "s", "lagging", 1)), want[1:])
	})
}

func TestOutageAtTheStartDelaysTheFeed(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		w.db.fail(errors.New("the database is away"))
		p := w.open(watch(1, "s", "a", 0))
		rev := w.commit(1, "")
		time.Sleep(2 * time.Second)
		w.db.fail(nil)
		time.Sleep(5 * time.Second)
		w.wantRevs(p, []int64{rev})
	})
}

func TestFailedRenderingEndsTheTabAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		synctest.Wait()
		w.db.failures.Store(2) // the feed's try and the tab's
		rev := w.commit(1, "")
		if end := p.ended(); end != EndFailed {
			t.Errorf("ended as %v, want error", end)
		}
		w.wantRevs(w.open(watch(1, "s", "a", 0)), []int64{rev})
	})
}

func TestPanicWhileRenderingIsAnError(t *testing.T) {
	t.Parallel()
	f := NewFrame(7, "", "", 0, func(context.Context, Format) ([]byte, error) { panic("oops") })
	if _, err := f.Wire(t.Context(), HTML); err == nil {
		t.Error("no error")
	}
}
