package account

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// MaxTokenName bounds a token's name.
	MaxTokenName = 100
	// MaxTokenLimit is the highest limit of its own that a token may have, in entries per minute.
	MaxTokenLimit = 1_000_000
	// MaxTokenLife is the longest life of a token that ends at all.
	MaxTokenLife = 10 * 365 * 24 * time.Hour
	// DefaultTokenLife is the life of a token for which nothing else was said.
	DefaultTokenLife = 365 * 24 * time.Hour
)

// TokenRequest is what somebody wants a token to be.
type TokenRequest struct {
	Name   string
	Scopes []Scope
	Limit  int           // entries per minute; 0: the installation's
	Life   time.Duration // 0: for ever
}

// NewToken returns a token for owner and its secret, or an [worklog.Error] that names every wrong field. byAdmin says
// that an administrator asks: nobody else gives the right to write for others.
func NewToken(owner User, r TokenRequest, byAdmin bool, now time.Time) (Token, string, error) {
	name := strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.In(c, unicode.C) || c == utf8.RuneError {
			return -1
		}
		return c
	}, r.Name))
	var wrong []worklog.FieldError
	check := func(ok bool, field, rule string) {
		if !ok {
			wrong = append(wrong, worklog.FieldError{Field: field, Message: rule})
		}
	}
	check(name != "", "name", "is required")
	check(utf8.RuneCountInString(name) <= MaxTokenName, "name", fmt.Sprintf("must have at most %d characters", MaxTokenName))
	offered := scopesFor(owner, byAdmin)
	check(len(r.Scopes) > 0, "scope", "needs at least one of "+joinScopes(offered))
	for _, s := range r.Scopes {
		check(slices.Contains(Scopes(), s), "scope", "must be one of "+joinScopes(offered))
		check(s != ScopeAdmin || owner.Admin, "scope", "admin is for tokens of administrators")
		check(s != ScopeWriteAny || byAdmin, "scope", "write:any is given by administrators")
	}
	check(len(r.Scopes) == 1 || !slices.Contains(r.Scopes, ScopeOTLP), "scope", "otlp stands alone: such a token may be part of an address, and addresses end up in logs")
	check(r.Limit >= 0 && r.Limit <= MaxTokenLimit, "limit", fmt.Sprintf("must be between 0 and %d entries a minute", MaxTokenLimit))
	check(r.Life >= 0 && r.Life <= MaxTokenLife, "expires", fmt.Sprintf("must be at most %d days", int(MaxTokenLife.Hours()/24)))
	if len(wrong) > 0 {
		return Token{}, "", &worklog.Error{Code: worklog.CodeInvalid, Message: "This token can not be made", Fields: wrong}
	}
	secret := NewSecret()
	scopes := slices.Clone(r.Scopes)
	slices.Sort(scopes)
	t := Token{
		ID: uuid.NewString(), OwnerID: owner.ID, Name: name, Prefix: secret[:ShownPrefix], Scopes: slices.Compact(scopes), Limit: r.Limit, CreatedAt: now,
	}
	if r.Life > 0 {
		t.ExpiresAt = now.Add(r.Life).Truncate(time.Microsecond)
	}
	return t, secret, nil
}

// scopesFor are the rights that a token of owner may have.
func scopesFor(owner User, byAdmin bool) []Scope {
	return slices.DeleteFunc(Scopes(), func(s Scope) bool { return s == ScopeAdmin && !owner.Admin || s == ScopeWriteAny && !byAdmin })
}

func joinScopes(list []Scope) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}
