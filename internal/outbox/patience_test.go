package outbox

import (
	"errors"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// away is a server that nobody reaches until a time.
func away(until time.Time, tries *int) answers {
	return func(string) int {
		*tries++
		if time.Now().Before(until) {
			return http.StatusBadGateway
		}
		return http.StatusNoContent
	}
}

// another is the same outbox in another process.
func another(o *Outbox) *Outbox {
	x := *o
	x.settled = nil
	return &x
}

func TestADeliveryOutlastsANightWithoutAServerAndHardlyAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		const night = 9 * time.Hour
		o := boxOf(t, away(began.Add(night), &tries), "a", "b")
		r, err := o.Deliver(t.Context(), false)
		if late := time.Since(began) - night; err != nil || r.Delivered != 2 || late > 5*time.Minute || tries > 130 {
			t.Errorf("%+v, %v, %v late, %d tries", r, err, late, tries)
		}
	})
}

func TestADeliveryThatNobodyWaitsForOutlastsAServerThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o := boxOf(t, func(string) int {
			if time.Since(began) < 3*time.Hour {
				return http.StatusInternalServerError
			}
			return http.StatusNoContent
		}, "a", "b")
		if r, err := o.Deliver(t.Context(), false); err != nil || r.Delivered != 2 || r.GivenUp != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestADeliveryDoesNotLiveForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{http.StatusBadGateway, http.StatusInternalServerError} {
			began := time.Now()
			r, err := boxOf(t, func(string) int { return status }, "a").Deliver(t.Context(), false)
			if lived := time.Since(began); err == nil || r.Waiting != 1 || lived > 24*time.Hour {
				t.Errorf("%+v, %v after %v", r, err, lived)
			}
		}
		denied := boxOf(t, func(string) int { return http.StatusUnauthorized }, "a")
		began := time.Now()
		if _, err := denied.Deliver(t.Context(), false); !errors.Is(err, errDenied) || time.Since(began) > time.Second {
			t.Errorf("%v after %v: a person has to do something first", err, time.Since(began))
		}
	})
}

// sleeping is an outbox whose delivery has been asleep for hours before an away server, which is back from now on.
func sleeping(t *testing.T) (o *Outbox, ended chan time.Time) {
	t.Helper()
	tries := 0
	back := time.Now().Add(5 * time.Hour)
	o, ended = boxOf(t, away(back, &tries), "a"), make(chan time.Time, 1)
	go func() {
		if r, err := another(o).Deliver(t.Context(), false); err != nil {
			t.Errorf("%+v, %v", r, err)
		}
		ended <- time.Now()
	}()
	<-time.After(time.Until(back))
	synctest.Wait()
	return o, ended
}

func TestANewEventWakesTheDeliveryThatSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, ended := sleeping(t)
		began := time.Now()
		e := event{at: began, id: "y", size: 1}
		if err := o.keep(e.name(), e, []byte("b"), nil); err != nil {
			t.Fatal(err)
		}
		if waited := (<-ended).Sub(began); waited > 10*time.Second {
			t.Errorf("the page hears of it after %v", waited)
		}
	})
}

func TestAFlushWakesTheDeliveryThatSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, ended := sleeping(t)
		began := time.Now()
		if r, err := another(o).Deliver(t.Context(), true); err != nil || r.Waiting != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if waited := (<-ended).Sub(began); waited > 10*time.Second {
			t.Errorf("somebody waits for %v", waited)
		}
	})
}

func TestADeliveryEndsWithItsOutbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := boxOf(t, func(string) int { return http.StatusBadGateway }, "a")
		ended := make(chan time.Time, 1)
		go func() {
			_, _ = another(o).Deliver(t.Context(), false)
			ended <- time.Now()
		}()
		<-time.After(time.Hour)
		removed := time.Now()
		if err := os.RemoveAll(o.dir); err != nil {
			t.Fatal(err)
		}
		if waited := (<-ended).Sub(removed); waited > time.Minute {
			t.Errorf("it tries for %v to deliver what is nowhere", waited)
		}
	})
}
