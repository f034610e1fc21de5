package web

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// atOnce lets questions be answered before they return.
func atOnce[K comparable, V any](l *latest[K, V]) *latest[K, V] {
	l.spawn = func(ask func()) { ask() }
	return l
}

// answer is what l says of key after since.
func answer[K comparable, V any](t *testing.T, l *latest[K, V], key K, since time.Time) V {
	t.Helper()
	for range 2 {
		if v, ready, err := l.of(key, since); ready {
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatal("it was asked, and is not ready")
	panic("unreachable")
}

func TestOneQuestionAnswersEverybodyAndNobodyWaits(t *testing.T) {
	t.Parallel()
	var asked int
	var questions sync.WaitGroup
	slow := make(chan struct{})
	l := &latest[int, int]{spawn: questions.Go, ask: func(context.Context, int, int) (int, error) {
		asked++
		<-slow
		return 7, nil
	}}
	since := time.Now()
	for range 40 {
		if _, ready, _ := l.of(1, since); ready {
			t.Fatal("ready before anybody has answered")
		}
	}
	close(slow)
	questions.Wait()
	for range 40 {
		if v, ready, err := l.of(1, since); !ready || err != nil || v != 7 {
			t.Fatalf("%d, ready %v, %v", v, ready, err)
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
}

func TestAQuestionThatFailsIsAskedAgainAfterTheNextNews(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	var fails []error
	l := atOnce(&latest[int, int]{ask: func(_ context.Context, _ int, before int) (int, error) {
		err := fails[0]
		fails = fails[1:]
		return before + 1, err
	}})
	since := time.Now()
	fails = []error{nil, away, nil}
	if v := answer(t, l, 1, since); v != 1 {
		t.Errorf("first %d", v)
	}
	since = time.Now()
	l.of(1, since)
	if v, ready, err := l.of(1, since); !ready || !errors.Is(err, away) || v != 1 {
		t.Errorf("after a failure %d, ready %v, %v", v, ready, err)
	}
	if v := answer(t, l, 1, time.Now()); v != 2 {
		t.Errorf("after the next news %d", v)
	}
}

func TestAQuestionThatPanicsIsAskedAgain(t *testing.T) {
	t.Parallel()
	l := &latest[int, int]{ask: func(context.Context, int, int) (int, error) { panic("bug") }}
	l.spawn = func(ask func()) {
		defer func() { _ = recover() }()
		ask()
	}
	since := time.Now()
	l.of(1, since)
	if _, ready, err := l.of(1, since); !ready || !errors.Is(err, errUnanswered) {
		t.Errorf("ready %v, %v", ready, err)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	l := atOnce(&latest[int, int]{ask: func(_ context.Context, key, _ int) (int, error) { return key, nil }})
	for i := range maxLatest + 10 {
		if v := answer(t, l, i, time.Now()); v != i {
			t.Fatalf("%d is %d", i, v)
		}
	}
	if n := len(l.byKey); n > maxLatest {
		t.Errorf("%d are remembered", n)
	}
}
