package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/uptrace/bun"
)

// An entry is kept when its conversation is, or when it has left one that was: keep is a property of the conversation,
// and goes with the entries when it is deleted. So it holds for a million entries, and for one that is just being
// written, from the moment in which it is set, and nothing has to be copied that a kill could leave half done.

const sqlKeepConversations = `UPDATE conversations c SET keep = true FROM unnest($1::bigint[], $2::uuid[]) AS v (owner, id)
	WHERE c.owner_id = v.owner AND c.id = v.id AND c.deleted_at IS NULL`

// keep keeps the conversation of an entry that a write has named.
func (p *plan) keep(r Row) {
	c := p.conversations[conversationKey{owner: r.Owner, id: r.ConversationID}]
	if r.ConversationID != "" && c != nil && !c.keep {
		c.keep = true
		p.kept = append(p.kept, c)
	}
}

func (p *plan) queueKept(b *pgx.Batch) {
	if len(p.kept) == 0 {
		return
	}
	var owners []int64
	var ids []pgtype.UUID
	for _, c := range p.kept {
		owners, ids = append(owners, c.owner), append(ids, uuidOf(c.id))
	}
	b.Queue(sqlKeepConversations, owners, ids)
}

// unfile takes some entries after a seq out of their conversation and returns their seqs. What the conversation was, they
// are from now on: kept or not. It takes no rev: a row does not show its conversation.
func unfile(ctx context.Context, tx bun.Tx, owner int64, id string, after int64) (seqs []int64, err error) {
	err = tx.NewSelect().Model((*workLog)(nil)).Column("seq").
		Where("w.owner_id = ? AND w.conversation_id = ? AND w.seq > ?", owner, id, after).Order("w.seq").Limit(unfileBatch).Scan(ctx, &seqs)
	if err != nil || len(seqs) == 0 {
		return nil, err
	}
	kept := tx.NewSelect().Model((*conversation)(nil)).Column("keep").Where("c.owner_id = ? AND c.id = ?", owner, id)
	_, err = tx.NewUpdate().Model((*workLog)(nil)).Set("conversation_id = NULL").Set("keep = (?)", kept).
		Where("w.owner_id = ? AND w.seq IN (?)", owner, bun.List(seqs)).Exec(ctx)
	return seqs, err
}

// forgetKeep lets the entries of a conversation that is no longer kept age, in paced batches: those that were written by
// a version which copied keep to them.
func (s *Store) forgetKeep(ctx context.Context, owner int64, id string) error {
	for {
		var seqs []int64
		began := time.Now()
		err := s.db.NewSelect().Model((*workLog)(nil)).Column("seq").Where("w.owner_id = ? AND w.conversation_id = ? AND w.keep", owner, id).
			Limit(unfileBatch).Scan(ctx, &seqs)
		if err != nil || len(seqs) == 0 {
			return mapError(err)
		}
		err = s.inBackgroundTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			if _, err := s.lockOwners(ctx, tx, owner); err != nil {
				return err
			}
			_, err := tx.NewUpdate().Model((*workLog)(nil)).Set("keep = false").
				Where("w.owner_id = ? AND w.conversation_id = ? AND w.seq IN (?)", owner, id, bun.List(seqs)).Exec(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if err := pace(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}
