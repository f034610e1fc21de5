package store

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// An erasure is one short transaction that shuts the user out and takes the name away, paced batches that delete the
// entries, and one last transaction. In between users.erasing_at is set, so whoever comes next goes on with it.
//
// Decision: entries are deleted, not blanked. Two million rows without a word in them serve nobody; what counts is in
// work_log_stats and the rollups, which stay under "erased user N". A tool's name stays in the rollups where others use
// it too, see forgetTools.

// eraseBatch is how many entries go in one transaction. Their owner writes no more, so nobody waits for the lock; the
// batch is small for the sake of everybody else's disk.
const eraseBatch = 500

// BeginErasure shuts a user out and takes the name away: sessions, tokens, links and the password are gone, others can
// not read the conversations any more, and nothing is appended from here on. The last administrator stays, and so does
// whose conversation is under hold. FinishErasure does the rest.
func (a Admin) BeginErasure(ctx context.Context, user int64, reason string) error {
	if _, _, err := a.s.UserByID(ctx, user); err != nil {
		return err
	}
	return a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := a.s.lockOwners(ctx, tx, user); err != nil {
			return err
		}
		if err := keepAnAdmin(ctx, tx, user); err != nil {
			return err
		}
		u, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		held, err := tx.NewSelect().Model((*conversation)(nil)).Where("c.owner_id = ? AND c.hold", user).Count(ctx)
		if err != nil {
			return err
		}
		if held > 0 {
			return worklog.Errorf(worklog.CodeConflict, "%d conversations of this user are under hold; they have to be released first", held)
		}
		if err := shutOut(ctx, tx, u); err != nil {
			return err
		}
		if err := record(ctx, tx, a.by, account.Act{Action: account.ActUserErase, Subject: user, Reason: withoutName(reason, u.Email)}); err != nil {
			return err
		}
		_, err = tx.NewRaw("INSERT INTO work_log_stats (owner_id, closed) VALUES (?, true) ON CONFLICT (owner_id) DO UPDATE SET closed = true", user).Exec(ctx)
		return err
	})
}

// ErasedName is what stands for the address of a user who is erased. It is no address, so nobody can sign up with it.
func ErasedName(id int64) string { return erasedName + strconv.FormatInt(id, 10) }

const erasedName = "erased user "

// shutOut takes away every way in, and every word that names the user outside of the entries.
func shutOut(ctx context.Context, tx bun.Tx, u *userRow) error {
	_, err := tx.NewUpdate().Model((*userRow)(nil)).Set("email = ?", ErasedName(u.ID)).Set("password_hash = NULL").Set("admin = false").
		Set("disabled_at = COALESCE(disabled_at, ?)", now()).Set("erasing_at = ?", now()).Set("rate_limit = 0").Where("u.id = ?", u.ID).Exec(ctx)
	if err != nil {
		return err
	}
	if err := dropAccess(ctx, tx, u.ID); err != nil {
		return err
	}
	if err := notify(ctx, tx, Control{Kind: ControlUser, ID: strconv.FormatInt(u.ID, 10)}); err != nil {
		return err
	}
	var shared []string
	err = tx.NewUpdate().Model((*conversation)(nil)).Set("visibility = 'private'").Where("c.owner_id = ? AND c.visibility = 'team'", u.ID).
		Returning("c.id").Scan(ctx, &shared)
	if err != nil {
		return err
	}
	for _, id := range shared { // their readers have to leave
		if err := notify(ctx, tx, Control{Kind: ControlConversation, ID: id}); err != nil {
			return err
		}
	}
	return forgetInAudit(ctx, tx, u)
}

// dropAccess deletes links, tokens and sessions, and what was opened to administrators.
func dropAccess(ctx context.Context, tx bun.Tx, user int64) error {
	for _, q := range []*bun.DeleteQuery{
		tx.NewDelete().Model((*linkRow)(nil)).Where("l.user_id = ?", user),
		tx.NewDelete().Model((*tokenRow)(nil)).Where("t.owner_id = ?", user),
		tx.NewDelete().Model((*readingRow)(nil)).Where("r.owner_id = ?", user),
	} {
		if _, err := q.Exec(ctx); err != nil {
			return err
		}
	}
	return endSessions(ctx, tx, user, "")
}

