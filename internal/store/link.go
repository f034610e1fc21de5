package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// linkRow is a row of links.
type linkRow struct {
	bun.BaseModel `bun:"table:links,alias:l"`

	Hash      []byte           `bun:"hash,pk"`
	Kind      account.LinkKind `bun:"kind"`
	UserID    *int64           `bun:"user_id"`
	CreatedAt time.Time        `bun:"created_at"`
	ExpiresAt time.Time        `bun:"expires_at"`
	UsedAt    *time.Time       `bun:"used_at"`

	User *userRow `bun:"rel:belongs-to,join:user_id=id"`
}

func errNoLink() error {
	return worklog.Errorf(worklog.CodeNotFound, "this link has been used, or its time has passed")
}

// CreateLink stores a one-time link under the hash of its secret; user is 0 for LinkSetup. Links of the same kind for
// the same user die: only the newest works.
func (s *Store) CreateLink(ctx context.Context, kind account.LinkKind, user int64, hash []byte, ttl time.Duration) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error { return createLink(ctx, tx, kind, user, hash, ttl) })
}

func createLink(ctx context.Context, tx bun.Tx, kind account.LinkKind, user int64, hash []byte, ttl time.Duration) error {
	at := now()
	row := linkRow{Hash: hash, Kind: kind, UserID: nullable(user), CreatedAt: at, ExpiresAt: at.Add(ttl)}
	_, err := tx.NewDelete().Model((*linkRow)(nil)).
		Where("l.kind = ? AND l.user_id IS NOT DISTINCT FROM ? AND l.used_at IS NULL", kind, row.UserID).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&row).Exec(ctx)
	return err
}

// Link returns what a link would do. CodeNotFound says that it is unknown, used, out of date, or of a disabled user.
func (s *Store) Link(ctx context.Context, hash []byte) (account.Link, error) {
	return findLink(ctx, s.db, hash)
}

func findLink(ctx context.Context, db bun.IDB, hash []byte) (account.Link, error) {
	var rows []linkRow
	err := db.NewSelect().Model(&rows).Relation("User").
		Where("l.hash = ? AND l.used_at IS NULL AND l.expires_at > ? AND ?.disabled_at IS NULL", hash, now(), bun.Ident("user")).Scan(ctx)
	if err != nil {
		return account.Link{}, mapError(err)
	}
	if len(rows) == 0 {
		return account.Link{}, errNoLink()
	}
	link := account.Link{Kind: rows[0].Kind, ExpiresAt: rows[0].ExpiresAt.UTC()}
	if rows[0].User != nil {
		link.User = rows[0].User.user()
	}
	return link, nil
}

// ConsumeLink uses a link up and does what it is for: LinkSetup makes the first admin of email and passwordHash,
// LinkInvite and LinkReset set passwordHash and end the user's sessions, LinkDemo does nothing more. It returns the user
// to sign in, and the hash of the password that this user has now, which may be empty. Of two calls at once one gets
// CodeNotFound. A setup link opens nothing once there is any user.
func (s *Store) ConsumeLink(ctx context.Context, hash []byte, email, passwordHash string) (user account.User, current string, err error) {
	err = s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		link, present, err := takeLink(ctx, tx, hash)
		if err != nil {
			return err
		}
		current = passwordHash
		switch link.Kind {
		case account.LinkSetup:
			user, err = firstAdmin(ctx, tx, email, passwordHash)
			return err
		case account.LinkInvite, account.LinkReset:
			user = link.User
			user.HasPassword = true
			return setPassword(ctx, tx, user.ID, passwordHash, "")
		default:
			user, current = link.User, present
			return nil
		}
	})
	return user, current, err
}

// takeLink marks a link used and returns it with the hash of its user's password. The row lock makes a second taker wait
// and then find nothing. Its user is locked first, as everybody does who changes users and their links, and may have been
// disabled meanwhile.
func takeLink(ctx context.Context, tx bun.Tx, hash []byte) (link account.Link, passwordHash string, err error) {
	if link, err = findLink(ctx, tx, hash); err != nil {
		return link, "", err
	}
	if link.User.ID != 0 {
		u, err := lockUser(ctx, tx, link.User.ID)
		if err != nil {
			return link, "", err
		}
		if u.DisabledAt != nil {
			return link, "", errNoLink()
		}
		link.User, passwordHash = u.user(), deref(u.PasswordHash)
	}
	res, err := tx.NewUpdate().Model((*linkRow)(nil)).Set("used_at = ?", now()).Where("l.hash = ? AND l.used_at IS NULL", hash).Exec(ctx)
	if err != nil {
		return link, "", err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return link, "", errNoLink()
	}
	return link, passwordHash, nil
}

// firstAdmin creates the first user. The lock lets one transaction at a time find the table empty.
func firstAdmin(ctx context.Context, tx bun.Tx, email, passwordHash string) (account.User, error) {
	if _, err := tx.ExecContext(ctx, "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"); err != nil {
		return account.User{}, err
	}
	n, err := tx.NewSelect().Model((*userRow)(nil)).Count(ctx)
	if err != nil {
		return account.User{}, err
	}
	if n > 0 {
		return account.User{}, errNoLink()
	}
	u := userRow{Email: email, PasswordHash: nullable(passwordHash), Admin: true, CreatedAt: now()}
	_, err = tx.NewInsert().Model(&u).ExcludeColumn("id").Returning("id").Exec(ctx)
	return u.user(), err
}
