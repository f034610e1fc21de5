package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/worklog"
)

// unfileBatch is how many entries lose their conversation in one transaction: its owner's writers wait that long.
const unfileBatch = 40

// DeleteConversation hides a conversation of the owner and appends an entry that says so, in one short transaction.
// Its entries stay. FinishDeletions does the rest.
func (s *Store) DeleteConversation(ctx context.Context, owner int64, id string) error {
	if uuid.Validate(id) != nil {
		return errNoConversation()
	}
	at := now()
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		stats, err := s.lockOwners(ctx, tx, owner)
		if err != nil {
			return err
		}
		var c conversation
		_, err = tx.NewUpdate().Model(&c).Set("deleted_at = ?", at).
			Where("c.owner_id = ? AND c.id = ? AND c.deleted_at IS NULL", owner, id).Returning("c.*").Exec(ctx)
		if err != nil {
			return err
		}
		if c.ID == "" {
			return errNoConversation()
		}
		if c.Hold {
			return errHeld()
		}
		if err := s.appendOwn(ctx, tx, stats[owner], tombstone(c.public(), at), at); err != nil {
			return err
		}
		return notify(ctx, tx, Control{Kind: ControlConversation, ID: c.ID})
	})
}

// tombstone says what was deleted and what stays.
func tombstone(c Conversation, at time.Time) worklog.Draft {
	entries := fmt.Sprintf("its %d entries stay", c.EntryCount)
	switch c.EntryCount {
	case 0:
		entries = "it had no entries"
	case 1:
		entries = "its one entry stays"
	}
	title := "Conversation “" + worklog.Cut(c.DisplayTitle(), 300) + "” deleted, " + entries
	return worklog.Draft{
		Title: title, Type: worklog.TypeInfo, Status: worklog.StatusInfo, Source: worklog.SourceWorklog, LoggedAt: &at,
		Metadata: worklog.Metadata{"deleted_conversation_id": c.ID, "entries_kept": c.EntryCount, "conversation_title": c.Title, "conversation_key": c.Key},
	}
}

// appendOwn appends an entry of worklog's own inside a transaction that holds the owner's lock. It ends with the
// closing upsert: nothing of the owner may be written after it.
func (s *Store) appendOwn(ctx context.Context, tx bun.Tx, stats *statsRow, d worklog.Draft, at time.Time) error {
	if stats.Closed {
		return errErased()
	}
	d.Normalize()
	p := newPlan(Batch{Now: at, Writes: []Write{{Owner: stats.OwnerID, EntryID: newID(), Facts: change.Of(&d, at)}}})
	p.stats[stats.OwnerID] = stats
	p.decide()
	st := p.inserts[0]
	p.deltas[stats.OwnerID].Bytes += st.encode()
	if _, err := tx.NewInsert().Model(modelOf(&st.row)).Exec(ctx); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, s.statsUpsert([]*statsRow{p.deltas[stats.OwnerID]}))
	return err
}

func modelOf(r *Row) *workLog {
	return &workLog{
		OwnerID: r.Owner, Seq: r.Seq, Rev: r.Rev, ID: r.ID, ConversationID: nullable(r.ConversationID), Key: nullable(r.Key), ParentKey: nullable(r.Parent),
		Type: string(r.Type), Status: string(r.Status), Tool: r.Tool, Title: r.Title, Details: r.Details, Metadata: []byte(metadataJSON(r.Metadata)),
		Source: r.Source, TokenID: nullable(r.TokenID), Repeats: r.Repeats, Inferred: r.Inferred, AskedAt: nullable(r.AskedAt), SilentAfter: nullable(int(r.SilentAfter / time.Second)), StartedAt: nullable(r.StartedAt), EndedAt: nullable(r.EndedAt),
		LoggedAt: r.LoggedAt, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, StorageStatus: string(r.StorageStatus),
	}
}

// FinishDeletions takes the entries of hidden conversations out of them in paced batches and deletes the rows, for
// which the foreign key leaves nothing to do. It returns when none is left; a kill at any point only delays it.
func (s *Store) FinishDeletions(ctx context.Context) error {
	for {
		var c conversation
		err := s.db.NewSelect().Model(&c).Column("owner_id", "id").Where("c.deleted_at IS NOT NULL").Order("c.deleted_at").Limit(1).Scan(ctx)
		if worklog.CodeOf(mapError(err)) == worklog.CodeNotFound {
			return nil
		}
		if err != nil {
			return mapError(err)
		}
		if err := s.finishDeletion(ctx, c.OwnerID, c.ID); err != nil {
			return err
		}
	}
}

// passDead walks over what a conversation has left in the index. The foreign key does the same when the row is deleted,
// while it holds the owner: the first to pass marks what is dead, which took 1.4 s for 200,000 entries, and the next is quick.
func (s *Store) passDead(ctx context.Context, owner int64, id string) error {
	_, err := s.db.NewSelect().Model((*workLog)(nil)).Where("w.owner_id = ? AND w.conversation_id = ?", owner, id).Exists(ctx)
	return mapError(err)
}

func (s *Store) finishDeletion(ctx context.Context, owner int64, id string) error {
	if err := s.unfileAll(ctx, owner, id); err != nil {
		return err
	}
	if err := s.passDead(ctx, owner, id); err != nil {
		return err
	}
	return s.inBackgroundTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := s.lockOwners(ctx, tx, owner); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*conversation)(nil)).Where("c.owner_id = ? AND c.id = ?", owner, id).Exec(ctx); err != nil {
			return err
		}
		return notify(ctx, tx, Control{Kind: ControlUnfiled, ID: strconv.FormatInt(owner, 10)})
	})
}

// unfileAll takes the entries out of a conversation that nothing is written to any more.
func (s *Store) unfileAll(ctx context.Context, owner int64, id string) error {
	for after := int64(0); ; {
		var seqs []int64
		began := time.Now()
		err := s.inBackgroundTx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
			if _, err = s.lockOwners(ctx, tx, owner); err == nil {
				seqs, err = unfile(ctx, tx, owner, id, after)
			}
			return err
		})
		if err != nil || len(seqs) == 0 {
			return err
		}
		after = seqs[len(seqs)-1] // what lies before is dead in the index, and costs time until it is vacuumed
		if err := pace(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}
