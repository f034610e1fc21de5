package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

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

// Untold is what was limited of an owner's drafts.
type Untold struct {
	Limited int64 // ever
	Entries int64 // of these, those of which no entry tells
}

// Untold returns the owners of whom drafts were limited and no entry tells it: for up to a second these are many, and
// after a kill some remain.
func (s *Store) Untold(ctx context.Context) (map[int64]Untold, error) {
	rows, err := s.pool.Query(ctx, "SELECT owner_id, limited, limited - limited_noted FROM work_log_stats WHERE limited > limited_noted AND NOT closed")
	if err != nil {
		return nil, mapError(err)
	}
	list := map[int64]Untold{}
	var owner int64
	var u Untold
	_, err = pgx.ForEachRow(rows, []any{&owner, &u.Limited, &u.Entries}, func() error {
		list[owner] = u
		return nil
	})
	return list, mapError(err)
}
