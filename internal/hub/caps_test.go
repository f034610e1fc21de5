package hub

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func (w *world) wantEnds(pages map[*page]End) {
	w.t.Helper()
	for p, want := range pages {
		if got := p.ended(); got != want {
			w.t.Errorf("tab %s ended as %v, want %v", p.tab.watch.TabID, got, want)
		}
	}
}

func TestFourthTabClosesTheOldest_S22(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		a, b, c := w.open(watch(1, "s", "a", 0)), w.open(watch(1, "s", "b", 0)), w.open(watch(1, "s", "c", 0))
		other := w.open(watch(1, "elsewhere", "a", 0))
		d := w.open(watch(1, "s", "d", 0))
		w.wantEnds(map[*page]End{a: EndEvicted, b: 0, c: 0, d: 0, other: 0})
		if !EndEvicted.Terminal() {
			t.Error("an evicted tab must not come back by itself")
		}
	})
}

func TestThirteenthTabOfAUserClosesTheOldest(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		var pages []*page
		for i := range 13 {
			pages = append(pages, w.open(watch(1, fmt.Sprint("s", i), "a", 0)))
		}
		ends := map[*page]End{}
		for i, p := range pages {
			if ends[p] = 0; i == 0 {
				ends[p] = EndEvicted
			}
		}
		w.wantEnds(ends)
	})
}

func TestTeamTabCountsOnItsReader(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{TabsPerUser: 1}, func(w *world) {
		owner := w.open(watch(1, "owner", "a", 0))
		reader := watch(2, "reader", "a", 0)
		reader.Owner = 1
		first := w.open(reader)
		reader.TabID = "b"
		second := w.open(reader)
		w.wantEnds(map[*page]End{owner: 0, first: EndEvicted, second: 0})
	})
}

func TestProgramsRefuseTheNewest(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		program := Watch{User: 1, Owner: 1, Token: "token", Format: JSON}
		var open []*page
		for range 10 {
			open = append(open, w.open(program))
		}
		if _, end := w.tryOpen(program); end != EndRefused {
			t.Errorf("the eleventh stream of a token: %v, want refused", end)
		}
		w.open(watch(1, "s", "a", 0))
		open[3].leave()
		w.open(program)
		if got := open[0].ended(); got != 0 {
			t.Errorf("the oldest stream ended as %v", got)
		}
	})
}

func TestHundredConnectsAtOnceNeverExceedTheCap(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		var opening sync.WaitGroup
		for i := range 100 {
			opening.Go(func() {
				w.open(watch(1, "s", fmt.Sprint("t", i), 0))
				w.hub.mu.Lock()
				defer w.hub.mu.Unlock()
				if n := len(w.hub.sessions["s"]); n > 3 {
					t.Errorf("the session has %d tabs", n)
				}
			})
		}
		opening.Wait()
		synctest.Wait()
		if s := w.hub.Stats(); s.Open != 3 || s.Ended[EndEvicted] != 97 {
			t.Errorf("%d open, %d evicted, want 3 and 97", s.Open, s.Ended[EndEvicted])
		}
	})
}

func TestReturningTabReplacesItselfAndEvictsNobody(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		a, b, c := w.open(watch(1, "s", "a", 0)), w.open(watch(1, "s", "b", 0)), w.open(watch(1, "s", "c", 0))
		again := w.open(watch(1, "s", "a", 0))
		w.wantEnds(map[*page]End{a: EndReplaced, b: 0, c: 0, again: 0})
	})
}

func TestSessionsDoNotShareTabIDs(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		a := w.open(watch(1, "s", "a", 0))
		w.open(watch(2, "other", "a", 0))
		w.wantEnds(map[*page]End{a: 0})
	})
}

func TestEvictedTabStaysOutUntilItIsResumed(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{TabsPerSession: 1}, func(w *world) {
		a := w.open(watch(1, "s", "a", 0))
		b := w.open(watch(1, "s", "b", 0))
		w.wantEnds(map[*page]End{a: EndEvicted, b: 0})
		for range 3 { // a lost answer makes it come back by itself
			if _, end := w.tryOpen(watch(1, "s", "a", 0)); end != EndEvicted {
				t.Errorf("the evicted tab was answered %v", end)
			}
		}
		w.wantEnds(map[*page]End{b: 0})
		resumed := watch(1, "s", "a", 0)
		resumed.Generation = 1
		a = w.open(resumed)
		w.wantEnds(map[*page]End{a: 0, b: EndEvicted})
		if _, end := w.tryOpen(watch(1, "s", "a", 0)); end != EndEvicted {
			t.Errorf("a stream from before the resume was answered %v", end)
		}
		time.Sleep(rememberEvicted + time.Minute)
		synctest.Wait()
		if n := len(w.hub.evicted); n != 0 {
			t.Errorf("%d evictions are remembered for ever", n)
		}
	})
}

