package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
)

// auditRow is a row of audit.
type auditRow struct {
	bun.BaseModel `bun:"table:audit,alias:a"`

	ID        int64     `bun:"id,pk,autoincrement"`
	At        time.Time `bun:"at"`
	ActorID   *int64    `bun:"actor_id"`
	Actor     string    `bun:"actor"`
	Action    string    `bun:"action"`
	SubjectID *int64    `bun:"subject_id"`
	Object    string    `bun:"object"`
	Detail    string    `bun:"detail"`
	Reason    string    `bun:"reason"`
	Address   string    `bun:"address"`

	ActorEmail   *string `bun:"actor_email,scanonly"`
	SubjectEmail *string `bun:"subject_email,scanonly"`
}

func (r *auditRow) line() account.AuditLine {
	l := account.AuditLine{
		Act: account.Act{Action: account.Action(r.Action), Subject: deref(r.SubjectID), Object: r.Object, Detail: r.Detail, Reason: r.Reason},
		ID:  r.ID, At: r.At.UTC(), Actor: account.Actor{User: deref(r.ActorID), Name: r.Actor, Address: r.Address},
		ActorName: r.Actor, SubjectName: deref(r.SubjectEmail),
	}
	if r.ActorEmail != nil {
		l.ActorName = *r.ActorEmail
	}
	return l
}

// record writes a line of the audit list, in the transaction of the act if it has one.
func record(ctx context.Context, db bun.IDB, by account.Actor, act account.Act) error {
	row := auditRow{
		At: now(), ActorID: nullable(by.User), Action: string(act.Action), SubjectID: nullable(act.Subject), Object: act.Object, Detail: act.Detail,
		Reason: act.Reason, Address: by.Address,
	}
	if by.User == 0 {
		row.Actor = by.Name
	}
	_, err := db.NewInsert().Model(&row).ExcludeColumn("id").Exec(ctx)
	return err
}

// AuditQuery asks for a page of the audit list, newest first.
type AuditQuery struct {
	Subject int64 // only acts that concern this user; 0: all
	Actor   int64 // only acts of this user; 0: all
	About   int64 // acts of this user or concerning it; 0: all
	Action  account.Action
	Before  int64 // only lines with a smaller id; 0: from the newest
	Limit   int   // 0: DefaultLimit
}

// Audit returns a page of the audit list, and the Before of the next page or 0.
func (s *Store) Audit(ctx context.Context, q AuditQuery) ([]account.AuditLine, int64, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	var rows []auditRow
	query := s.db.NewSelect().Model(&rows).ColumnExpr("a.*").ColumnExpr("x.email AS actor_email").ColumnExpr("y.email AS subject_email").
		Join("LEFT JOIN users AS x ON x.id = a.actor_id").Join("LEFT JOIN users AS y ON y.id = a.subject_id")
	if q.Subject != 0 {
		query = query.Where("a.subject_id = ?", q.Subject)
	}
	if q.Actor != 0 {
		query = query.Where("a.actor_id = ?", q.Actor)
	}
	if q.About != 0 {
		query = query.Where("(a.actor_id = ? OR a.subject_id = ?)", q.About, q.About)
	}
	if q.Action != "" {
		query = query.Where("a.action = ?", string(q.Action))
	}
	if q.Before > 0 {
		query = query.Where("a.id < ?", q.Before)
	}
	if err := query.Order("a.id DESC").Limit(int64(q.Limit) + 1).Scan(ctx); err != nil {
		return nil, 0, mapError(err)
	}
	next := int64(0)
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = rows[q.Limit-1].ID
	}
	lines := make([]account.AuditLine, len(rows))
	for i := range rows {
		lines[i] = rows[i].line()
	}
	return lines, next, nil
}
