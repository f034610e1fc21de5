// Package account knows who is acting: users, principals, passwords and tokens. It holds no HTTP and no SQL.
package account

import (
	"context"
	"slices"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// User is an account.
type User struct {
	ID          int64
	Email       string // as typed; unique without regard to case
	Admin       bool
	Disabled    bool
	HasPassword bool
	Limit       int  // new entries a minute; 0: the installation's
	Erasing     bool // erasure has begun
	Erased      bool // nothing is left but a number
	CreatedAt   time.Time
}

// Scope is one right of a token.
type Scope string

// The scopes.
const (
	ScopeWrite    Scope = "write"     // append entries, complete running entries of its own
	ScopeRead     Scope = "read"      // read, PATCH and DELETE the user's own things
	ScopeWriteAny Scope = "write:any" // append for other users; reads nothing
	ScopeAdmin    Scope = "admin"     // what admins may do over the API; only for tokens of admins
	ScopeOTLP     Scope = "otlp"      // send telemetry, also with the token in the address; goes with no other
)

// Scopes returns every scope.
func Scopes() []Scope { return []Scope{ScopeWrite, ScopeRead, ScopeWriteAny, ScopeAdmin, ScopeOTLP} }

// Token is an API credential. The secret itself is never kept.
type Token struct {
	ID        string // uuid
	OwnerID   int64
	Name      string
	Prefix    string // the first characters of the secret, to recognise it by
	Scopes    []Scope
	Limit     int // new entries per minute; 0: the installation's
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	LastUsed  time.Time // zero: never
	RevokedAt time.Time // zero: not revoked
}

// Principal is who is acting: a session or a token, its user, its rights.
type Principal struct {
	User User
	// Session is the public handle of the browser session; empty for a token.
	Session string
	// SessionExpires is when the browser session ends at the latest.
	SessionExpires time.Time
	// SignedInAt is when the session's password was last checked.
	SignedInAt time.Time
	// Token is nil for a session.
	Token *Token
	// CheckedAt is when it began to be found out who this is, for streams: what ended since, ended for them, too.
	CheckedAt time.Time
}

// Can reports whether the principal has the right s. A session has every right of its user.
func (p *Principal) Can(s Scope) bool {
	if p.Token != nil {
		return slices.Contains(p.Token.Scopes, s) && (s != ScopeAdmin || p.User.Admin)
	}
	switch s {
	case ScopeAdmin:
		return p.User.Admin
	case ScopeWriteAny:
		return false
	default:
		return true
	}
}

// Policy says who may use a route. The zero Policy admits nobody: every route must say what it means.
type Policy struct {
	Public      bool          // anybody, signed in or not
	SessionOnly bool          // no tokens, whatever their scopes: pages, and what tokens must never do
	TokenOnly   bool          // no sessions: a browser's cookie counts for nothing
	Scope       Scope         // what a token needs; sessions have it through their user
	Or          Scope         // what will do as well; empty: nothing
	Recent      time.Duration // the password was checked no longer ago; 0: no matter
}

// Allow returns nil, or an [worklog.Error] with code unauthorized (nobody is signed in) or forbidden.
func (pol Policy) Allow(p *Principal, now time.Time) error {
	switch {
	case pol.Public:
		return nil
	case p == nil:
		return worklog.Errorf(worklog.CodeUnauthorized, "sign in, or send a token")
	case p.Token == nil && pol.TokenOnly:
		return worklog.Errorf(worklog.CodeUnauthorized, "send a token in the Authorization header")
	case p.Token != nil && pol.SessionOnly:
		return worklog.Errorf(worklog.CodeForbidden, "tokens can not do this; sign in with a browser")
	case pol.Scope == "" && !pol.SessionOnly:
		return worklog.Errorf(worklog.CodeForbidden, "nobody may use this")
	case pol.Scope != "" && !p.Can(pol.Scope) && (pol.Or == "" || !p.Can(pol.Or)):
		return worklog.Errorf(worklog.CodeForbidden, "this needs the right %q", pol.Scope)
	case pol.Recent > 0 && now.Sub(p.SignedInAt) > pol.Recent:
		return worklog.Errorf(worklog.CodeForbidden, "confirm your password first")
	}
	return nil
}

type principalKey struct{}

// WithPrincipal returns a context that carries p. Only web and api use it.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the principal of ctx, or nil.
func PrincipalFrom(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}
