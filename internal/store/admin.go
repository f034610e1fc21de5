package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// Admin is the store in the hands of an administrator: each method changes something and writes its line of the audit
// list in the same transaction, so neither is ever there without the other.
type Admin struct {
	s  *Store
	by account.Actor
}

// By returns the store in the hands of an actor.
func (s *Store) By(a account.Actor) Admin { return Admin{s, a} }

// do runs f and writes act down in one transaction.
func (a Admin) do(ctx context.Context, act account.Act, f func(context.Context, bun.Tx) error) error {
	return a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		return record(ctx, tx, a.by, act)
	})
}

// Record writes down an act that has no transaction of its own.
func (a Admin) Record(ctx context.Context, act account.Act) error {
	return mapError(record(ctx, a.s.db, a.by, act))
}

// CreateUser is [Store.CreateUser], written down.
func (a Admin) CreateUser(ctx context.Context, email, passwordHash string, admin bool) (user account.User, err error) {
	err = a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		user, err = a.createUser(ctx, tx, email, passwordHash, admin)
		return err
	})
	return user, err
}

func (a Admin) createUser(ctx context.Context, tx bun.Tx, email, passwordHash string, admin bool) (account.User, error) {
	u := userRow{Email: email, PasswordHash: nullable(passwordHash), Admin: admin, CreatedAt: now()}
	if _, err := tx.NewInsert().Model(&u).ExcludeColumn("id").Returning("id").Exec(ctx); err != nil {
		return account.User{}, err
	}
	return u.user(), record(ctx, tx, a.by, account.Act{Action: account.ActUserCreate, Subject: u.ID, Detail: roleOf(admin)})
}

func roleOf(admin bool) string {
	if admin {
		return "administrator"
	}
	return "user"
}

// Invite adds a user without a password together with the link that sets one.
func (a Admin) Invite(ctx context.Context, email string, admin bool, hash []byte, ttl time.Duration) (user account.User, err error) {
	err = a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if user, err = a.createUser(ctx, tx, email, "", admin); err != nil {
			return err
		}
		return a.createLink(ctx, tx, account.LinkInvite, user.ID, hash, ttl)
	})
	return user, err
}

// CreateLink is [Store.CreateLink] for an invitation or a reset, written down. A user who is disabled gets none.
func (a Admin) CreateLink(ctx context.Context, kind account.LinkKind, user int64, hash []byte, ttl time.Duration) error {
	return a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		u, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if u.DisabledAt != nil {
			return worklog.Errorf(worklog.CodeConflict, "this user is disabled; let the user in again first")
		}
		return a.createLink(ctx, tx, kind, user, hash, ttl)
	})
}

func (a Admin) createLink(ctx context.Context, tx bun.Tx, kind account.LinkKind, user int64, hash []byte, ttl time.Duration) error {
	if err := createLink(ctx, tx, kind, user, hash, ttl); err != nil {
		return err
	}
	return record(ctx, tx, a.by, account.Act{Action: account.ActUserLink, Subject: user, Detail: string(kind)})
}

// SetPassword is [Store.SetPassword], written down.
func (a Admin) SetPassword(ctx context.Context, user int64, passwordHash string) error {
	return a.do(ctx, account.Act{Action: account.ActUserPassword, Subject: user}, func(ctx context.Context, tx bun.Tx) error {
		if _, err := lockUser(ctx, tx, user); err != nil {
			return err
		}
		return setPassword(ctx, tx, user, passwordHash, "")
	})
}

// lockUser reads a user who is not being erased, and keeps others from changing it.
func lockUser(ctx context.Context, tx bun.Tx, id int64) (*userRow, error) {
	var rows []userRow
	if err := tx.NewSelect().Model(&rows).Where("u.id = ?", id).For("NO KEY UPDATE").Scan(ctx); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errNoUser()
	}
	if rows[0].ErasingAt != nil {
		return nil, errErased()
	}
	return &rows[0], nil
}

func errErased() error { return worklog.Errorf(worklog.CodeConflict, "this user is erased") }

// keepAnAdmin refuses to take an administrator when none of the others can sign in: who was only invited may never come.
// It locks all of them, in the order of their ids, so that of two who take each other one is refused.
func keepAnAdmin(ctx context.Context, tx bun.Tx, losing int64) error {
	var admins []userRow
	err := tx.NewSelect().Model(&admins).Where("u.admin AND u.disabled_at IS NULL AND u.erasing_at IS NULL").
		Order("u.id").For("NO KEY UPDATE").Scan(ctx)
	if err != nil {
		return err
	}
	known, others := false, false
	for i := range admins {
		known = known || admins[i].ID == losing
		others = others || admins[i].ID != losing && admins[i].PasswordHash != nil
	}
	if known && !others {
		return worklog.Errorf(worklog.CodeConflict, "this is the last administrator who can sign in; make another one first")
	}
	return nil
}

// Disable shuts a user out, or lets one in again. The last administrator stays.
func (a Admin) Disable(ctx context.Context, user int64, disabled bool, reason string) error {
	act := account.Act{Action: account.ActUserEnable, Subject: user, Reason: reason}
	if disabled {
		act.Action = account.ActUserDisable
	}
	return a.do(ctx, act, func(ctx context.Context, tx bun.Tx) error {
		if disabled {
			if err := keepAnAdmin(ctx, tx, user); err != nil {
				return err
			}
		}
		if _, err := lockUser(ctx, tx, user); err != nil {
			return err
		}
		return disableUser(ctx, tx, user, disabled)
	})
}

