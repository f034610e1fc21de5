package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// commitCheckTimeout bounds the search for the outcome of a commit whose answer was lost.
const commitCheckTimeout = 3 * time.Second

// isInDoubt reports that the answer was given up or lost on its way, or that the server ended the connection, which it
// also does right after a commit: it may have committed.
func isInDoubt(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC"
	}
	return isBroken(err) || errors.Is(err, context.DeadlineExceeded)
}

// committed finds out whether p was committed although its answer was lost. It takes a lock that p held, so that the
// old transaction has ended, and looks for what p did. When nobody knows it says no: the caller answers "unknown", and a
// retry with the same key is safe.
func (s *Store) committed(ctx context.Context, p *plan) bool {
	if len(p.deltas) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitCheckTimeout)
	defer cancel()
	owner, sql, args := p.proof()
	for ctx.Err() == nil {
		var found bool
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT 1 FROM work_log_stats WHERE owner_id = $1 FOR UPDATE", owner); err != nil {
				return err
			}
			return tx.QueryRow(ctx, sql, args...).Scan(&found)
		})
		if err == nil {
			return found
		}
		if !isAway(err) {
			s.log.Error("look for a commit whose answer was lost", "error", err)
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}

// proof is an owner of p, and the question that is true once p is committed: for an entry that it made or changed, and
// only when it did nothing but count for its number. A number alone could be another transaction's after a crash of the
// server, which forgets those that it never wrote down.
func (p *plan) proof() (owner int64, sql string, args []any) {
	if len(p.inserts) > 0 {
		row := p.inserts[0].row
		return row.Owner, "SELECT EXISTS (SELECT FROM work_logs WHERE owner_id = $1 AND id = $2)", []any{row.Owner, row.ID}
	}
	for _, st := range p.updates {
		return st.row.Owner, "SELECT EXISTS (SELECT FROM work_logs WHERE owner_id = $1 AND id = $2 AND rev = $3)", []any{st.row.Owner, st.row.ID, st.row.Rev}
	}
	for owner = range p.deltas {
		break
	}
	return owner, "SELECT COALESCE(pg_xact_status($1::text::xid8) = 'committed', false)", []any{p.transaction}
}
