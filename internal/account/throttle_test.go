package account

import (
	"fmt"
	"testing"
	"time"
)

func start() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func TestTheEleventhFailureWaits_S10(t *testing.T) {
	t.Parallel()
	th, now := NewThrottle(), start()
	for i := range maxFailures {
		if wait := th.Attempt("ada@example.org", "192.0.2.1", now); wait != 0 {
			t.Fatalf("attempt %d waits %v", i+1, wait)
		}
	}
	for _, email := range []string{"ada@example.org", " ADA@Example.org "} {
		if wait := th.Attempt(email, "192.0.2.1", now); wait <= 0 || wait > failureWindow {
			t.Errorf("the next attempt for %q waits %v", email, wait)
		}
	}
	if wait := th.Attempt("ada@example.org", "192.0.2.2", now); wait != 0 {
		t.Errorf("the user herself, elsewhere, waits %v", wait)
	}
	if wait := th.Attempt("bob@example.org", "192.0.2.1", now); wait != 0 {
		t.Errorf("another user behind the same address waits %v", wait)
	}
	if wait := th.Attempt("ada@example.org", "192.0.2.1", now.Add(failureWindow)); wait != 0 {
		t.Errorf("a window later one still waits %v", wait)
	}
}

func TestARefusedAttemptDoesNotMakeTheWaitLonger(t *testing.T) {
	t.Parallel()
	th, now := NewThrottle(), start()
	for range maxFailures {
		th.Attempt("ada@example.org", "192.0.2.1", now)
	}
	first := th.Attempt("ada@example.org", "192.0.2.1", now)
	for range 50 {
		th.Attempt("ada@example.org", "192.0.2.1", now)
	}
	if again := th.Attempt("ada@example.org", "192.0.2.1", now); again != first {
		t.Errorf("first %v, after 50 more %v", first, again)
	}
}

func TestSuccessForgetsFailuresOfThatUserOnly(t *testing.T) {
	t.Parallel()
	th, now := NewThrottle(), start()
	for range maxFailures {
		th.Attempt("ada@example.org", "192.0.2.1", now)
		th.Attempt("bob@example.org", "192.0.2.1", now)
	}
	th.Succeeded("ada@example.org", "192.0.2.1")
	if wait := th.Attempt("ada@example.org", "192.0.2.1", now); wait != 0 {
		t.Errorf("ada waits %v", wait)
	}
	if wait := th.Attempt("bob@example.org", "192.0.2.1", now); wait == 0 {
		t.Error("bob's failures are forgotten")
	}
}

func TestManyNamesFromOneAddressWait(t *testing.T) {
	t.Parallel()
	th, now := NewThrottle(), start()
	for i := range maxAttempts {
		email := fmt.Sprintf("user%d@example.org", i)
		if wait := th.Attempt(email, "2001:db8:1:2::1", now); wait != 0 {
			t.Fatalf("attempt %d waits %v", i+1, wait)
		}
		th.Succeeded(email, "2001:db8:1:2::1")
	}
	if wait := th.Attempt("fresh@example.org", "2001:db8:1:2:ffff::9", now); wait == 0 {
		t.Error("another address of the same /64 is a new caller")
	}
	if wait := th.Attempt("fresh@example.org", "2001:db8:1:3::1", now); wait != 0 {
		t.Errorf("the next /64 waits %v", wait)
	}
}

func TestThrottleIsBoundedAndSwept(t *testing.T) {
	t.Parallel()
	th, now := NewThrottle(), start()
	for i := range maxThrottled + 10 {
		th.Attempt(fmt.Sprintf("%d@example.org", i), fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), now.Add(time.Duration(i)*time.Millisecond))
	}
	if th.Size() > maxThrottled {
		t.Errorf("%d counters", th.Size())
	}
	th.Sweep(now.Add(2 * failureWindow))
	if th.Size() != 0 {
		t.Errorf("%d counters after the sweep", th.Size())
	}
}