func TestFullProcessRefusesBeforeItEvicts(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{MaxTabs: 2, TabsPerSession: 2}, func(w *world) {
		a, b := w.open(watch(1, "s", "a", 0)), w.open(watch(1, "s", "b", 0))
		if _, end := w.tryOpen(watch(1, "s", "c", 0)); end != EndBusy || end.Terminal() {
			t.Errorf("answered %v, want a transient busy", end)
		}
		again := w.open(watch(1, "s", "b", 0))
		w.wantEnds(map[*page]End{a: 0, b: EndReplaced, again: 0})
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	m := map[int]bool{}
	for i := range maxRemembered + 100 {
		remember(m, i, true)
	}
	if len(m) > maxRemembered {
		t.Errorf("%d remembered", len(m))
	}
}

func TestTabsAgeApart(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{Recheck: 24 * time.Hour}, func(w *world) {
		var pages []*page
		for i := range 50 {
			pages = append(pages, w.open(watch(int64(i), fmt.Sprint("s", i), "a", 0)))
		}
		time.Sleep(48*time.Minute - time.Second)
		for _, p := range pages {
			if end := p.ended(); end != 0 {
				t.Fatalf("ended as %v before 0.8 h", end)
			}
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if n := w.hub.Stats().Open; n == 0 || n == 50 {
			t.Errorf("%d of 50 tabs are open in the middle of the span: they do not age apart", n)
		}
		time.Sleep(7 * time.Minute)
		for _, p := range pages {
			if end := p.ended(); end != EndAged || end.Terminal() {
				t.Errorf("ended as %v, want a transient age", end)
			}
		}
	})
}

func TestSignOutRevokeAndDeletionEndStreams(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		a, b := w.open(watch(1, "s1", "a", 0)), w.open(watch(1, "s2", "b", 0))
		other := w.open(watch(2, "s3", "c", 0))
		team := watch(2, "s3", "d", 0)
		team.Owner, team.Conversation = 1, "x"
		reader := w.open(team)
		program := w.open(Watch{User: 2, Owner: 2, Token: "token"})
		w.hub.CloseSession("s1", EndSignedOut)
		w.wantEnds(map[*page]End{a: EndSignedOut, b: 0, other: 0, reader: 0, program: 0})
		w.hub.CloseConversation("x", EndGone)
		w.wantEnds(map[*page]End{b: 0, other: 0, reader: EndGone, program: 0})
		w.hub.CloseToken("token", EndSignedOut)
		w.wantEnds(map[*page]End{b: 0, other: 0, program: EndSignedOut})
		w.hub.CloseUser(1, EndSignedOut)
		w.wantEnds(map[*page]End{b: EndSignedOut, other: 0})
	})
}

func TestStreamThatOpensWhileItsUserIsDisabledIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		checked := time.Now()
		time.Sleep(time.Second)
		w.hub.CloseUser(1, EndSignedOut)
		late := Watch{User: 1, Owner: 1, Token: "token", AsOf: checked}
		if _, end := w.tryOpen(late); end != EndSignedOut {
			t.Errorf("a token that was checked before was answered %v", end)
		}
		reader := watch(1, "s", "a", 0)
		reader.AsOf = checked
		if _, end := w.tryOpen(reader); end != EndSignedOut {
			t.Errorf("a session that was checked before was answered %v", end)
		}
		time.Sleep(time.Second)
		reader.AsOf = time.Now() // signed in anew
		w.wantEnds(map[*page]End{w.open(reader): 0})
		late.User, late.Owner = 2, 2
		w.wantEnds(map[*page]End{w.open(late): 0})
	})
}

func TestStreamThatOpensDuringSignOutIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		w.hub.CloseSession("s", EndSignedOut)
		w.hub.CloseToken("token", EndSignedOut)
		if _, end := w.tryOpen(watch(1, "s", "a", 0)); end != EndSignedOut {
			t.Errorf("the session was answered %v", end)
		}
		if _, end := w.tryOpen(Watch{User: 1, Owner: 1, Token: "token"}); end != EndSignedOut {
			t.Errorf("the token was answered %v", end)
		}
		time.Sleep(rememberEnded + time.Minute)
		synctest.Wait()
		if n := len(w.hub.ended); n != 0 {
			t.Errorf("%d ended sessions are remembered for ever", n)
		}
	})
}

func TestEndedSessionIsFoundWithoutNotification(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		w.db.alive["good"] = time.Time{}
		good, ended := w.open(watch(1, "good", "a", 0)), w.open(watch(1, "ended", "b", 0))
		time.Sleep(5 * time.Minute)
		w.wantEnds(map[*page]End{good: 0, ended: EndSignedOut})
	})
}

