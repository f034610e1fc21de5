package limit_test

import (
	"testing"
	"time"
)

func TestRepeatWithinASecondIsSeen(t *testing.T) {
	t.Parallel()
	l, c := setup(60, 100)
	f := fingerprint(t, `{"title":"npm test"}`)
	if _, _, ok := l.Seen(1, f); ok {
		t.Error("a first draft is taken for a repeat")
	}
	l.Committed(1, f, "the id", 41)
	c.advance(999 * time.Millisecond)
	if id, seq, ok := l.Seen(1, f); !ok || id != "the id" || seq != 41 {
		t.Errorf("got %q, %d, %v, want the committed entry", id, seq, ok)
	}
	if _, _, ok := l.Seen(2, f); ok {
		t.Error("another user's draft is taken for a repeat")
	}
	c.advance(time.Millisecond)
	if _, _, ok := l.Seen(1, f); ok {
		t.Error("still a repeat after one second, although nothing was stored meanwhile")
	}
}

func TestRunningStepPassesOneUpdateASecond(t *testing.T) {
	t.Parallel()
	l, c := setup(60, 100)
	passed := 0
	for range 50 { // 5 s, ten updates a second
		if l.Coalesce(1, "step") {
			passed++
		}
		c.advance(100 * time.Millisecond)
	}
	if passed != 5 {
		t.Errorf("%d updates passed in 5 s, want 5", passed)
	}
	if !l.Coalesce(1, "other step") || !l.Coalesce(2, "step") {
		t.Error("another step, or another user's step of that name, is held up")
	}
}
