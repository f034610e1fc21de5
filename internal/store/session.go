package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// storeTimeout bounds the methods of scs.Store that take no context.
const storeTimeout = 5 * time.Second

// maxAgent is how much of what a browser calls itself is kept.
const maxAgent = 300

// sessionRow is a row of sessions.
type sessionRow struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	TokenHash  []byte    `bun:"token_hash,pk"`
	ID         string    `bun:"id,type:uuid"`
	UserID     int64     `bun:"user_id"`
	Data       []byte    `bun:"data"` // the JSON of a sessionData
	UserAgent  string    `bun:"user_agent"`
	CreatedAt  time.Time `bun:"created_at"`
	LastSeenAt time.Time `bun:"last_seen_at"`
	ExpiresAt  time.Time `bun:"expires_at"`

	User *userRow `bun:"rel:belongs-to,join:user_id=id"`
}

// sessionData is what a session holds beyond its columns.
type sessionData struct {
	SignedInAt time.Time `json:"signed_in_at"`
	Deadline   time.Time `json:"deadline"`
	Address    string    `json:"address,omitempty"`
}

func (r *sessionRow) session() account.Session {
	var d sessionData
	_ = json.Unmarshal(r.Data, &d) // what can not be read was signed in long ago and is over by its deadline
	out := account.Session{
		ID: r.ID, SignedInAt: d.SignedInAt.UTC(), Agent: r.UserAgent, Address: d.Address,
		CreatedAt: r.CreatedAt.UTC(), LastSeen: r.LastSeenAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), Deadline: d.Deadline.UTC(),
	}
	if r.User != nil {
		out.User = r.User.user()
	}
	return out
}

// SessionStore keeps browser sessions; it is an scs.CtxStore. A session's bytes are the JSON of an [account.Session].
// Cookies are random, so their sha256 is what is stored.
type SessionStore struct{ s *Store }

// SessionStore returns the store that the session manager writes to.
func (s *Store) SessionStore() *SessionStore { return &SessionStore{s} }

// FindCtx returns the session of a cookie with its user as of now. Disabled users have none. A failing database is an
// error and never "no session": nobody is signed out by it.
func (st *SessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var rows []sessionRow
	err := st.s.db.NewSelect().Model(&rows).Relation("User").
		Where("s.token_hash = ? AND s.expires_at > ? AND ?.disabled_at IS NULL", account.HashSecret(token), now(), bun.Ident("user")).Scan(ctx)
	if err != nil {
		return nil, false, mapError(err)
	}
	if len(rows) == 0 || rows[0].User == nil {
		return nil, false, nil
	}
	b, err := json.Marshal(rows[0].session())
	return b, err == nil, err
}

// CommitCtx stores a session. One with an ID was read before: it is only updated, and if it has ended meanwhile it stays
// ended, whatever its reader thinks. A new one starts only while its user is not disabled and has the PasswordHash that
// it names: CodeUnauthorized says that this changed since the way in was checked.
func (st *SessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	var x account.Session
	if err := json.Unmarshal(b, &x); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	data, err := json.Marshal(sessionData{SignedInAt: x.SignedInAt, Deadline: x.Deadline, Address: x.Address})
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	row := sessionRow{
		TokenHash: account.HashSecret(token), ID: x.ID, UserID: x.User.ID, UserAgent: worklog.Cut(x.Agent, maxAgent), Data: data,
		CreatedAt: now(), LastSeenAt: now(), ExpiresAt: expiry,
	}
	if x.ID != "" {
		_, err := st.s.db.NewUpdate().Model(&row).Column("data", "last_seen_at", "expires_at").
			Where("s.token_hash = ? AND s.id = ?", row.TokenHash, x.ID).Exec(ctx)
		return mapError(err)
	}
	row.ID = uuid.NewString()
	return st.start(ctx, &row, x.PasswordHash)
}

