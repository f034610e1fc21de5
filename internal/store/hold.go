package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// Hold sets or lifts a hold on anybody's conversation, and writes down why: while it is set, neither sweep, deletion nor
// erasure touches the conversation and its entries.
func (a Admin) Hold(ctx context.Context, id string, hold bool, reason string) error {
	if uuid.Validate(id) != nil {
		return errNoConversation()
	}
	return a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var list []conversation
		if err := tx.NewSelect().Model(&list).Column("owner_id", "id").Where("c.id = ? AND c.deleted_at IS NULL", id).Scan(ctx); err != nil {
			return err
		}
		if len(list) == 0 {
			return errNoConversation()
		}
		owner := list[0].OwnerID
		if _, err := a.s.lockOwners(ctx, tx, owner); err != nil { // a batch of the sweep or of an erasure is over, or has not begun
			return err
		}
		if _, err := lockUser(ctx, tx, owner); err != nil {
			return err
		}
		res, err := tx.NewUpdate().Model((*conversation)(nil)).Set("hold = ?", hold).
			Where("c.owner_id = ? AND c.id = ? AND c.deleted_at IS NULL AND c.hold <> ?", owner, id, hold).Exec(ctx)
		if err != nil {
			return err
		}
		if n, _ := res.RowsAffected(); n == 0 {
			return worklog.Errorf(worklog.CodeConflict, "that is how this conversation stands already")
		}
		act := account.Act{Action: account.ActRelease, Subject: owner, Object: id, Reason: reason}
		if hold {
			act.Action = account.ActHold
		}
		return record(ctx, tx, a.by, act)
	})
}

// HeldConversation is a conversation under hold. Its title is its owner's business and not part of it.
type HeldConversation struct {
	ID         string    `bun:"id"`
	OwnerID    int64     `bun:"owner_id"`
	Owner      string    `bun:"owner"`
	EntryCount int64     `bun:"entry_count"`
	Since      time.Time `bun:"since"` // zero: before the audit list began
	Reason     string    `bun:"reason"`
	By         string    `bun:"by_name"`
}

// maxHolds bounds a listing of holds.
const maxHolds = 1000

// Holds lists the conversations under hold, of one owner or (0) of all, newest first.
func (s *Store) Holds(ctx context.Context, owner int64) ([]HeldConversation, error) {
	last := s.db.NewSelect().Model((*auditRow)(nil)).Column("at", "reason", "actor", "actor_id").
		Where("a.object = c.id::text AND a.action = ?", string(account.ActHold)).Order("a.id DESC").Limit(1)
	q := s.db.NewSelect().Model((*conversation)(nil)).Column("c.id", "c.owner_id", "c.entry_count").ColumnExpr("u.email AS owner").
		ColumnExpr("COALESCE(h.at, 'epoch'::timestamptz) AS since").ColumnExpr("COALESCE(h.reason, '') AS reason").
		ColumnExpr("COALESCE(b.email, h.actor, '') AS by_name").
		Join("JOIN users AS u ON u.id = c.owner_id").Join("LEFT JOIN LATERAL (?) AS h ON TRUE", last).Join("LEFT JOIN users AS b ON b.id = h.actor_id").
		Where("c.hold AND c.deleted_at IS NULL")
	if owner != 0 {
		q = q.Where("c.owner_id = ?", owner)
	}
	var list []HeldConversation
	err := q.OrderExpr("h.at DESC NULLS LAST, c.id").Limit(maxHolds).Scan(ctx, &list)
	for i := range list {
		if list[i].Since = list[i].Since.UTC(); list[i].Since.Unix() == 0 {
			list[i].Since = time.Time{}
		}
	}
	return list, mapError(err)
}
