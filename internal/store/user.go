package store

import (
	"context"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// userRow is a row of users.
type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID           int64      `bun:"id,pk,autoincrement"`
	Email        string     `bun:"email"`
	PasswordHash *string    `bun:"password_hash"`
	Admin        bool       `bun:"admin"`
	DisabledAt   *time.Time `bun:"disabled_at"`
	RateLimit    int        `bun:"rate_limit"`
	ErasingAt    *time.Time `bun:"erasing_at"`
	ErasedAt     *time.Time `bun:"erased_at"`
	CreatedAt    time.Time  `bun:"created_at"`
}

func (u *userRow) user() account.User {
	return account.User{
		ID: u.ID, Email: u.Email, Admin: u.Admin, Disabled: u.DisabledAt != nil, HasPassword: u.PasswordHash != nil, Limit: u.RateLimit,
		Erasing: u.ErasingAt != nil, Erased: u.ErasedAt != nil, CreatedAt: u.CreatedAt.UTC(),
	}
}

func errNoUser() error { return worklog.Errorf(worklog.CodeNotFound, "no such user") }

// errChangedSince is for those whose way in was checked before somebody closed it.
func errChangedSince() error {
	return worklog.Errorf(worklog.CodeUnauthorized, "your account has changed meanwhile; sign in again")
}

// CreateUser adds a user. An empty password hash makes one who can sign in by link only. CodeConflict says that the
// address, in any case, is taken.
func (s *Store) CreateUser(ctx context.Context, email, passwordHash string, admin bool) (account.User, error) {
	u := userRow{Email: email, PasswordHash: nullable(passwordHash), Admin: admin, CreatedAt: now()}
	_, err := s.db.NewInsert().Model(&u).ExcludeColumn("id").Returning("id").Exec(ctx)
	return u.user(), mapError(err)
}

// UserByEmail finds a user by address, in any case, and returns the hash of the password, which may be empty.
func (s *Store) UserByEmail(ctx context.Context, email string) (account.User, string, error) {
	return s.findUser(ctx, "lower(u.email) = lower(?)", email)
}

// UserByID finds a user, and returns the hash of the password, which may be empty.
func (s *Store) UserByID(ctx context.Context, id int64) (account.User, string, error) {
	return s.findUser(ctx, "u.id = ?", id)
}

func (s *Store) findUser(ctx context.Context, where string, arg any) (account.User, string, error) {
	var u []userRow
	if err := s.db.NewSelect().Model(&u).Where(where, arg).Scan(ctx); err != nil {
		return account.User{}, "", mapError(err)
	}
	if len(u) == 0 {
		return account.User{}, "", errNoUser()
	}
	return u[0].user(), deref(u[0].PasswordHash), nil
}

// maxUsers bounds a listing of users: an installation is a team, not a service.
const maxUsers = 10_000

// Users lists every user by address.
func (s *Store) Users(ctx context.Context) ([]account.User, error) {
	var rows []userRow
	if err := s.db.NewSelect().Model(&rows).OrderExpr("lower(u.email)").Limit(maxUsers).Scan(ctx); err != nil {
		return nil, mapError(err)
	}
	users := make([]account.User, len(rows))
	for i := range rows {
		users[i] = rows[i].user()
	}
	return users, nil
}

// CountUsers is how many users there are, disabled ones included.
func (s *Store) CountUsers(ctx context.Context) (int, error) {
	n, err := s.db.NewSelect().Model((*userRow)(nil)).Count(ctx)
	return int(n), mapError(err)
}

// SetPassword replaces the password whose hash is was (empty: there is none). It ends every session of the user except
// keep (empty: every one), and what links there were die with it: whoever knew the old way in is out. CodeUnauthorized
// says that the user has another password by now, or is disabled.
func (s *Store) SetPassword(ctx context.Context, user int64, was, passwordHash, keep string) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		u, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if u.DisabledAt != nil || deref(u.PasswordHash) != was {
			return errChangedSince()
		}
		return setPassword(ctx, tx, user, passwordHash, keep)
	})
}

func setPassword(ctx context.Context, tx bun.Tx, user int64, passwordHash, keep string) error {
	res, err := tx.NewUpdate().Model((*userRow)(nil)).Set("password_hash = ?", passwordHash).Where("u.id = ?", user).Exec(ctx)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 { // pgx always knows
		return errNoUser()
	}
	if _, err := tx.NewDelete().Model((*linkRow)(nil)).Where("l.user_id = ? AND l.used_at IS NULL", user).Exec(ctx); err != nil {
		return err
	}
	return endSessions(ctx, tx, user, keep)
}

// DisableUser shuts a user out, or lets one in again. Sessions end at once; tokens are refused while it lasts.
func (s *Store) DisableUser(ctx context.Context, id int64, disabled bool) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error { return disableUser(ctx, tx, id, disabled) })
}

func disableUser(ctx context.Context, tx bun.Tx, id int64, disabled bool) error {
	var at *time.Time
	if disabled {
		at = nullable(now())
	}
	res, err := tx.NewUpdate().Model((*userRow)(nil)).Set("disabled_at = ?", at).Where("u.id = ? AND u.erasing_at IS NULL", id).Exec(ctx)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return errNoUser()
	}
	if err := notify(ctx, tx, Control{Kind: ControlUser, ID: strconv.FormatInt(id, 10)}); err != nil || !disabled {
		return err
	}
	if _, err := tx.NewDelete().Model((*linkRow)(nil)).Where("l.user_id = ? AND l.used_at IS NULL", id).Exec(ctx); err != nil {
		return err
	}
	return endSessions(ctx, tx, id, "") // named one by one: a stream may be opening at this moment
}