func TestExpiryIsCheckedAgainWhenItComes(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{Recheck: time.Hour}, func(w *world) {
		now := time.Now()
		used, unused := watch(1, "used", "a", 0), watch(1, "unused", "b", 0)
		used.Expires, unused.Expires = now.Add(time.Minute), now.Add(time.Minute)
		w.db.alive["used"] = now.Add(10 * time.Minute) // other pages prolonged it
		a, b := w.open(used), w.open(unused)
		time.Sleep(40 * time.Second)
		w.wantEnds(map[*page]End{a: 0, b: 0})
		time.Sleep(40 * time.Second)
		w.wantEnds(map[*page]End{a: 0, b: EndSignedOut})
		if n := w.db.asked("alive"); n != 1 {
			t.Errorf("the session was looked up %d times in 80 s", n)
		}
		delete(w.db.alive, "used")
		time.Sleep(10 * time.Minute)
		w.wantEnds(map[*page]End{a: EndSignedOut})
	})
}

func TestMissedNotificationsAreMadeUpFor(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		w.db.alive["good"] = time.Time{}
		good, ended := w.open(watch(1, "good", "a", 0)), w.open(watch(1, "ended", "b", 0))
		conversation := watch(1, "good", "c", 0)
		conversation.Conversation = "x"
		c := w.open(conversation)
		w.hub.RecheckAll()
		w.wantEnds(map[*page]End{good: 0, ended: EndSignedOut, c: EndRecheck})
		if EndRecheck.Terminal() {
			t.Error("who may still read must come back")
		}
	})
}

func TestConversationClosedDuringOpenIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		x := watch(1, "s", "a", 0)
		x.Conversation, x.AsOf = "x", time.Now()
		time.Sleep(time.Second)
		w.hub.CloseConversation("x", EndGone)
		if _, end := w.tryOpen(x); end != EndGone {
			t.Errorf("answered %v, want gone", end)
		}
		time.Sleep(time.Second)
		x.AsOf = time.Now() // checked after it was closed, for example because it is readable again
		p := w.open(x)
		w.wantEnds(map[*page]End{p: 0})
	})
}

func TestUnansweredRecheckEndsNobody(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		w.db.fail(errors.New("the database is away"))
		time.Sleep(10 * time.Minute)
		w.wantEnds(map[*page]End{p: 0})
	})
}

func TestShutdownEndsEverythingAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		a, b := w.open(watch(1, "s", "a", 0)), w.open(watch(2, "s2", "b", 0))
		w.hub.Shutdown()
		w.wantEnds(map[*page]End{a: EndStopping, b: EndStopping})
		if _, end := w.tryOpen(watch(1, "s", "c", 0)); end != EndStopping || end.Terminal() {
			t.Errorf("answered %v, want a transient shutdown", end)
		}
	})
}

func TestNothingIsLeftWhenAllHaveGone(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		var pages []*page
		for i := range 40 {
			p := watch(int64(i%5), fmt.Sprint("s", i%20), fmt.Sprint("t", i), 0)
			if i%4 == 0 {
				p.TabID, p.Session, p.Token = "", "", "token"
			}
			pages = append(pages, w.open(p))
		}
		synctest.Wait()
		for _, p := range pages {
			p.leave()
			p.tab.Close()
		}
		w.empty()
	})
}

func TestStatsAddUp(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		var pages []*page
		for i := range 10 {
			pages = append(pages, w.open(watch(int64(i%2), "s", fmt.Sprint("t", i), 0)))
		}
		pages[9].leave()
		w.tryOpen(watch(0, "s", "t0", 0))
		synctest.Wait()
		w.commit(0, "")
		synctest.Wait()
		time.Sleep(time.Minute)
		s := w.hub.Stats()
		var ended uint64
		for _, n := range s.Ended {
			ended += n
		}
		if s.Opened != uint64(s.Open)+ended || s.Refused != 1 || s.Open != 2 || s.Ended[EndEvicted] != 7 || s.Ended[EndLeft] != 1 {
			t.Errorf("the figures do not add up: %+v", s)
		}
		var observed uint64
		for _, n := range s.Latency.Counts {
			observed += n
		}
		if s.Frames != 1 || observed != 1 || s.Bytes == 0 || len(s.Latency.Counts) != len(s.Latency.Bounds)+1 {
			t.Errorf("one frame was sent: %+v", s)
		}
		if s.Busiest != 2 {
			t.Errorf("the busiest session has %d tabs, want 2", s.Busiest)
		}
		if s.Oldest != time.Minute {
			t.Errorf("the oldest tab is %v old, want 1 m", s.Oldest)
		}
	})
}

func TestEveryEndHasAWord(t *testing.T) {
	t.Parallel()
	var words []string
	for e := range EndLeft + 1 {
		words = append(words, e.String())
	}
	slices.Sort(words)
	if n := len(slices.Compact(words)); n != int(EndLeft)+1 || words[0] == "" {
		t.Errorf("words: %q", words)
	}
}

