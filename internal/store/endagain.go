package store

import (
	"context"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// endedWithin is the resolution of a time that a ledger gives back.
const endedWithin = time.Second

// EndAgain ends what had ended before the database was set back: it erases the users, whatever address they have, and
// revokes the tokens. It returns how many were there to be ended.
//
// A database that was set back has forgotten which numbers it has given away. One that somebody else has got since is
// not erased, as its user is younger than the record; and from here on nobody gets such a number.
func (s *Store) EndAgain(ctx context.Context, erased, revoked []Ended) (ended int, err error) {
	highest := int64(0)
	for _, x := range erased {
		user, err := strconv.ParseInt(x.ID, 10, 64)
		if err != nil { // a damaged line
			continue
		}
		highest = max(highest, user)
		switch err := s.eraseAgain(ctx, user, x.At); worklog.CodeOf(err) {
		case "":
			ended++
		case worklog.CodeNotFound, worklog.CodeConflict: // never in this database, or erased in it
		default:
			return ended, err
		}
	}
	if err := s.passUsers(ctx, highest); err != nil {
		return ended, err
	}
	tokens := []string{""}
	for _, x := range revoked {
		tokens = append(tokens, x.ID)
	}
	res, err := s.db.NewUpdate().Model((*tokenRow)(nil)).Set("revoked_at = ?", now()).
		Where("t.revoked_at IS NULL AND t.id::text IN (?)", bun.List(tokens)).Exec(ctx)
	if err != nil {
		return ended, mapError(err)
	}
	n, err := res.RowsAffected()
	return ended + int(n), err
}

// passUsers lets new users have numbers above the highest one.
func (s *Store) passUsers(ctx context.Context, highest int64) error {
	const numbers = "pg_get_serial_sequence('users', 'id')"
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var behind bool
		err := tx.NewRaw("SELECT COALESCE(pg_sequence_last_value("+numbers+"), 0) < ?", highest).Scan(ctx, &behind)
		if err != nil || !behind {
			return err
		}
		// Whoever is being added is a row by then, or gets a higher number.
		if _, err := tx.NewRaw("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE").Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewRaw("SELECT setval("+numbers+", GREATEST(?, pg_sequence_last_value("+numbers+"), (SELECT max(id) FROM users)))", highest).Exec(ctx)
		return err
	})
}

// eraseAgain begins an erasure that was ordered once: neither a hold nor being the last administrator stands in its way.
func (s *Store) eraseAgain(ctx context.Context, user int64, at time.Time) error {
	u, _, err := s.UserByID(ctx, user)
	if err != nil {
		return err
	}
	if u.CreatedAt.After(at.Add(endedWithin)) {
		return errNoUser()
	}
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := s.lockOwners(ctx, tx, user); err != nil {
			return err
		}
		u, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if err := shutOut(ctx, tx, u); err != nil {
			return err
		}
		if _, err := tx.NewUpdate().Model((*conversation)(nil)).Set("hold = false").Where("c.owner_id = ? AND c.hold", user).Exec(ctx); err != nil {
			return err
		}
		act := account.Act{Action: account.ActUserErase, Subject: user, Reason: "erased before the database was set back"}
		if err := record(ctx, tx, account.Program(), act); err != nil {
			return err
		}
		_, err = tx.NewRaw("UPDATE work_log_stats SET closed = true WHERE owner_id = ?", user).Exec(ctx)
		return err
	})
}
