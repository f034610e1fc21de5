package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Alive returns those of the ids of sessions and tokens that are still good, with the time at which they end for
// certain (zero: never). Streams that are open for long ask it now and then.
func (s *Store) Alive(ctx context.Context, ids []string) (map[string]time.Time, error) {
	alive := make(map[string]time.Time, len(ids))
	if len(ids) == 0 {
		return alive, nil
	}
	at := now()
	err := s.inSnapshot(ctx, func(ctx context.Context, tx bun.Tx) error {
		var sessions []sessionRow
		err := tx.NewSelect().Model(&sessions).Relation("User").
			Where("s.id IN (?) AND s.expires_at > ? AND ?.disabled_at IS NULL", bun.List(ids), at, bun.Ident("user")).Scan(ctx)
		if err != nil {
			return err
		}
		for i := range sessions {
			alive[sessions[i].ID] = sessions[i].session().Deadline
		}
		var tokens []tokenRow
		err = tx.NewSelect().Model(&tokens).Relation("User").
			Where("t.id IN (?) AND t.revoked_at IS NULL AND ?.disabled_at IS NULL", bun.List(ids), bun.Ident("user")).
			Where("t.expires_at IS NULL OR t.expires_at > ?", at).Scan(ctx)
		for i := range tokens {
			alive[tokens[i].ID] = tokens[i].token().ExpiresAt
		}
		return err
	})
	return alive, err
}
