package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// ReadingTime is how long a reason opens somebody's entries to an administrator's session.
const ReadingTime = 15 * time.Minute

// teamReadable is the part of canRead that holds for every user.
const teamReadable = "c.visibility = 'team' AND c.deleted_at IS NULL"

// Viewer is who reads. The session counts only for what an administrator's reason has opened to it; without one the
// viewer is an ordinary reader, administrator or not.
type Viewer struct {
	User    int64
	Session string
}

// canRead limits a query on conversations c to those that viewer may read. It is the one place that decides.
func canRead(q *bun.SelectQuery, v Viewer) *bun.SelectQuery {
	q = q.Where("c.deleted_at IS NULL")
	if v.Session == "" {
		return q.Where("(c.owner_id = ? OR c.visibility = 'team')", v.User)
	}
	return q.Where("(c.owner_id = ? OR c.visibility = 'team' OR "+granted("c.owner_id")+")", v.User, v.Session, now())
}

// granted is the part of canRead that an administrator's reason opens: what is of owner, to one session, for a while,
// and to nobody who is no administrator any more. Its arguments are the session and the time.
func granted(owner string) string {
	return `EXISTS (SELECT FROM readings AS g JOIN sessions AS gs ON gs.id = g.session_id JOIN users AS gu ON gu.id = gs.user_id
		WHERE g.owner_id = ` + owner + ` AND g.session_id = ? AND g.expires_at > ? AND gu.admin AND gu.disabled_at IS NULL)`
}

// readingRow is a row of readings.
type readingRow struct {
	bun.BaseModel `bun:"table:readings,alias:r"`

	SessionID string    `bun:"session_id,pk,type:uuid"`
	OwnerID   int64     `bun:"owner_id,pk"`
	GrantedAt time.Time `bun:"granted_at"`
	ExpiresAt time.Time `bun:"expires_at"`
}

func errNoReading() error {
	return worklog.Errorf(worklog.CodeNotFound, "reading this needs a reason, given within the last %d minutes", int(ReadingTime.Minutes()))
}

// GrantReading opens a user's entries to the administrator's own session, and writes down why.
func (a Admin) GrantReading(ctx context.Context, session string, owner int64, reason string) error {
	if owner == a.by.User {
		return worklog.Errorf(worklog.CodeConflict, "these are your own entries; you need no reason")
	}
	if uuid.Validate(session) != nil {
		return errNoReading()
	}
	at := now()
	row := readingRow{SessionID: session, OwnerID: owner, GrantedAt: at, ExpiresAt: at.Add(ReadingTime)}
	act := account.Act{Action: account.ActRead, Subject: owner, Reason: reason, Detail: "for 15 minutes"}
	return a.do(ctx, act, func(ctx context.Context, tx bun.Tx) error {
		if _, err := lockUser(ctx, tx, owner); err != nil {
			return err
		}
		n, err := tx.NewSelect().Model((*sessionRow)(nil)).Where("s.id = ? AND s.user_id = ?", session, a.by.User).Count(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoReading()
		}
		_, err = tx.NewInsert().Model(&row).On("CONFLICT (session_id, owner_id) DO UPDATE").
			Set("granted_at = EXCLUDED.granted_at").Set("expires_at = EXCLUDED.expires_at").Exec(ctx)
		return err
	})
}

// EndReading closes what GrantReading opened.
func (a Admin) EndReading(ctx context.Context, session string, owner int64) error {
	if uuid.Validate(session) != nil {
		return errNoReading()
	}
	return a.do(ctx, account.Act{Action: account.ActReadEnd, Subject: owner}, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewDelete().Model((*readingRow)(nil)).Where("r.session_id = ? AND r.owner_id = ?", session, owner).Exec(ctx)
		if err != nil {
			return err
		}
		if n, _ := res.RowsAffected(); n == 0 {
			return errNoReading()
		}
		return nil
	})
}

// Reading says until when viewer may read everything of owner; not found if no reason was given.
func (s *Store) Reading(ctx context.Context, v Viewer, owner int64) (until time.Time, err error) {
	if uuid.Validate(v.Session) != nil {
		return until, errNoReading()
	}
	err = s.db.NewSelect().Model((*readingRow)(nil)).Column("expires_at").Where("r.session_id = ? AND r.owner_id = ?", v.Session, owner).
		Where(granted("r.owner_id"), v.Session, now()).Scan(ctx, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return until, errNoReading()
	}
	return until.UTC(), mapError(err)
}

// ReadConversation returns a conversation of owner that a reason has opened to viewer; any other is not found.
func (s *Store) ReadConversation(ctx context.Context, v Viewer, owner int64, id string) (Conversation, error) {
	if uuid.Validate(id) != nil || uuid.Validate(v.Session) != nil {
		return Conversation{}, errNoConversation()
	}
	return one(canRead(selectConversations(s.db), v).Where("c.owner_id = ? AND c.id = ?", owner, id).
		Where(granted("c.owner_id"), v.Session, now()), ctx)
}

// ReadConversations lists the conversations of owner that a reason has opened to viewer, the last used first.
func (s *Store) ReadConversations(ctx context.Context, v Viewer, owner int64) ([]Conversation, error) {
	if uuid.Validate(v.Session) != nil {
		return nil, errNoReading()
	}
	var list []conversation
	err := canRead(selectConversations(s.db), v).Where("c.owner_id = ?", owner).Where(granted("c.owner_id"), v.Session, now()).
		OrderExpr(conversationOrder+" DESC, c.id DESC").Limit(MaxLimit).Scan(ctx, &list)
	out := make([]Conversation, len(list))
	for i := range list {
		out[i] = list[i].public()
	}
	return out, mapError(err)
}

// ReadEntries is [Store.Entries] of an owner whose entries a reason has opened to viewer, and says until when.
func (s *Store) ReadEntries(ctx context.Context, v Viewer, q EntryQuery) (page EntryPage, until time.Time, err error) {
	if until, err = s.Reading(ctx, v, q.Owner); err != nil {
		return page, until, err
	}
	page, err = s.Entries(ctx, q)
	return page, until, err
}
