package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/worklogdev/worklog/worklog"
)

// Stats returns the owner's totals; all zero for one who has never written.
func (s *Store) Stats(ctx context.Context, owner int64) (worklog.Stats, error) {
	st := statsRow{OwnerID: owner}
	err := s.db.NewSelect().Model(&st).WherePK().Scan(ctx)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return worklog.Stats{}, mapError(err)
	}
	return st.stats(), nil
}

// AllStats returns the totals of all owners together.
func (s *Store) AllStats(ctx context.Context) (worklog.Stats, error) {
	var st statsRow
	q := s.db.NewSelect().Model((*statsRow)(nil)).ColumnExpr("max(st.last_logged_at) AS last_logged_at")
	for _, counter := range counters() {
		q = q.ColumnExpr("COALESCE(sum(st.?0), 0)::bigint AS ?0", counter)
	}
	err := q.Scan(ctx, &st)
	return st.stats(), mapError(err)
}