// forgetInAudit takes from where the user acted, and the user's address out of what others gave as a reason.
func forgetInAudit(ctx context.Context, tx bun.Tx, u *userRow) error {
	if _, err := tx.NewUpdate().Model((*auditRow)(nil)).Set("address = ''").Where("a.actor_id = ? AND a.address <> ''", u.ID).Exec(ctx); err != nil {
		return err
	}
	var named []auditRow
	err := tx.NewSelect().Model(&named).Column("id", "reason").Where("a.reason ILIKE ?", "%"+likeEscaper.Replace(u.Email)+"%").Scan(ctx)
	if err != nil {
		return err
	}
	for _, row := range named {
		_, err := tx.NewUpdate().Model((*auditRow)(nil)).Set("reason = ?", withoutName(row.Reason, u.Email)).Where("a.id = ?", row.ID).Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// withoutName returns a reason without the address of the person whom it is about.
func withoutName(reason, email string) string {
	name, err := regexp.Compile("(?i)" + regexp.QuoteMeta(email))
	if err != nil { // a quoted text always compiles
		return ""
	}
	return name.ReplaceAllLiteralString(reason, "[erased]")
}

// Erasing lists the users whose erasure has begun and not ended, the oldest first.
func (s *Store) Erasing(ctx context.Context) (ids []int64, err error) {
	err = s.db.NewSelect().Model((*userRow)(nil)).Column("id").Where("u.erasing_at IS NOT NULL AND u.erased_at IS NULL").Order("u.erasing_at", "u.id").Scan(ctx, &ids)
	return ids, mapError(err)
}

// erasedRows is what one batch took.
type erasedRows struct {
	N        int64 `bun:"n"`
	Last     int64 `bun:"last"` // seq
	Hot      int64 `bun:"hot"`
	Warm     int64 `bun:"warm"`
	Cold     int64 `bun:"cold"`
	Archived int64 `bun:"archived"`

	Bytes         int64 `bun:"bytes"`
	WarmBytes     int64 `bun:"warm_bytes"`
	ColdBytes     int64 `bun:"cold_bytes"`
	ArchivedBytes int64 `bun:"archived_bytes"`
}

// EraseSome deletes some entries of a user whose erasure has begun, in the order of seq, and returns how many and the last
// seq of them: the next call begins behind it, for what was deleted before lies in the index until it is vacuumed. 0: none
// is left at all, and the conversations are gone, too.
func (s *Store) EraseSome(ctx context.Context, user, after int64) (n, last int64, err error) {
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		stats, err := s.lockErasing(ctx, tx, user)
		if err != nil {
			return err
		}
		gone, err := eraseEntries(ctx, tx, user, after)
		if err == nil && gone.N == 0 {
			gone, err = eraseRest(ctx, tx, user, after)
		}
		if err != nil {
			return err
		}
		n, last = gone.N, gone.Last
		_, err = tx.ExecContext(ctx, s.statsUpsert([]*statsRow{{
			OwnerID: user, LastRev: stats.LastRev, Hot: -gone.Hot, Warm: -gone.Warm, Cold: -gone.Cold, Archived: -gone.Archived,
			Bytes: -gone.Bytes, WarmBytes: -gone.WarmBytes, ColdBytes: -gone.ColdBytes, ArchivedBytes: -gone.ArchivedBytes,
		}}))
		return err
	})
	return n, last, err
}

// eraseEntries deletes a batch of the entries after a seq and adds up what they were.
func eraseEntries(ctx context.Context, tx bun.Tx, user, after int64) (gone erasedRows, err error) {
	some := tx.NewSelect().Model((*workLog)(nil)).Column("seq").Where("w.owner_id = ? AND w.seq > ?", user, after).Order("w.seq").Limit(eraseBatch)
	deleted := tx.NewDelete().Model((*workLog)(nil)).Where("w.owner_id = ? AND w.seq IN (?)", user, some).Returning("w.seq, w.storage_status, " + sqlBytes + " AS size")
	q := tx.NewSelect().With("gone", deleted).TableExpr("gone").ColumnExpr("count(*) AS n").ColumnExpr("COALESCE(max(seq), 0) AS last").ColumnExpr("COALESCE(sum(size), 0)::bigint AS bytes")
	for _, status := range worklog.StorageStatuses() {
		q = q.ColumnExpr("count(*) FILTER (WHERE storage_status = ?) AS ?", string(status), bun.Ident(status))
		if status != worklog.StorageHot {
			q = q.ColumnExpr("COALESCE(sum(size) FILTER (WHERE storage_status = ?), 0)::bigint AS ?", string(status), bun.Ident(status+"_bytes"))
		}
	}
	err = q.Scan(ctx, &gone)
	return gone, err
}

