package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// tokenRow is a row of tokens.
type tokenRow struct {
	bun.BaseModel `bun:"table:tokens,alias:t"`

	ID         string          `bun:"id,pk,type:uuid"`
	OwnerID    int64           `bun:"owner_id"`
	Name       string          `bun:"name"`
	Hash       []byte          `bun:"hash"`
	Prefix     string          `bun:"prefix"`
	Scopes     []account.Scope `bun:"scopes,array"`
	RateLimit  int             `bun:"rate_limit"`
	CreatedAt  time.Time       `bun:"created_at"`
	ExpiresAt  *time.Time      `bun:"expires_at"`
	LastUsedAt *time.Time      `bun:"last_used_at"`
	RevokedAt  *time.Time      `bun:"revoked_at"`

	User *userRow `bun:"rel:belongs-to,join:owner_id=id"`
}

func (t *tokenRow) token() account.Token {
	return account.Token{
		ID: t.ID, OwnerID: t.OwnerID, Name: t.Name, Prefix: t.Prefix, Scopes: t.Scopes, Limit: t.RateLimit, CreatedAt: t.CreatedAt.UTC(),
		ExpiresAt: deref(t.ExpiresAt).UTC(), LastUsed: deref(t.LastUsedAt).UTC(), RevokedAt: deref(t.RevokedAt).UTC(),
	}
}

func errNoToken() error { return worklog.Errorf(worklog.CodeNotFound, "no such token") }

// maxTokens bounds a user's tokens that are not revoked: a loop that makes them is a mistake.
const maxTokens = 200

// CreateToken stores a token under the hash of its secret.
func (s *Store) CreateToken(ctx context.Context, t account.Token, hash []byte) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error { return createToken(ctx, tx, t, hash) })
}

func createToken(ctx context.Context, tx bun.Tx, t account.Token, hash []byte) error {
	row := tokenRow{
		ID: t.ID, OwnerID: t.OwnerID, Name: t.Name, Hash: hash, Prefix: t.Prefix, Scopes: t.Scopes, RateLimit: t.Limit,
		CreatedAt: now(), ExpiresAt: nullable(t.ExpiresAt),
	}
	if _, err := lockUser(ctx, tx, t.OwnerID); err != nil { // so that two at once can not both be the last
		return err
	}
	n, err := tx.NewSelect().Model((*tokenRow)(nil)).Where("t.owner_id = ? AND t.revoked_at IS NULL", t.OwnerID).Count(ctx)
	if err != nil {
		return err
	}
	if n >= maxTokens {
		return worklog.Errorf(worklog.CodeConflict, "a user may have %d tokens; revoke some first", maxTokens)
	}
	_, err = tx.NewInsert().Model(&row).Exec(ctx)
	return err
}

// TokenByHash finds a token that is not revoked, and its user, who may be disabled. It may have expired.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (account.Token, account.User, error) {
	return s.tokenWhere(ctx, "t.hash = ?", hash)
}

// TokenForLater finds a token that is not revoked, and its user, who may be disabled, by its id: for what was written
// with it while the database was away.
func (s *Store) TokenForLater(ctx context.Context, id string) (account.Token, account.User, error) {
	if uuid.Validate(id) != nil {
		return account.Token{}, account.User{}, errNoToken()
	}
	return s.tokenWhere(ctx, "t.id = ?", id)
}

func (s *Store) tokenWhere(ctx context.Context, condition string, arg any) (account.Token, account.User, error) {
	var rows []tokenRow
	err := s.db.NewSelect().Model(&rows).Relation("User").Where("t.revoked_at IS NULL").Where(condition, arg).Scan(ctx)
	if err != nil {
		return account.Token{}, account.User{}, mapError(err)
	}
	if len(rows) == 0 {
		return account.Token{}, account.User{}, errNoToken()
	}
	return rows[0].token(), rows[0].User.user(), nil
}

// Tokens lists an owner's tokens that are not revoked, the newest first.
func (s *Store) Tokens(ctx context.Context, owner int64) ([]account.Token, error) {
	var rows []tokenRow
	err := s.db.NewSelect().Model(&rows).Where("t.owner_id = ? AND t.revoked_at IS NULL", owner).Order("t.created_at DESC", "t.id").Scan(ctx)
	if err != nil {
		return nil, mapError(err)
	}
	tokens := make([]account.Token, len(rows))
	for i := range rows {
		tokens[i] = rows[i].token()
	}
	return tokens, nil
}

// TokenByID finds one of the owner's tokens, revoked ones included: entries outlive the token that wrote them.
func (s *Store) TokenByID(ctx context.Context, owner int64, id string) (account.Token, error) {
	if uuid.Validate(id) != nil {
		return account.Token{}, errNoToken()
	}
	var rows []tokenRow
	if err := s.db.NewSelect().Model(&rows).Where("t.owner_id = ? AND t.id = ?", owner, id).Scan(ctx); err != nil {
		return account.Token{}, mapError(err)
	}
	if len(rows) == 0 {
		return account.Token{}, errNoToken()
	}
	return rows[0].token(), nil
}

// RevokeToken ends a token of owner (0: anybody's) everywhere. The row stays: entries name it.
func (s *Store) RevokeToken(ctx context.Context, owner int64, id string) error {
	if uuid.Validate(id) != nil {
		return errNoToken()
	}
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := revokeToken(ctx, tx, owner, id)
		return err
	})
}

// revokeToken ends a token and returns whose it was.
func revokeToken(ctx context.Context, tx bun.Tx, owner int64, id string) (int64, error) {
	var owners []int64
	err := tx.NewUpdate().Model((*tokenRow)(nil)).Set("revoked_at = ?", now()).
		Where("t.id = ? AND t.revoked_at IS NULL AND (? = 0 OR t.owner_id = ?)", id, owner, owner).Returning("t.owner_id").Scan(ctx, &owners)
	if err != nil {
		return 0, err
	}
	if len(owners) == 0 {
		return 0, errNoToken()
	}
	return owners[0], notify(ctx, tx, Control{Kind: ControlToken, ID: CanonicalID(id)})
}

// TouchTokens notes when tokens were last used. It never moves a time back, so several processes may report.
func (s *Store) TouchTokens(ctx context.Context, used map[string]time.Time) error {
	if len(used) == 0 {
		return nil
	}
	ids, times := make([]string, 0, len(used)), make([]time.Time, 0, len(used))
	for id, at := range used {
		ids, times = append(ids, id), append(times, at)
	}
	_, err := s.db.NewRaw(`UPDATE tokens t SET last_used_at = u.at
		FROM unnest(?::uuid[], ?::timestamptz[]) AS u (id, at)
		WHERE t.id = u.id AND (t.last_used_at IS NULL OR t.last_used_at < u.at)`,
		pgdialect.Array(ids), pgdialect.Array(times)).Exec(ctx)
	return mapError(err)
}
