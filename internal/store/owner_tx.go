package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ownerTx runs f in one READ COMMITTED transaction that holds the owner's lock, and closes it with what f adds to the
// owner's counters. It takes no rev: tiers are not news.
//
// The owner's writers wait as long as the lock is held. So what closes the transaction is one round trip, its statements
// are prepared, and the commit does not wait for the disk: a crash of the server in that moment undoes the whole batch,
// and the next sweep does it again. Only before an object is deleted its rows must be safe, see releaseObjects.
func (s *Store) ownerTx(ctx context.Context, owner int64, f func(tx pgx.Tx, delta *statsRow) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return mapError(err)
	}
	defer conn.Release()
	upsert := closeOwner()
	for _, sql := range []string{sqlLockOwner, upsert} {
		if _, err := conn.Conn().Prepare(ctx, sql, sql); err != nil {
			return mapError(err)
		}
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return mapError(err)
	}
	delta := &statsRow{OwnerID: owner}
	err = tx.QueryRow(ctx, sqlLockOwner, owner).Scan(&delta.LastRev, nil)
	if err == nil {
		err = f(tx, delta)
	}
	if err != nil {
		rollback(ctx, conn)
		return mapError(err)
	}
	args := []any{owner, delta.LastRev}
	for _, n := range delta.counters() {
		args = append(args, n)
	}
	var b pgx.Batch
	b.Queue(upsert, args...)
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		rollback(ctx, conn)
		return mapError(err)
	}
	return nil
}

const sqlLockOwner = "SELECT last_rev, set_config('synchronous_commit', 'off', true) FROM work_log_stats WHERE owner_id = $1 FOR UPDATE"

// closeOwner is the upsert that adds counters to those of one owner.
func closeOwner() string {
	var columns, values, sums strings.Builder
	for i, c := range counters() {
		fmt.Fprintf(&columns, ", %s", c)
		fmt.Fprintf(&values, ", $%d::bigint", i+3)
		fmt.Fprintf(&sums, ", %[1]s = st.%[1]s + EXCLUDED.%[1]s", c)
	}
	return fmt.Sprintf("INSERT INTO work_log_stats AS st (owner_id, last_rev%s) VALUES ($1, $2%s) ON CONFLICT (owner_id) DO UPDATE SET last_rev = EXCLUDED.last_rev%s",
		columns.String(), values.String(), sums.String())
}

// prepared runs a statement that tx's connection plans once for all transactions.
func prepared(ctx context.Context, tx pgx.Tx, sql string, args ...any) (pgx.Rows, error) {
	if _, err := tx.Conn().Prepare(ctx, sql, sql); err != nil {
		return nil, err
	}
	return tx.Query(ctx, sql, args...)
}