func TestReplaysWaitForAPlaceAndGiveUp(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{Readers: 1, RingFrames: 2}, func(w *world) {
		first := w.open(watch(9, "s9", "keeps the feed", 0))
		for range 20 {
			w.commit(9, "")
		}
		synctest.Wait()
		w.db.delay = 30 * time.Second
		a, b := w.open(watch(9, "s1", "a", 1)), w.open(watch(9, "s2", "b", 1))
		time.Sleep(11 * time.Second)
		if ends := []End{a.ended(), b.ended()}; !slices.Contains(ends, EndBusy) {
			t.Errorf("ended as %v, want one busy", ends)
		}
		time.Sleep(time.Minute)
		first.leave()
	})
}

func TestPagesOfWhatIsUnfiledAreTheOnlyOnesThatAreLoadedAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		w.db.alive = map[string]time.Time{"s": {}, "t": {}}
		unfiled := func(user int64, session, tab string) Watch {
			x := watch(user, session, tab, 0)
			x.UnfiledAt = time.Now()
			return x
		}
		early := unfiled(1, "s", "late")
		mine, other, activity := w.open(unfiled(1, "s", "a")), w.open(unfiled(2, "t", "a")), w.open(watch(1, "s", "b", 0))
		time.Sleep(time.Second)
		w.hub.Unfiled(1)
		w.wantEnds(map[*page]End{mine: EndBehind, other: 0, activity: 0})
		if _, end := w.tryOpen(early); end != EndBehind {
			t.Errorf("a page that was read before is answered %v", end)
		}
		time.Sleep(2 * rememberEnded)
		if _, end := w.tryOpen(early); end != EndBehind {
			t.Errorf("long after that it is answered %v", end)
		}
		late := w.open(unfiled(1, "s", "late"))
		w.wantEnds(map[*page]End{late: 0})
		w.hub.RecheckAll() // some may have been missed
		w.wantEnds(map[*page]End{late: EndBehind, other: EndBehind, activity: 0})
	})
}

func TestPagesOfWhatIsUnfiledAreLoadedAgainAfterARestart(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		before := watch(1, "s", "a", 0)
		before.UnfiledAt = time.Now().Add(-time.Microsecond)
		if _, end := w.tryOpen(before); end != EndBehind || !w.hub.UnfiledSince(1, before.UnfiledAt) {
			t.Errorf("a page from before the start is answered %v", end)
		}
		after := watch(1, "s", "a", 0)
		after.UnfiledAt = w.hub.Now()
		w.wantEnds(map[*page]End{w.open(after): 0})
	})
}

func TestPagesOfWhatIsUnfiledAreLoadedAgainWhenSomethingMayHaveBeenMissed(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		read := w.hub.Now()
		time.Sleep(time.Second)
		w.hub.RecheckAll()
		if !w.hub.UnfiledSince(1, read) {
			t.Error("a page that was away is not told")
		}
		if w.hub.UnfiledSince(1, w.hub.Now()) {
			t.Error("a page that was loaded since is told to load again")
		}
	})
}

func TestTheClockOfPagesIsNeverSetBack(t *testing.T) {
	t.Parallel()
	h := New(nil, Options{})
	h.clock.Store(time.Now().Add(time.Hour).UnixMicro()) // the clock was an hour ahead
	h.RecheckAll()
	read := h.Now()
	if h.UnfiledSince(1, read) {
		t.Error("a page that is loaded now is older than the last of what may have been missed")
	}
	h.Unfiled(1)
	if after := h.Now(); !h.UnfiledSince(1, read) || h.UnfiledSince(1, after) {
		t.Error("a deletion is not told to the pages before it, and to no other")
	}
}

func TestNoFinishedDeletionIsForgotten(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{}, func(w *world) {
		const owners = maxRemembered + 2
		read := make([]time.Time, owners)
		for owner := range read {
			read[owner] = w.hub.Now()
			w.hub.Unfiled(int64(owner))
			time.Sleep(time.Millisecond)
		}
		for owner, at := range read {
			if !w.hub.UnfiledSince(int64(owner), at) {
				t.Errorf("a page of owner %d that was read before is not told", owner)
			}
			if later := at.Add(time.Millisecond); owner > 1 && w.hub.UnfiledSince(int64(owner), later) {
				t.Errorf("a page of owner %d that was read since is told to load again", owner)
			}
		}
		if n := len(w.hub.unfiled); n > maxRemembered {
			t.Errorf("%d owners are remembered", n)
		}
		if w.hub.UnfiledSince(owners, read[2]) {
			t.Error("more pages are loaded again than has to be")
		}
	})
}