// SetAdmin makes a user an administrator or takes that away. The user's sessions end, and with the role the tokens that
// only an administrator can make. The last administrator stays.
func (a Admin) SetAdmin(ctx context.Context, user int64, admin bool) error {
	act := account.Act{Action: account.ActUserDemote, Subject: user}
	if admin {
		act.Action = account.ActUserPromote
	}
	return a.do(ctx, act, func(ctx context.Context, tx bun.Tx) error {
		if !admin {
			if err := keepAnAdmin(ctx, tx, user); err != nil {
				return err
			}
		}
		u, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if u.Admin == admin {
			return worklog.Errorf(worklog.CodeConflict, "this user is %s %s already", article(admin), roleOf(admin))
		}
		if _, err := tx.NewUpdate().Model((*userRow)(nil)).Set("admin = ?", admin).Where("u.id = ?", user).Exec(ctx); err != nil {
			return err
		}
		if err := notify(ctx, tx, Control{Kind: ControlUser, ID: strconv.FormatInt(user, 10)}); err != nil {
			return err
		}
		if !admin {
			if err := a.revokeReaching(ctx, tx, user); err != nil {
				return err
			}
		}
		return endSessions(ctx, tx, user, "")
	})
}

// revokeReaching ends the tokens of a user that reach beyond the user's own entries.
func (a Admin) revokeReaching(ctx context.Context, tx bun.Tx, user int64) error {
	var ids []string
	err := tx.NewSelect().Model((*tokenRow)(nil)).Column("id").Where("t.owner_id = ? AND t.revoked_at IS NULL AND t.scopes && ?", user,
		pgdialect.Array([]account.Scope{account.ScopeAdmin, account.ScopeWriteAny})).Order("t.id").Scan(ctx, &ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := revokeToken(ctx, tx, user, id); err != nil {
			return err
		}
		if err := record(ctx, tx, a.by, account.Act{Action: account.ActTokenRevoke, Subject: user, Object: id, Detail: "with the role"}); err != nil {
			return err
		}
	}
	return nil
}

func article(admin bool) string {
	if admin {
		return "an"
	}
	return "a"
}

// SetLimit gives a user a limit of new entries a minute; 0 is the installation's.
func (a Admin) SetLimit(ctx context.Context, user int64, limit int) error {
	if limit < 0 || limit > account.MaxTokenLimit {
		return &worklog.Error{Code: worklog.CodeInvalid, Message: "This limit can not be set", Fields: []worklog.FieldError{
			{Field: "limit", Message: fmt.Sprintf("must be a whole number from 0 to %d", account.MaxTokenLimit)},
		}}
	}
	return a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		u, err := lockUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if _, err := tx.NewUpdate().Model((*userRow)(nil)).Set("rate_limit = ?", limit).Where("u.id = ?", user).Exec(ctx); err != nil {
			return err
		}
		if err := notify(ctx, tx, Control{Kind: ControlLimit, ID: strconv.FormatInt(user, 10)}); err != nil {
			return err
		}
		return record(ctx, tx, a.by, account.Act{Action: account.ActUserLimit, Subject: user, Detail: limitWord(u.RateLimit) + " to " + limitWord(limit)})
	})
}

func limitWord(n int) string {
	if n == 0 {
		return "the installation's"
	}
	return strconv.Itoa(n) + " a minute"
}

// EndSession ends a session of a user, or every one if id is empty.
func (a Admin) EndSession(ctx context.Context, user int64, id string) error {
	act := account.Act{Action: account.ActUserSignOut, Subject: user, Object: id, Detail: "one session"}
	if id == "" {
		act.Detail = "everywhere"
	} else if uuid.Validate(id) != nil {
		return worklog.Errorf(worklog.CodeNotFound, "no such session")
	}
	return a.do(ctx, act, func(ctx context.Context, tx bun.Tx) error {
		if _, err := lockUser(ctx, tx, user); err != nil {
			return err
		}
		if id == "" {
			return endSessions(ctx, tx, user, "")
		}
		n, err := tx.NewSelect().Model((*sessionRow)(nil)).Where("s.user_id = ? AND s.id = ?", user, id).Count(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return worklog.Errorf(worklog.CodeNotFound, "this session has ended")
		}
		return deleteSessions(ctx, tx, "s.user_id = ? AND s.id = ?", user, id)
	})
}

// CreateToken is [Store.CreateToken], written down.
func (a Admin) CreateToken(ctx context.Context, t account.Token, hash []byte) error {
	return a.do(ctx, account.Act{Action: account.ActTokenCreate, Subject: t.OwnerID, Object: t.ID}, func(ctx context.Context, tx bun.Tx) error {
		return createToken(ctx, tx, t, hash)
	})
}

// RevokeToken ends anybody's token everywhere and returns whose it was.
func (a Admin) RevokeToken(ctx context.Context, id string) (owner int64, err error) {
	if uuid.Validate(id) != nil {
		return 0, errNoToken()
	}
	err = a.s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if owner, err = revokeToken(ctx, tx, 0, id); err != nil {
			return err
		}
		return record(ctx, tx, a.by, account.Act{Action: account.ActTokenRevoke, Subject: owner, Object: id})
	})
	return owner, err
}
