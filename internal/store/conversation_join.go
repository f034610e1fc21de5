package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
)

// joinMost is how many entries a conversation may have to be joined to another one: its owner's writers wait that long.
const joinMost = 5000

// sqlJoinEntries moves the entries of one conversation to another one and numbers them anew: whoever watches that one has
// not seen them. The parameters are the owner, both conversations, the last rev, and the time.
const sqlJoinEntries = `WITH moved AS (
		SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM work_logs WHERE owner_id = ?0 AND conversation_id = ?1)
	UPDATE work_logs AS w SET conversation_id = ?2, rev = ?3 + moved.n, updated_at = ?4
	FROM moved WHERE w.owner_id = ?0 AND w.seq = moved.seq`

// sqlJoinCounters adds the counters of a conversation to those of another one.
const sqlJoinCounters = `UPDATE conversations AS c SET entry_count = c.entry_count + f.entry_count, working_count = c.working_count + f.working_count,
		error_count = c.error_count + f.error_count, asking_count = c.asking_count + f.asking_count,
		last_entry_at = GREATEST(c.last_entry_at, f.last_entry_at), title = CASE WHEN c.title = '' THEN f.title ELSE c.title END
	FROM conversations AS f WHERE f.owner_id = ?0 AND f.id = ?1 AND c.owner_id = ?0 AND c.id = ?2`

// JoinConversation makes the conversation whose key is from a part of the one whose key is to: telemetry may name a
// session after its first entries came. Where there is no such conversation yet, the first one takes the key.
//
// The conversation must have entries of one token alone, empty for those of sessions: a token that may only write decides
// about nothing that others wrote. What a person has made of it (pinned, kept, shared, held) is theirs, and stays.
func (s *Store) JoinConversation(ctx context.Context, owner int64, token, from, to string) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		stats, err := s.lockOwners(ctx, tx, owner)
		if err != nil {
			return err
		}
		source, err := conversationOfKey(ctx, tx, owner, from)
		if err != nil || source == nil || source.Pinned || source.Keep || source.Hold || source.Visibility != "private" {
			return err
		}
		others, err := tx.NewSelect().Model((*workLog)(nil)).Where("w.owner_id = ? AND w.conversation_id = ?", owner, source.ID).
			Where("w.token_id IS DISTINCT FROM ?", nullable(token)).Exists(ctx)
		if err != nil || others {
			return err
		}
		target, err := conversationOfKey(ctx, tx, owner, to)
		switch {
		case err != nil || source.EntryCount > joinMost:
			return err
		case target == nil:
			_, err = tx.NewUpdate().Model((*conversation)(nil)).Set("key = ?", to).Where("c.owner_id = ? AND c.id = ?", owner, source.ID).Exec(ctx)
			return err
		}
		return s.join(ctx, tx, stats[owner], source, target)
	})
}

// join moves all entries of source to target and deletes source. The owner is locked.
func (s *Store) join(ctx context.Context, tx bun.Tx, stats *statsRow, source, target *conversation) error {
	moved, err := tx.ExecContext(ctx, sqlJoinEntries, stats.OwnerID, source.ID, target.ID, stats.LastRev, now())
	if err != nil {
		return err
	}
	n, err := moved.RowsAffected()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, sqlJoinCounters, stats.OwnerID, source.ID, target.ID); err != nil {
		return err
	}
	if _, err := tx.NewDelete().Model((*conversation)(nil)).Where("c.owner_id = ? AND c.id = ?", stats.OwnerID, source.ID).Exec(ctx); err != nil {
		return err
	}
	if err := notify(ctx, tx, Control{Kind: ControlConversation, ID: source.ID}); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, s.statsUpsert([]*statsRow{{OwnerID: stats.OwnerID, LastRev: stats.LastRev + n}}))
	return err
}

// conversationOfKey returns the conversation, nil when there is none.
func conversationOfKey(ctx context.Context, tx bun.Tx, owner int64, key string) (*conversation, error) {
	var c conversation
	err := tx.NewSelect().Model(&c).Where("c.owner_id = ? AND c.key = ? AND c.deleted_at IS NULL", owner, key).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &c, err
}
