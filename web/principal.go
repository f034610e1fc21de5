package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/worklog"
)

// principal finds out who asks: the token that the request carries, else the browser's session, else nobody. The
// session is returned as well if it is one. A token that is wrong is never ignored in favour of the cookie.
func (s *Server) principal(c echo.Context) (*account.Principal, *account.Session, error) {
	req := c.Request()
	if tokenInQuery(req.URL.RawQuery) {
		return nil, nil, worklog.Errorf(worklog.CodeUnauthorized, "a token in an address ends up in logs: revoke it, and send the next one in the Authorization header")
	}
	if secret, ok := tokenOf(c); ok {
		p, err := s.tokenPrincipal(req.Context(), secret, c.Path() == api.HooksPath)
		return p, nil, err
	}
	_, x, err := s.loadSession(req)
	if err != nil || x == nil {
		return nil, nil, err
	}
	return &account.Principal{User: x.User, Session: x.ID, SessionExpires: x.Deadline, SignedInAt: x.SignedInAt}, x, nil
}

// userHeader names the user that a page was rendered for, in what its scripts ask.
const userHeader = "Worklog-User"

// checkPage refuses what a page asks that was rendered for another user than the one who is signed in here now: it would
// show what belongs to the one under the name of the other. Whoever does not say whose page it is is not refused.
func checkPage(c echo.Context, user int64) error {
	of := c.Request().Header.Get(userHeader)
	if of == "" && isBrowserStream(c.Path()) { // which no browser gives a header
		of = c.QueryParam("user")
	}
	if of == "" || of == strconv.FormatInt(user, 10) {
		return nil
	}
	return errAnothersPage
}

var errAnothersPage = worklog.Errorf(worklog.CodeUnauthorized, "this page belongs to a user who is not signed in here any more; load it again")

// tokenOf returns what the request offers as a token: the Authorization header, or the path of the doors for exporters
// that can set no header. Another scheme, say a proxy's own Basic, is not meant for us.
func tokenOf(c echo.Context) (string, bool) {
	if scheme, secret, ok := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret), true
	}
	secret := c.Param("token")
	return secret, secret != ""
}

// offersToken reports whether the request carries something that stands for a token, wherever.
func offersToken(c echo.Context) bool {
	_, ok := tokenOf(c)
	return ok || tokenInQuery(c.Request().URL.RawQuery)
}

// tokenInQuery reports whether a query carries a credential, by name or by form.
func tokenInQuery(query string) bool {
	if query == "" {
		return false
	}
	values, _ := url.ParseQuery(query) // what can not be read can not be used either
	for name, list := range values {
		switch strings.ToLower(name) {
		case "token", "access_token", "api_key":
			return true
		}
		for _, v := range list {
			if account.WellFormed(strings.TrimSpace(v)) {
				return true
			}
		}
	}
	return false
}

// tokenPrincipal returns the principal of a token's secret. At the door of hooks a token that was good when the database
// went away stays good meanwhile: nothing is stored before it has been checked again.
func (s *Server) tokenPrincipal(ctx context.Context, secret string, hooks bool) (*account.Principal, error) {
	if !account.WellFormed(secret) {
		return nil, worklog.Errorf(worklog.CodeUnauthorized, "this is not a worklog token: a part is missing or mistyped")
	}
	at, key := s.now(), [32]byte(account.HashSecret(secret))
	p, age := s.tokens.get(key, at)
	if p == nil && hooks {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hookLookup) // an agent waits
		defer cancel()
		p = s.tokens.away(key, at)
	}
	if p == nil {
		var err error
		p, err = s.askForToken(ctx, key, at, age)
		if hooks && worklog.CodeOf(err) == worklog.CodeUnavailable {
			p = s.tokens.meanwhile(key, at)
		}
		if p == nil {
			return nil, err
		}
	}
	switch {
	case p.User.Disabled:
		return nil, worklog.Errorf(worklog.CodeUnauthorized, "the user of this token is disabled")
	case !p.Token.ExpiresAt.IsZero() && !at.Before(p.Token.ExpiresAt):
		return nil, worklog.Errorf(worklog.CodeUnauthorized, "this token has expired")
	}
	s.tokens.use(p.Token.ID, at)
	return p, nil
}

// askForToken asks the database for a token, and remembers it for the cache of the given age.
func (s *Server) askForToken(ctx context.Context, key [32]byte, at time.Time, age uint64) (*account.Principal, error) {
	tok, user, err := s.store.TokenByHash(ctx, key[:])
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		s.tokens.drop(key)
		return nil, worklog.Errorf(worklog.CodeUnauthorized, "this token is unknown or revoked")
	}
	if err != nil {
		return nil, err
	}
	p := &account.Principal{User: user, Token: &tok}
	s.tokens.put(key, p, at, age)
	return p, nil
}

