package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// minPause and maxPause bound the pause between two batches of background work.
const (
	minPause = 10 * time.Millisecond
	maxPause = 200 * time.Millisecond
	// pauseFactor is how much longer than a batch its pause is. The kernel writes what new pages have left to it every
	// 30 s, at once, and every commit waits: with a factor of 1 up to 280 ms.
	pauseFactor = 3
)

// pace rests after a batch: background work leaves writers three quarters of the owner's time, and of the disk's.
func pace(ctx context.Context, took time.Duration) error {
	timer := time.NewTimer(min(max(pauseFactor*took, minPause), maxPause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// inBackgroundTx is inTx for a batch that would simply be done again after a crash: it does not hold its locks until
// the disk has taken it.
func (s *Store) inBackgroundTx(ctx context.Context, f func(context.Context, bun.Tx) error) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}
