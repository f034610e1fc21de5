package rollup_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/internal/rollup"
)

// counts is a store that notes when it was asked, and answers as it is told.
type counts struct {
	mu     sync.Mutex
	start  time.Time
	steps  []time.Duration
	pruned int
	answer func(step int) (rollup.Progress, error)
}

func (c *counts) RollUp(context.Context, time.Time, int) (rollup.Progress, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, time.Since(c.start))
	if c.answer == nil {
		return rollup.Progress{}, nil
	}
	return c.answer(len(c.steps))
}

func (c *counts) PruneRollups(context.Context, time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pruned++
	return nil
}

// between returns how many steps began in [from, to).
func (c *counts) between(from, to time.Duration) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.steps {
		if s >= from && s < to {
			n++
		}
	}
	return n
}

// run lets a worker run while f does something to it.
func run(t *testing.T, c *counts, f func(w *rollup.Worker)) (log string) {
	t.Helper()
	var said bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		c.start = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		w := rollup.NewWorker(c, slog.New(slog.NewTextHandler(&said, nil)), nil)
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		synctest.Wait()
		f(w)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return said.String()
}

func TestAnIdleWorkerAsksSeldom(t *testing.T) {
	c := &counts{}
	run(t, c, func(*rollup.Worker) { time.Sleep(10*time.Minute + time.Second) })
	if got := c.between(time.Second, 10*time.Minute+time.Second); got != 40 || c.pruned != 11 {
		t.Errorf("%d steps and %d prunings in ten idle minutes", got, c.pruned)
	}
}

func TestAWokenWorkerCountsWithinASecondAndNoMoreOften(t *testing.T) {
	c := &counts{}
	run(t, c, func(w *rollup.Worker) {
		for range 1000 { // ten seconds of writing
			w.Wake()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2500 * time.Millisecond)
		w.Wake()
		synctest.Wait()
		if got := c.between(12*time.Second, 13*time.Second); got != 1 {
			t.Errorf("%d steps right after it was woken, want 1", got)
		}
		time.Sleep(time.Second)
	})
	if got := c.between(time.Millisecond, 12*time.Second); got < 10 || got > 12 {
		t.Errorf("%d steps for ten seconds of writing", got)
	}
}

func TestABacklogIsCountedWithoutPauses(t *testing.T) {
	c := &counts{answer: func(step int) (rollup.Progress, error) { return rollup.Progress{More: step < 50}, nil }}
	run(t, c, func(*rollup.Worker) { time.Sleep(time.Millisecond) })
	if got := c.between(0, time.Second); got != 50 {
		t.Errorf("%d steps at once, want 50", got)
	}
}

func TestAWorkerThatCanNotCountTriesAgainAndSaysSoOnce(t *testing.T) {
	c := &counts{answer: func(step int) (rollup.Progress, error) {
		switch {
		case step <= 5:
			return rollup.Progress{}, errors.New("away")
		case step == 6:
			panic("a bug")
		case step <= 9:
			return rollup.Progress{Idle: true}, nil
		}
		return rollup.Progress{}, nil
	}}
	said := run(t, c, func(*rollup.Worker) { time.Sleep(20 * time.Second) })
	if got := c.between(0, 10*time.Second); got != 10 {
		t.Errorf("%d steps in ten seconds of failures, want one each", got)
	}
	if n := strings.Count(said, "statistics are behind"); n != 1 {
		t.Errorf("said %d times: %s", n, said)
	}
	if !strings.Contains(said, "panic while counting") {
		t.Error("the panic is not logged")
	}
}
