package limit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/limit"
	"pgregory.net/rapid"
)

var user = limit.Window{Owner: 1}

func wantGranted(t *testing.T, l *limit.Limiter, w limit.Window, n, want int) limit.Reservation {
	t.Helper()
	r := l.Reserve(w, n)
	if r.N != want {
		t.Errorf("reserving %d grants %d, want %d", n, r.N, want)
	}
	return r
}

// A token bucket of 60 would let 119 through here.
func TestNoMinuteHoldsMoreThanSixty(t *testing.T) {
	t.Parallel()
	l, c := setup(60, 100)
	wantGranted(t, l, user, 60, 60)
	c.advance(59 * time.Second)
	wantGranted(t, l, user, 59, 0)
	c.advance(time.Second - time.Microsecond)
	wantGranted(t, l, user, 1, 0)
	c.advance(time.Microsecond)
	wantGranted(t, l, user, 61, 60)
}

func TestPlacesGivenBackAreFreeAtOnce(t *testing.T) {
	t.Parallel()
	l, c := setup(3, 100)
	first := wantGranted(t, l, user, 2, 2)
	c.advance(time.Second)
	wantGranted(t, l, user, 2, 1)
	l.Release(first, 1)
	wantGranted(t, l, user, 2, 1)
	l.Release(first, 5) // one place is left of it
	wantGranted(t, l, user, 2, 1)
	wantGranted(t, l, user, 1, 0)
}

// Were the newest place given back instead, the stored entry would count from the failed one's time, and a minute
// could hold three entries.
func TestGivingBackAnOlderPlaceKeepsTheYoungerOnesTime(t *testing.T) {
	t.Parallel()
	l, c := setup(2, 100)
	failed := wantGranted(t, l, user, 1, 1)
	c.advance(10 * time.Second)
	wantGranted(t, l, user, 1, 1)
	l.Release(failed, 1)
	wantGranted(t, l, user, 1, 1)
	c.advance(50 * time.Second) // the failed one's minute is over, the stored one's is not
	wantGranted(t, l, user, 1, 0)
	c.advance(10 * time.Second)
	wantGranted(t, l, user, 3, 2)
}

func TestReleaseAfterTheMinuteChangesNothing(t *testing.T) {
	t.Parallel()
	l, c := setup(2, 100)
	old := wantGranted(t, l, user, 2, 2)
	c.advance(time.Minute)
	wantGranted(t, l, user, 2, 2)
	l.Release(old, 2)
	l.Release(limit.Reservation{}, 1)
	wantGranted(t, l, user, 1, 0)
}

func TestUsersAndTokensWithTheirOwnLimitDoNotShareAWindow(t *testing.T) {
	t.Parallel()
	l, _ := setup(2, 100)
	token := limit.Window{Owner: 1, Token: "a", Limit: 5}
	wantGranted(t, l, user, 9, 2)
	wantGranted(t, l, limit.Window{Owner: 2}, 9, 2)
	wantGranted(t, l, token, 9, 5)
	wantGranted(t, l, limit.Window{Owner: 1, Token: "b", Limit: 5}, 9, 5)
	wantGranted(t, l, user, 1, 0)
	wantGranted(t, l, token, 1, 0)
}

func TestStateSaysWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	l, c := setup(3, 100)
	check := func(want limit.State) {
		t.Helper()
		if got := l.State(user); got != want {
			t.Errorf("state %+v, want %+v", got, want)
		}
	}
	check(limit.State{Limit: 3, Remaining: 3})
	l.Reserve(user, 1)
	c.advance(10 * time.Second)
	l.Reserve(user, 1)
	check(limit.State{Limit: 3, Remaining: 1, Reset: 50 * time.Second})
	l.Reserve(user, 1)
	check(limit.State{Limit: 3, Remaining: 0, Reset: 50 * time.Second})
	c.advance(50 * time.Second)
	check(limit.State{Limit: 3, Remaining: 1, Reset: 10 * time.Second})

	lowered := limit.Window{Owner: 1, Limit: 1} // 2 taken: both must go before one is free
	if got, want := l.State(lowered), (limit.State{Limit: 1, Reset: 10 * time.Second}); got != want {
		t.Errorf("state with a lowered limit %+v, want %+v", got, want)
	}
}