const (
	// tokenTTL is how long a verified token is believed when no control message says otherwise: the worst case of a
	// revocation while the database connection that carries those messages is down.
	tokenTTL = time.Minute
	// hookLookup is how long the door of hooks waits for a database that hangs, and lookupAgain how long after a failure
	// it does not ask again about a token that was good before.
	hookLookup  = 2 * time.Second
	lookupAgain = 3 * time.Second
	// maxCachedTokens bounds the cache; beyond it the cache starts anew.
	maxCachedTokens = 10_000
)

// tokenCache remembers verified tokens by the hash of their secret, and when each was last used.
type tokenCache struct {
	mu     sync.Mutex
	byHash map[[32]byte]cachedToken
	used   map[string]time.Time
	age    uint64    // changes when something is forgotten
	lost   time.Time // when the database went away; zero: it is there
	failed time.Time // when it was last asked in vain
}

type cachedToken struct {
	principal *account.Principal // shared by requests: never changed
	until     time.Time
	doubted   bool // the database has been away, and may have revoked it: good only while it is away again
}

func newTokenCache() *tokenCache {
	return &tokenCache{byHash: make(map[[32]byte]cachedToken), used: make(map[string]time.Time)}
}

// get returns what is known of a token, and the cache's age for put.
func (t *tokenCache) get(key [32]byte, at time.Time) (*account.Principal, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.byHash[key]; ok && !e.doubted && at.Before(e.until) {
		return e.principal, t.age
	}
	return nil, t.age
}

// lose notes that the database is away, as far as somebody found out now.
func (t *tokenCache) lose(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost.IsZero() {
		t.lost = at
	}
}

// meanwhile returns a token that was good when the database went away.
func (t *tokenCache) meanwhile(key [32]byte, at time.Time) *account.Principal {
	t.lose(at)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = at
	return t.before(key)
}

// away is meanwhile for somebody who has not asked the database: the last one just did, in vain.
func (t *tokenCache) away(key [32]byte, at time.Time) *account.Principal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost.IsZero() || at.Sub(t.failed) > lookupAgain {
		return nil
	}
	return t.before(key)
}

// before returns a token that was good when the database went away. The cache is locked.
func (t *tokenCache) before(key [32]byte) *account.Principal {
	if e, ok := t.byHash[key]; ok && t.lost.Before(e.until) {
		return e.principal
	}
	return nil
}

// put remembers a token that was read when the cache had the given age. If anything was revoked since, the read may be
// older than that, and is not kept.
func (t *tokenCache) put(key [32]byte, p *account.Principal, at time.Time, age uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = time.Time{}
	if t.age != age {
		return
	}
	if len(t.byHash) >= maxCachedTokens {
		clear(t.byHash)
	}
	t.byHash[key] = cachedToken{principal: p, until: at.Add(tokenTTL)}
}

// drop drops a token that the database does not know.
func (t *tokenCache) drop(key [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byHash, key)
}

// doubt notes that the database is back, and may have revoked any token: each has to be asked for. A token that was good
// when it went away stays good for hooks if it goes away again before that: they do not come twice.
func (t *tokenCache) doubt(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lost := t.lost
	if lost.IsZero() {
		lost = at
	}
	t.age++
	t.lost, t.failed = time.Time{}, time.Time{}
	for key, e := range t.byHash {
		if !lost.Before(e.until) {
			delete(t.byHash, key)
			continue
		}
		t.byHash[key] = cachedToken{principal: e.principal, until: at.Add(tokenTTL), doubted: true}
	}
}

// forget drops the token with the id.
func (t *tokenCache) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.age++
	for key, e := range t.byHash {
		if e.principal.Token.ID == id {
			delete(t.byHash, key)
		}
	}
}

// forgetAll drops every token.
func (t *tokenCache) forgetAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.age++
	t.lost = time.Time{}
	clear(t.byHash)
}

func (t *tokenCache) use(id string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.used) < maxCachedTokens || !t.used[id].IsZero() {
		t.used[id] = at
	}
}

// takeUsed returns the uses since the last call.
func (t *tokenCache) takeUsed() map[string]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	used := t.used
	t.used = make(map[string]time.Time)
	return used
}

// touchTokens writes when tokens were last used. What can not be written is lost: it is a hint for people.
func (s *Server) touchTokens(ctx context.Context) {
	if err := s.store.TouchTokens(ctx, s.tokens.takeUsed()); err != nil {
		s.log.Warn("last use of tokens not noted", "error", err)
	}
}

// isBackground reports whether a page asks this by itself: it must not keep a session alive that nobody uses.
func isBackground(route string) bool {
	return isStream(route) || strings.HasSuffix(route, "/changes")
}

// publicURL is the address of this installation as the visitor sees it.
func (s *Server) publicURL(r *http.Request) string {
	if base := s.baseURL(); base != "" {
		return base
	}
	return "http://" + r.Host
}
