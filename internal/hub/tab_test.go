package hub

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowReaderDelaysNobodyAndResumesExactly_S22(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		slow, fast := w.open(watch(1, "s", "slow", 0)), w.open(watch(1, "s", "fast", 0))
		synctest.Wait()
		slow.stuck = make(chan struct{})
		var want []int64
		for range 50 {
			want = append(want, w.commit(1, ""))
			w.wantRevs(fast, want)
		}
		if end := slow.ended(); end != 0 {
			t.Fatalf("ended as %v before its deadline", end)
		}
		time.Sleep(writeDeadline + time.Second)
		if end := slow.ended(); end != EndSlow || end.Terminal() {
			t.Errorf("ended as %v, want a transient slow", end)
		}
		w.wantRevs(slow, nil)
		w.wantRevs(w.open(watch(1, "s", "slow", 0)), want)
	})
}

func TestBurstIsSentInFewFlushes(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		synctest.Wait()
		for range 300 {
			w.db.insert(1, "")
		}
		w.hub.Hint(1)
		w.wantRevs(p, w.db.since(1, 0, ""))
		if p.flushes > 300/sendBatch+2 {
			t.Errorf("300 frames took %d flushes", p.flushes)
		}
	})
}

func TestPingsCarryTheCursor(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		x := watch(1, "s", "a", 0)
		x.Conversation = "x"
		p := w.open(x)
		for range 7 {
			w.commit(1, "other")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(p.pings); n < 2 || n > 3 {
			t.Errorf("%d pings in a minute, want one every 20 s", n)
		}
		if p.pings[0] != 7 {
			t.Errorf("the first ping says %d, want 7", p.pings[0])
		}
	})
}

func TestTotalsAreToldOnceASecondAtMost(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if p.settled != 0 {
			t.Errorf("%d totals without news", p.settled)
		}
		for range 100 { // ten seconds of news
			w.commit(1, "")
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if p.settled < 9 || p.settled > 11 {
			t.Errorf("%d totals for ten seconds of news, want one a second", p.settled)
		}
	})
}

func TestVeryManyTabsAreToldTheirTotalsLessOften(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{TabsPerSession: settleTabs, TabsPerUser: settleTabs}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		for i := range settleTabs {
			w.open(watch(2, "s2", fmt.Sprint("b", i), 0))
		}
		for range 40 { // twenty seconds of news
			w.commit(1, "")
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if p.settled < 9 || p.settled > 11 {
			t.Errorf("%d totals for twenty seconds of news, want one every two seconds", p.settled)
		}
		w.wantRevs(p, w.db.since(1, 0, ""))
	})
}

// Somebody has to be asked for the totals. Entries do not wait for that, and more news does not put it off.
func TestTotalsThatAreNotReadyHoldUpNoEntriesAndComeSoon(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		p.mu.Lock()
		p.undone = 3
		p.mu.Unlock()
		began := time.Now()
		for n := range 55 { // news every 20 ms until after the totals
			w.commit(1, "")
			synctest.Wait()
			if got := len(p.revs()); got != n+1 {
				t.Fatalf("%d of %d entries have arrived", got, n+1)
			}
			time.Sleep(20 * time.Millisecond)
		}
		synctest.Wait()
		if n, since := p.told(); n != 1 || since.Sub(began) > time.Second+10*time.Millisecond {
			t.Errorf("%d totals, of %v after the first news", n, since.Sub(began))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n, _ := p.told(); n != 2 {
			t.Errorf("what came meanwhile was told %d times, want once", n-1)
		}
	})
}

func TestTotalsAreToldAlsoToTabsThatShowNoneOfTheNews(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		elsewhere := watch(1, "s", "a", 0)
		elsewhere.Conversation = "x"
		p, stranger := w.open(elsewhere), w.open(watch(2, "s2", "b", 0))
		time.Sleep(time.Minute)
		at := time.Now()
		w.commit(1, "y")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if p.settled != 1 || p.since.Before(at) || p.since.After(at.Add(time.Second)) || stranger.settled != 0 {
			t.Errorf("%d totals, of %v after the news; %d of another owner", p.settled, p.since.Sub(at), stranger.settled)
		}
		w.wantRevs(p, nil)
	})
}

func TestATabOfOneEntryIsToldOfThatAlone(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{RingFrames: 4}, func(w *world) {
		behind := w.db.write(1, "x", 7)
		w.commit(1, "x")
		one := watch(1, "s", "a", 0)
		one.Entry = "7"
		p := w.open(one)
		synctest.Wait()
		for range 20 {
			w.commit(1, "x")
		}
		again := w.db.write(1, "x", 7)
		w.hub.Hint(1)
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantRevs(p, []int64{behind, again})
	})
}

func TestClosedTabIsOverWithoutServing(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		tab, end := w.hub.Open(watch(1, "s", "a", 0))
		if end != 0 {
			t.Fatal(end)
		}
		tab.Close()
		tab.Close()
		if tab.Ended() != EndLeft {
			t.Errorf("ended as %v", tab.Ended())
		}
		w.empty()
	})
}
