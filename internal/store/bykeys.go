package store

import (
	"context"

	"github.com/uptrace/bun"
)

// ByKeys returns those of an owner's entries that have one of the keys, in no order, with previews of their details.
func (s *Store) ByKeys(ctx context.Context, owner int64, keys []string) ([]Row, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var logs []workLog
	err := entryColumnsOf(s.db.NewSelect(), false).Where("w.owner_id = ? AND w.key IN ?", owner, bun.Tuple(keys)).Scan(ctx, &logs)
	rows := make([]Row, len(logs))
	for i := range logs {
		logs[i].unpack(PreviewBytes)
		rows[i] = logs[i].row()
	}
	return rows, mapError(err)
}