// eraseRest deletes what goes with the last entry, or some of the entries up to a seq if any are left. It walks once over
// everything that was deleted, by itself and for the conversations by their foreign key.
func eraseRest(ctx context.Context, tx bun.Tx, user, after int64) (gone erasedRows, err error) {
	if _, err := tx.ExecContext(ctx, setCountTimeout()); err != nil {
		return gone, err
	}
	if after > 0 {
		if gone, err = eraseEntries(ctx, tx, user, 0); err != nil || gone.N > 0 {
			return gone, err
		}
	}
	if _, err := tx.NewDelete().Model((*conversation)(nil)).Where("c.owner_id = ?", user).Exec(ctx); err != nil {
		return gone, err
	}
	if err := forgetSteps(ctx, tx, user); err != nil {
		return gone, err
	}
	_, err = tx.NewRaw("UPDATE archive_objects SET rows = 0 WHERE owner_id = ? AND rows > 0", user).Exec(ctx)
	return gone, err
}

// forgetSteps deletes what is remembered of a user's steps, which names their tools.
func forgetSteps(ctx context.Context, tx bun.Tx, user int64) error {
	for _, table := range []bun.Ident{"rollup_open", "tool_times"} {
		if _, err := tx.NewRaw("DELETE FROM ? WHERE owner_id = ?", table, user).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lockErasing locks the stats row of a user whose erasure has begun and not ended.
func (s *Store) lockErasing(ctx context.Context, tx bun.Tx, user int64) (*statsRow, error) {
	stats, err := s.lockOwners(ctx, tx, user)
	if err != nil {
		return nil, err
	}
	n, err := tx.NewSelect().Model((*userRow)(nil)).Where("u.id = ? AND u.erasing_at IS NOT NULL AND u.erased_at IS NULL", user).Count(ctx)
	if err == nil && n == 0 {
		err = worklog.Errorf(worklog.CodeConflict, "no erasure of this user is under way")
	}
	return stats[user], err
}

// FinishErasure ends an erasure whose entries and archive objects are gone. What came in meanwhile through a door that
// was just closing goes as well, and names of tools that nobody else uses. That takes a look at all entries of others.
func (s *Store) FinishErasure(ctx context.Context, user int64) error {
	if err := s.forgetTools(ctx, user); err != nil {
		return err
	}
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := s.lockErasing(ctx, tx, user); err != nil {
			return err
		}
		var left bool
		err := tx.NewRaw(`SELECT EXISTS (SELECT FROM work_logs WHERE owner_id = ?0) OR EXISTS (SELECT FROM conversations WHERE owner_id = ?0)
			OR EXISTS (SELECT FROM archive_objects WHERE owner_id = ?0 AND rows > 0)`, user).Scan(ctx, &left)
		if err == nil && left {
			err = fmt.Errorf("erase user %d: entries are left", user)
		}
		if err != nil {
			return err
		}
		if err := dropAccess(ctx, tx, user); err != nil {
			return err
		}
		if _, err := tx.NewUpdate().Model((*userRow)(nil)).Set("erased_at = ?", now()).Where("u.id = ?", user).Exec(ctx); err != nil {
			return err
		}
		return record(ctx, tx, account.Program(), account.Act{Action: account.ActUserErased, Subject: user})
	})
}

// Ended is a right or a person that a backup must not bring back.
type Ended struct {
	ID string // of a token, or the number of a user
	At time.Time
}

// Endings lists the users whose erasure has begun and the tokens that were revoked, the oldest first.
func (s *Store) Endings(ctx context.Context) (erased, revoked []Ended, err error) {
	err = s.db.NewSelect().Model((*userRow)(nil)).ColumnExpr("u.id::text AS id").ColumnExpr("u.erasing_at AS at").
		Where("u.erasing_at IS NOT NULL").Order("u.erasing_at", "u.id").Scan(ctx, &erased)
	if err != nil {
		return nil, nil, mapError(err)
	}
	err = s.db.NewSelect().Model((*tokenRow)(nil)).ColumnExpr("t.id::text AS id").ColumnExpr("t.revoked_at AS at").
		Where("t.revoked_at IS NOT NULL").Order("t.revoked_at", "t.id").Scan(ctx, &revoked)
	return erased, revoked, mapError(err)
}
