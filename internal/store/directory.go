package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// UserQuery asks for a page of users by address.
type UserQuery struct {
	Query string // a part of the address, without regard to case
	After string // Next of the page before
	Limit int    // 0: DefaultLimit
}

// UserSummary is a user and what is counted of one.
type UserSummary struct {
	account.User
	Entries      int64 // kept, in any tier
	LastLoggedAt time.Time
	Tokens       int
	Sessions     int
}

// userSummaryRow is a user with counts.
type userSummaryRow struct {
	userRow      `bun:",extend"`
	Entries      int64      `bun:"entries,scanonly"`
	LastLoggedAt *time.Time `bun:"last_logged_at,scanonly"`
	Tokens       int        `bun:"tokens,scanonly"`
	Sessions     int        `bun:"sessions,scanonly"`
}

func (r *userSummaryRow) summary() UserSummary {
	return UserSummary{User: r.user(), Entries: r.Entries, LastLoggedAt: deref(r.LastLoggedAt).UTC(), Tokens: r.Tokens, Sessions: r.Sessions}
}

// selectSummaries reads users with their counts.
func selectSummaries(db bun.IDB, at time.Time) *bun.SelectQuery {
	return db.NewSelect().Model((*userRow)(nil)).ColumnExpr("u.*").ColumnExpr("COALESCE(st.hot + st.warm + st.cold + st.archived, 0) AS entries").
		ColumnExpr("st.last_logged_at").
		ColumnExpr("(SELECT count(*) FROM tokens AS t WHERE t.owner_id = u.id AND t.revoked_at IS NULL) AS tokens").
		ColumnExpr("(SELECT count(*) FROM sessions AS s WHERE s.user_id = u.id AND s.expires_at > ?) AS sessions", at).
		Join("LEFT JOIN work_log_stats AS st ON st.owner_id = u.id")
}

// UserSummaries returns a page of users, those who are erased last, and the After of the next page or "".
func (s *Store) UserSummaries(ctx context.Context, q UserQuery) ([]UserSummary, string, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	query := selectSummaries(s.db, now())
	if q.Query != "" {
		query = query.Where("u.email ILIKE ?", "%"+likeEscaper.Replace(q.Query)+"%")
	}
	if q.After != "" {
		erased, email, _ := strings.Cut(q.After, ".")
		if strings.ContainsRune(email, 0) {
			return nil, "", worklog.Errorf(worklog.CodeMalformed, "the cursor is not one of ours")
		}
		query = query.Where("(u.erasing_at IS NOT NULL, lower(u.email)) > (?, ?)", erased == "1", email)
	}
	var rows []userSummaryRow
	err := query.OrderExpr("u.erasing_at IS NOT NULL, lower(u.email)").Limit(int64(q.Limit)+1).Scan(ctx, &rows)
	if err != nil {
		return nil, "", mapError(err)
	}
	next := ""
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		last := &rows[q.Limit-1]
		next = "0." + strings.ToLower(last.Email)
		if last.ErasingAt != nil {
			next = "1." + strings.ToLower(last.Email)
		}
	}
	users := make([]UserSummary, len(rows))
	for i := range rows {
		users[i] = rows[i].summary()
	}
	return users, next, nil
}

// UserDetail is everything that administrators see of a user.
type UserDetail struct {
	UserSummary
	Stats    worklog.Stats
	Sessions []account.Session
	Tokens   []account.Token
	Holds    []HeldConversation
	Acts     []account.AuditLine // the last ones
	Until    time.Time           // when what was opened to the viewer closes; zero: nothing is
	Left     int64               // entries that an erasure has still to delete
}

// shownActs is how many acts a user's page shows.
const shownActs = 10

// UserDetail returns what viewer, an administrator, sees of a user.
func (s *Store) UserDetail(ctx context.Context, v Viewer, id int64) (d UserDetail, err error) {
	var rows []userSummaryRow
	if err := selectSummaries(s.db, now()).Where("u.id = ?", id).Scan(ctx, &rows); err != nil {
		return d, mapError(err)
	}
	if len(rows) == 0 {
		return d, errNoUser()
	}
	d.UserSummary = rows[0].summary()
	if d.Erasing && !d.Erased {
		d.Left = d.Entries
	}
	if d.Stats, err = s.Stats(ctx, id); err != nil {
		return d, err
	}
	if d.Sessions, err = s.Sessions(ctx, id); err != nil {
		return d, err
	}
	if d.Tokens, err = s.Tokens(ctx, id); err != nil {
		return d, err
	}
	if d.Holds, err = s.Holds(ctx, id); err != nil {
		return d, err
	}
	if d.Acts, _, err = s.Audit(ctx, AuditQuery{About: id, Limit: shownActs}); err != nil {
		return d, err
	}
	if d.Until, err = s.Reading(ctx, v, id); worklog.CodeOf(err) == worklog.CodeNotFound {
		err = nil
	}
	return d, err
}

// TokenQuery asks for a page of everybody's tokens, the newest first.
type TokenQuery struct {
	Query  string // a part of the owner's address, of the name or of the prefix
	Unused bool   // only those that were not used for 90 days
	Any    bool   // only those that may write for others or administrate
	Before string // Next of the page before
	Limit  int    // 0: DefaultLimit
}

// OwnedToken is a token and whose it is.
type OwnedToken struct {
	account.Token
	Owner account.User
}

// unusedFor is how long a token was not used before somebody should ask whether it is needed.
const unusedFor = 90 * 24 * time.Hour

// AllTokens returns a page of the tokens that are not revoked, and the Before of the next page or "".
func (s *Store) AllTokens(ctx context.Context, q TokenQuery) ([]OwnedToken, string, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	var rows []tokenRow
	query := s.db.NewSelect().Model(&rows).Relation("User").Where("t.revoked_at IS NULL")
	if q.Query != "" {
		part := "%" + likeEscaper.Replace(q.Query) + "%"
		query = query.Where("(?.email ILIKE ? OR t.name ILIKE ? OR t.prefix ILIKE ?)", bun.Ident("user"), part, part, part)
	}
	if q.Unused {
		query = query.Where("COALESCE(t.last_used_at, t.created_at) < ?", now().Add(-unusedFor))
	}
	if q.Any {
		query = query.Where("t.scopes && ARRAY['admin', 'write:any']")
	}
	if q.Before != "" {
		at, id, _ := strings.Cut(q.Before, "_")
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil || uuid.Validate(id) != nil {
			return nil, "", worklog.Errorf(worklog.CodeMalformed, "the cursor is not one of ours")
		}
		query = query.Where("(t.created_at, t.id::text) < (?, ?)", when, id)
	}
	if err := query.OrderExpr("t.created_at DESC, t.id::text DESC").Limit(int64(q.Limit) + 1).Scan(ctx); err != nil {
		return nil, "", mapError(err)
	}
	next := ""
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = rows[q.Limit-1].CreatedAt.UTC().Format(time.RFC3339Nano) + "_" + rows[q.Limit-1].ID
	}
	tokens := make([]OwnedToken, len(rows))
	for i := range rows {
		tokens[i] = OwnedToken{rows[i].token(), rows[i].User.user()}
	}
	return tokens, next, nil
}
