package web

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

func TestEverybodyIsToldHoweverManyAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var questions, told atomic.Int64
		var tabs sync.WaitGroup
		l := &latest[int, int]{spawn: tabs.Go, ask: func(_ context.Context, key, _ int) (int, error) {
			questions.Add(1)
			time.Sleep(5 * time.Millisecond)
			return key, nil
		}}
		const users = 3 * maxLatest
		since := time.Now()
		time.Sleep(time.Millisecond)
		for user := range users {
			tabs.Go(func() {
				for time.Since(since) < 10*time.Second {
					if v, ready, err := l.of(user, since); ready && err == nil && v == user {
						told.Add(1)
						return
					}
					time.Sleep(25 * time.Millisecond)
				}
			})
		}
		tabs.Wait()
		if told.Load() != users || questions.Load() != users {
			t.Errorf("%d of %d were told, after %d questions", told.Load(), users, questions.Load())
		}
	})
}

func TestFewQuestionsRunAtOnceAndOneThatPanicsLosesNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 10 * questionsAtOnce
		var running atomic.Int64
		var asking sync.WaitGroup
		answers := make(chan struct{})
		l := &latest[int, int]{ask: func(_ context.Context, key, _ int) (int, error) {
			defer running.Add(-1)
			running.Add(1)
			<-answers
			if key%2 == 0 {
				panic("bug")
			}
			return key, nil
		}}
		l.spawn = func(ask func()) {
			asking.Go(func() {
				defer func() { _ = recover() }()
				ask()
			})
		}
		since := time.Now()
		time.Sleep(time.Millisecond)
		for user := range users {
			l.of(user, since)
		}
		synctest.Wait()
		if n := running.Load(); n != questionsAtOnce {
			t.Errorf("%d questions run at once", n)
		}
		close(answers)
		asking.Wait()
		for user := range users {
			v, ready, err := l.of(user, since)
			if bug := user%2 == 0; !ready || errors.Is(err, errUnanswered) != bug || !bug && v != user {
				t.Errorf("%d is %d, ready %v, %v", user, v, ready, err)
			}
		}
	})
}

func TestWhatIsRememberedIsBoundedAndTheOldestGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var questions int
		l := atOnce(&latest[int, int]{ask: func(_ context.Context, key, _ int) (int, error) { questions++; return key, nil }})
		began := time.Now()
		ask := func(key int) {
			time.Sleep(time.Millisecond)
			if v := answer(t, l, key, time.Now().Add(-time.Nanosecond)); v != key {
				t.Fatalf("%d is %d", key, v)
			}
		}
		for i := range maxLatest {
			ask(i)
		}
		time.Sleep(latestFresh)
		ask(0) // of the oldest one there is news
		for i := range 10 {
			ask(maxLatest + i)
		}
		if n := len(l.byKey); n != maxLatest {
			t.Errorf("%d are remembered", n)
		}
		before := questions
		for _, i := range []int{0, 11, maxLatest - 1, maxLatest, maxLatest + 9} {
			answer(t, l, i, began)
		}
		if questions != before {
			t.Errorf("%d were asked for that are not the oldest", questions-before)
		}
		if answer(t, l, 1, began); questions != before+1 {
			t.Error("the oldest is still remembered")
		}
	})
}