func TestImportsHaveABudgetOfTheirOwn(t *testing.T) {
	t.Parallel()
	l, c := setup(1, 1000)
	token := limit.Window{Owner: 1, Token: "a"}
	steps := []struct {
		after      time.Duration
		n, granted int
		retry      time.Duration
	}{
		{0, 400, 400, 0},
		{10 * time.Second, 500, 500, 0},
		{0, 200, 100, 50 * time.Second}, // 100 missing: the first 400 go
		{0, 500, 0, time.Minute},        // 400 of the first, then 100 of those taken just now
		{20 * time.Second, 400, 0, 30 * time.Second},
		{0, 5000, 0, 40 * time.Second}, // never all at once: retry when the whole budget is free
		{40 * time.Second, 5000, 1000, 0},
	}
	for i, s := range steps {
		c.advance(s.after)
		r, retry := l.ReserveImport(token, s.n)
		if r.N != s.granted || retry != s.retry {
			t.Errorf("step %d: granted %d, retry %v, want %d, %v", i, r.N, retry, s.granted, s.retry)
		}
	}
	wantGranted(t, l, limit.Window{Owner: 1}, 2, 1)
	wantGranted(t, l, token, 2, 1)
}

// modelPlace is one place in the naive model: never forgotten, only marked.
type modelPlace struct {
	at       time.Time
	released bool
}

type modelReservation struct {
	real   limit.Reservation
	places []*modelPlace // not released yet
}

// naive is the limiter in its most obvious form.
type naive struct {
	limit  int
	places []*modelPlace
}

func (m *naive) live(now time.Time) int {
	n := 0
	for _, p := range m.places {
		if !p.released && now.Sub(p.at) < time.Minute {
			n++
		}
	}
	return n
}

// fullest is the largest number of kept places in any window of one minute.
func (m *naive) fullest() int {
	most := 0
	for _, first := range m.places {
		n := 0
		for _, p := range m.places {
			if d := p.at.Sub(first.at); !p.released && d >= 0 && d < time.Minute {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func TestLimiterBehavesLikeTheNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := naive{limit: rapid.IntRange(1, 8).Draw(t, "limit")}
		l, c := setup(m.limit, 1)
		var open []*modelReservation
		t.Repeat(map[string]func(*rapid.T){
			"advance": func(t *rapid.T) {
				tens := rapid.IntRange(0, 6).Draw(t, "tens of seconds") // hits the edges of the window
				c.advance(time.Duration(tens)*10*time.Second + time.Duration(rapid.IntRange(0, 1).Draw(t, "microseconds"))*time.Microsecond)
			},
			"reserve": func(t *rapid.T) {
				n := rapid.IntRange(0, 10).Draw(t, "n")
				r := l.Reserve(user, n)
				if want := min(n, m.limit-m.live(c.now())); r.N != want {
					t.Fatalf("reserving %d grants %d, want %d", n, r.N, want)
				}
				res := &modelReservation{real: r}
				for range r.N {
					p := &modelPlace{at: c.now()}
					m.places = append(m.places, p)
					res.places = append(res.places, p)
				}
				open = append(open, res)
			},
			"release": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				res := open[rapid.IntRange(0, len(open)-1).Draw(t, "which")]
				n := rapid.IntRange(0, len(res.places)).Draw(t, "n")
				l.Release(res.real, n)
				for _, p := range res.places[:n] {
					p.released = true
				}
				res.places = slices.Clone(res.places[n:])
			},
			"sweep": func(*rapid.T) { l.Sweep() },
			"": func(t *rapid.T) {
				if got, want := l.State(user).Remaining, m.limit-m.live(c.now()); got != want {
					t.Fatalf("%d remain, want %d", got, want)
				}
				if n := m.fullest(); n > m.limit {
					t.Fatalf("a minute holds %d entries, the limit is %d", n, m.limit)
				}
			},
		})
	})
}
