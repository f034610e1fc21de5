package rollup

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

const (
	// Pace is how often the worker counts at most while there is news: what is counted is at most about that old.
	Pace = time.Second
	// sweepEvery is how often it looks without having been woken: another process may have been killed between its
	// commit and its count.
	sweepEvery = 15 * time.Second
	// pruneEvery is how often old buckets are deleted.
	pruneEvery = time.Minute
)

// Store is where the counts are kept.
type Store interface {
	RollUp(ctx context.Context, at time.Time, limit int) (Progress, error)
	PruneRollups(ctx context.Context, at time.Time) error
}

// Worker keeps the counts up to date. Any number of processes may run one: a lock in the database lets one count.
type Worker struct {
	store Store
	log   *slog.Logger
	now   func() time.Time
	wake  chan struct{} // one slot
}

// NewWorker returns a worker; it does nothing until Run. A nil now is time.Now.
func NewWorker(st Store, log *slog.Logger, now func() time.Time) *Worker {
	if now == nil {
		now = time.Now
	}
	return &Worker{store: st, log: log, now: now, wake: make(chan struct{}, 1)}
}

// Wake says that something was committed, or that somebody looks. It never blocks.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run counts until ctx ends: soon after it was woken, without a pause while there is a backlog, and now and then anyway.
func (w *Worker) Run(ctx context.Context) error {
	var pruned time.Time
	failing := false
	for {
		p, err := w.step(ctx)
		if err == nil && !p.Idle && time.Since(pruned) >= pruneEvery {
			pruned = time.Now()
			err = w.store.PruneRollups(ctx, w.now())
		}
		if err != nil && ctx.Err() == nil && !failing {
			w.log.Warn("statistics are behind", "error", err)
		}
		failing = err != nil
		if p.More && err == nil && ctx.Err() == nil {
			continue
		}
		if p.Idle || failing {
			w.Wake() // what is to be counted still is
		}
		if !w.pause(ctx) {
			return nil
		}
	}
}

// pause waits for the next step, and reports whether there is to be one.
func (w *Worker) pause(ctx context.Context) bool {
	began := time.Now()
	sweep := time.NewTimer(sweepEvery)
	defer sweep.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-sweep.C:
		return true
	case <-w.wake:
	}
	sweep.Reset(max(Pace-time.Since(began), 0))
	select {
	case <-ctx.Done():
		return false
	case <-sweep.C:
		return true
	}
}

// step counts once. A panic costs this step only: nothing of it is committed.
func (w *Worker) step(ctx context.Context) (p Progress, err error) {
	defer func() {
		if r := recover(); r != nil {
			w.log.Error("panic while counting", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return w.store.RollUp(ctx, w.now(), 0)
}
