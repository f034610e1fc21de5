package rollup

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

const (
	// Pace is how often the worker looks for news: what is counted is at most about that old.
	Pace = time.Second
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
}

// NewWorker returns a worker; it does nothing until Run. A nil now is time.Now.
func NewWorker(st Store, log *slog.Logger, now func() time.Time) *Worker {
	if now == nil {
		now = time.Now
	}
	return &Worker{store: st, log: log, now: now}
}

// Run counts until ctx ends. While there is a backlog it counts without a pause.
func (w *Worker) Run(ctx context.Context) error {
	tick := time.NewTicker(Pace)
	defer tick.Stop()
	var pruned time.Time
	failing := false
	for {
		more, err := w.step(ctx)
		if err == nil && time.Since(pruned) >= pruneEvery {
			pruned = time.Now()
			err = w.store.PruneRollups(ctx, w.now())
		}
		if err != nil && ctx.Err() == nil && !failing {
			w.log.Warn("statistics are behind", "error", err)
		}
		failing = err != nil
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step counts once. A panic costs this step only: nothing of it is committed.
func (w *Worker) step(ctx context.Context) (more bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			w.log.Error("panic while counting", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	p, err := w.store.RollUp(ctx, w.now(), 0)
	return p.More, err
}
