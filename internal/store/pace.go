package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// minPause and maxPause bound the pause between two batches of background work.
const (
	minPause = 5 * time.Millisecond
	maxPause = 100 * time.Millisecond
)

// pace rests as long as the last batch took: background work leaves writers half of the owner's time, and half of the disk's.
func pace(ctx context.Context, took time.Duration) error {
	timer := time.NewTimer(min(max(took, minPause), maxPause))
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
