package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// PartialObjects returns objects in which payloads lie that no entry needs, beside some that entries do; by name, after
// the one of that name.
func (s *Store) PartialObjects(ctx context.Context, after string, limit int) ([]ArchiveObject, error) {
	return s.objects(ctx, "name > $1 AND rows > 0 AND rows < entries ORDER BY name LIMIT $2", after, limit)
}

const sqlStaying = `SELECT w.seq FROM work_logs w WHERE w.owner_id = $1 AND w.seq = ANY($2::bigint[]) AND COALESCE(w.archive_url, '') = $3 AND w.logged_at <= $4::timestamptz
	AND (w.keep OR EXISTS (SELECT FROM conversations c WHERE c.owner_id = w.owner_id AND c.id = w.conversation_id AND (c.keep OR c.hold)))`

// Staying returns those of an object's entries that are so old that only keep or hold lets them stay.
func (s *Store) Staying(ctx context.Context, o ArchiveObject, seqs []int64, until time.Time) (map[int64]bool, error) {
	rows, err := s.pool.Query(ctx, sqlStaying, o.Owner, seqs, o.Name, until)
	if err != nil {
		return nil, mapError(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	staying := make(map[int64]bool, len(list))
	for _, seq := range list {
		staying[seq] = true
	}
	return staying, mapError(err)
}

// RepackEntries lets rows that have their payload in one object have it in another of the same owner, which is written
// and verified. Rows that need neither any more stay as they are. The old object is returned in empty when no entry points
// to it afterwards, as by DeleteEntries.
func (s *Store) RepackEntries(ctx context.Context, from, to ArchiveObject, seqs []int64) (moved int64, empty []ArchiveObject, err error) {
	err = s.ownerTx(ctx, from.Owner, func(tx pgx.Tx, _ *statsRow) error {
		moved, empty = 0, nil
		tag, err := tx.Exec(ctx, "UPDATE work_logs w SET archive_url = $4 WHERE w.owner_id = $1 AND w.seq = ANY($2::bigint[]) AND COALESCE(w.archive_url, '') = $3",
			from.Owner, seqs, from.Name, to.Name)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		moved = tag.RowsAffected()
		if err := fillObject(ctx, tx, to.Name, moved); err != nil {
			return err
		}
		empty, err = releaseObjects(ctx, tx, map[string]int64{from.Name: moved})
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return moved, empty, nil
}

// fillObject counts rows that point to an object from here on, unless it is about to be deleted.
func fillObject(ctx context.Context, tx pgx.Tx, name string, n int64) error {
	tag, err := tx.Exec(ctx, "UPDATE archive_objects SET rows = rows + $2 WHERE name = $1 AND NOT condemned", name, n)
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("archive object %s was deleted before entries could point to it", name)
	}
	return err
}