// start inserts a session. The lock makes it wait for a change of its user that is under way, and look again; and a change
// that comes later waits for it, and then finds the session to end.
func (st *SessionStore) start(ctx context.Context, row *sessionRow, passwordHash string) error {
	res, err := st.s.db.NewRaw(`INSERT INTO sessions (token_hash, id, user_id, data, user_agent, created_at, last_seen_at, expires_at)
		SELECT ?, ?, u.id, ?, ?, ?, ?, ? FROM users AS u
		WHERE u.id = ? AND u.disabled_at IS NULL AND u.password_hash IS NOT DISTINCT FROM ? FOR SHARE`,
		row.TokenHash, row.ID, row.Data, row.UserAgent, row.CreatedAt, row.LastSeenAt, row.ExpiresAt, row.UserID, nullable(passwordHash)).Exec(ctx)
	if err != nil {
		return mapError(err)
	}
	if n, _ := res.RowsAffected(); n == 0 { // pgx always knows
		return errChangedSince()
	}
	return nil
}

// DeleteCtx ends the session of a cookie. It is no error if there is none.
func (st *SessionStore) DeleteCtx(ctx context.Context, token string) error {
	return st.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		return deleteSessions(ctx, tx, "s.token_hash = ?", account.HashSecret(token))
	})
}

// Find is FindCtx for callers without a context.
func (st *SessionStore) Find(token string) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return st.FindCtx(ctx, token)
}

// Commit is CommitCtx for callers without a context.
func (st *SessionStore) Commit(token string, b []byte, expiry time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return st.CommitCtx(ctx, token, b, expiry)
}

// Delete is DeleteCtx for callers without a context.
func (st *SessionStore) Delete(token string) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return st.DeleteCtx(ctx, token)
}

// TouchSession notes that a session is used and lives until expires. It never makes a session: one that ended stays so.
func (s *Store) TouchSession(ctx context.Context, id string, expires time.Time) error {
	_, err := s.db.NewUpdate().Model((*sessionRow)(nil)).Set("last_seen_at = ?", now()).Set("expires_at = ?", expires).Where("s.id = ?", id).Exec(ctx)
	return mapError(err)
}

// Sessions lists a user's sessions, the last used first.
func (s *Store) Sessions(ctx context.Context, user int64) ([]account.Session, error) {
	var rows []sessionRow
	err := s.db.NewSelect().Model(&rows).Where("s.user_id = ? AND s.expires_at > ?", user, now()).
		Order("s.last_seen_at DESC", "s.id").Limit(maxSessions).Scan(ctx)
	if err != nil {
		return nil, mapError(err)
	}
	sessions := make([]account.Session, len(rows))
	for i := range rows {
		sessions[i] = rows[i].session()
	}
	return sessions, nil
}

// maxSessions bounds a listing of one user's sessions.
const maxSessions = 200

// EndSession ends one session of the user.
func (s *Store) EndSession(ctx context.Context, user int64, id string) error {
	if uuid.Validate(id) != nil {
		return worklog.Errorf(worklog.CodeNotFound, "no such session")
	}
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		return deleteSessions(ctx, tx, "s.user_id = ? AND s.id = ?", user, id)
	})
}

// EndSessions ends every session of the user except keep (empty: every one).
func (s *Store) EndSessions(ctx context.Context, user int64, keep string) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error { return endSessions(ctx, tx, user, keep) })
}

func endSessions(ctx context.Context, tx bun.Tx, user int64, keep string) error {
	return deleteSessions(ctx, tx, "s.user_id = ? AND s.id::text <> ?", user, keep)
}

// deleteSessions deletes sessions and tells every process, so that their open streams end.
func deleteSessions(ctx context.Context, tx bun.Tx, where string, args ...any) error {
	var ids []string
	err := tx.NewDelete().Model((*sessionRow)(nil)).Where(where, args...).Returning("s.id").Scan(ctx, &ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := notify(ctx, tx, Control{Kind: ControlSession, ID: id}); err != nil {
			return err
		}
	}
	return nil
}

// DropExpired deletes sessions and links whose time has passed.
func (s *Store) DropExpired(ctx context.Context, at time.Time) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := deleteSessions(ctx, tx, "s.expires_at < ?", at); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*linkRow)(nil)).Where("l.expires_at < ?", at).Exec(ctx)
		return err
	})
}
