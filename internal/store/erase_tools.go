package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/rollup"
)

// The name of a tool may be a word of the person who used it: a server or a script of their own. The rollups do not say
// whose a name is, so in the buckets in which the person wrote, every name goes that nobody else is known to use: not by an
// entry that is there, nor by a step that ever ended. What it counted goes to the other tools.

const (
	sqlNamesOfOthers = `WITH named AS (SELECT DISTINCT r.tool FROM rollup_owners o JOIN rollup_tools r ON r.grain = o.grain AND r.bucket = o.bucket
			WHERE o.owner_id = $1 AND r.tool <> '')
		SELECT n.tool FROM named n JOIN tool_times t ON t.tool = n.tool WHERE t.owner_id <> $1
		UNION SELECT n.tool FROM named n JOIN work_logs w ON w.tool = n.tool WHERE w.owner_id <> $1`

	sqlForgetTools = `WITH gone AS (DELETE FROM rollup_tools AS r USING rollup_owners AS o
			WHERE o.owner_id = ?0 AND o.grain = ?1 AND r.grain = ?1 AND r.bucket = o.bucket AND r.tool NOT IN (?2) RETURNING r.bucket, r.n, r.failed, r.durations),
		places AS (SELECT g.bucket, u.i, sum(u.d)::integer AS d FROM gone AS g, unnest(g.durations) WITH ORDINALITY AS u (d, i) GROUP BY 1, 2),
		durations AS (SELECT bucket, array_agg(d ORDER BY i) AS durations FROM places GROUP BY bucket),
		sums AS (SELECT bucket, sum(n)::integer AS n, sum(failed)::integer AS failed FROM gone GROUP BY bucket)
		INSERT INTO rollup_tools AS t (grain, bucket, tool, n, failed, durations)
		SELECT ?1, s.bucket, ?3, s.n, s.failed, COALESCE(d.durations, '{}') FROM sums AS s LEFT JOIN durations AS d USING (bucket)
		ON CONFLICT (grain, bucket, tool) DO UPDATE SET n = t.n + EXCLUDED.n, failed = t.failed + EXCLUDED.failed,
			durations = rollup_add(t.durations, EXCLUDED.durations)`
)

// forgetTools takes the names that only this user used out of the rollups; counts stay. It reads all entries of others
// once, and nobody waits for that. Its entries are gone: nothing of them is counted after it.
func (s *Store) forgetTools(ctx context.Context, user int64) error {
	names, err := s.namesOfOthers(ctx, user)
	if err != nil {
		return err
	}
	for _, grain := range rollup.Grains() {
		err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			if _, err := tx.ExecContext(ctx, setCountTimeout()); err != nil {
				return err
			}
			if _, err := s.lockErasing(ctx, tx, user); err != nil {
				return err
			}
			// A step of the worker that has read the entries before they went is over, or has not begun. The former may have
			// remembered some of them.
			if _, err := tx.NewRaw("SELECT pg_advisory_xact_lock(?)", int64(rollupLock)).Exec(ctx); err != nil {
				return err
			}
			if err := forgetSteps(ctx, tx, user); err != nil {
				return err
			}
			_, err := tx.NewRaw(sqlForgetTools, user, string(grain), bun.List(append(names, rollup.OtherTools)), rollup.OtherTools).Exec(ctx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) namesOfOthers(ctx context.Context, user int64) (names []string, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setCountTimeout()); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sqlNamesOfOthers, user)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, mapError(err)
}

// setCountTimeout lets the statements of a transaction read everything.
func setCountTimeout() string {
	return fmt.Sprintf("SET LOCAL statement_timeout = %d", countTimeout.Milliseconds())
}
