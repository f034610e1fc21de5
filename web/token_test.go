package web

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/store"
)

func (b *browser) bearer(path, secret string) int {
	b.g.Helper()
	return b.get(path, "Authorization", "Bearer "+secret, "Accept", "application/json").Code
}

// S-07
func TestTokensThatAreNotGoodAreRefused(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	_, good := g.token(u, time.Hour, account.ScopeRead)
	_, write := g.token(u, time.Hour, account.ScopeWrite)
	b := g.browser()
	for name, tc := range map[string]struct {
		path, header string
		want         int
	}{
		"good":                    {"/api/v1/stats", "Bearer " + good, 200},
		"any case of the scheme":  {"/api/v1/stats", "bearer " + good, 200},
		"write only":              {"/api/v1/logs", "Bearer " + write, 403},
		"mistyped":                {"/api/v1/stats", "Bearer " + good[:len(good)-1] + "!", 401},
		"unknown":                 {"/api/v1/stats", "Bearer " + account.NewSecret(), 401},
		"empty":                   {"/api/v1/stats", "Bearer ", 401},
		"in the query":            {"/api/v1/stats?token=" + good, "", 401},
		"in a query, in disguise": {"/api/v1/stats?q=" + good, "Bearer " + good, 401},
		"twice":                   {"/api/v1/stats?access_token=" + good, "Bearer " + good, 401},
		"a page":                  {"/settings", "Bearer " + good, 403},
	} {
		w := b.get(tc.path, "Authorization", tc.header, "Accept", "application/json")
		if w.Code != tc.want || w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d, want %d", name, w.Code, tc.want)
		}
		if strings.Contains(w.Body.String(), good) {
			t.Errorf("%s: the answer holds the token", name)
		}
	}
	signedIn := g.signedIn(u)
	if code := signedIn.bearer("/api/v1/stats", account.NewSecret()); code != 401 {
		t.Errorf("a wrong token beside a good cookie: %d", code)
	}
	g.clock.advance(time.Hour)
	if code := b.bearer("/api/v1/stats", good); code != 401 {
		t.Errorf("expired: %d", code)
	}
}

// S-07: another process revokes; this one hears of it.
func TestRevocationsReachARunningServer(t *testing.T) {
	g := newGate(t)
	g.listen()
	u, other := g.user("ada@example.org", false), g.user("bob@example.org", false)
	tok, secret := g.token(u, time.Hour, account.ScopeRead)
	_, second := g.token(u, time.Hour, account.ScopeRead)
	_, others := g.token(other, time.Hour, account.ScopeRead)
	b, session := g.browser(), g.signedIn(u)
	for _, x := range []string{secret, second, others} {
		if code := b.bearer("/api/v1/stats", x); code != 200 {
			t.Fatalf("before: %d", code)
		}
	}
	elsewhere, err := store.Open(t.Context(), g.dsn, g.server.log)
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	if err := elsewhere.RevokeToken(t.Context(), 0, tok.ID); err != nil {
		t.Fatal(err)
	}
	g.eventually("revoked token", func() bool { return b.bearer("/api/v1/stats", secret) == 401 })
	if code := b.bearer("/api/v1/stats", second); code != 200 {
		t.Errorf("the user's other token: %d", code)
	}
	if err := elsewhere.DisableUser(t.Context(), u.ID, true); err != nil {
		t.Fatal(err)
	}
	g.eventually("disabled user's token", func() bool { return b.bearer("/api/v1/stats", second) == 401 })
	g.eventually("disabled user's session", func() bool { return session.get("/settings").Code == http.StatusSeeOther })
	if code := b.bearer("/api/v1/stats", others); code != 200 {
		t.Errorf("another user's token: %d", code)
	}
}

func TestALookupOlderThanARevocationIsNotKept(t *testing.T) {
	t.Parallel()
	c, now := newTokenCache(), time.Now()
	key, p := [32]byte{1}, &account.Principal{Token: &account.Token{ID: "t"}}
	_, age := c.get(key, now)
	c.forget("t") // revoked between the lookup and its result
	c.put(key, p, now, age)
	if got, _ := c.get(key, now); got != nil {
		t.Error("the stale lookup is believed")
	}
	_, age = c.get(key, now)
	c.put(key, p, now, age)
	if got, _ := c.get(key, now.Add(tokenTTL-1)); got != p {
		t.Error("a fresh lookup is not kept")
	}
	if got, _ := c.get(key, now.Add(tokenTTL)); got != nil {
		t.Error("it is kept beyond its time")
	}
	for i := range maxCachedTokens + 5 {
		c.put([32]byte{2, byte(i), byte(i >> 8), byte(i >> 16)}, p, now, age)
	}
	if len(c.byHash) > maxCachedTokens {
		t.Errorf("%d tokens in the cache", len(c.byHash))
	}
}

func TestLastUseIsWrittenNowAndThen(t *testing.T) {
	g := newGate(t)
	tok, secret := g.token(g.user("ada@example.org", false), time.Hour, account.ScopeRead)
	g.browser().bearer("/api/v1/stats", secret)
	if g.query("SELECT last_used_at FROM tokens") != "" {
		t.Error("each request writes")
	}
	g.server.keepHouse(t.Context())
	list, err := g.store.Tokens(t.Context(), tok.OwnerID)
	if err != nil || len(list) != 1 || list[0].LastUsed.Sub(g.clock.now()).Abs() > time.Second {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestATokenIsShownOnceAndStoredNowhere_S07(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("ada@example.org", false))
	g.want("the form", b.get("/settings/tokens/new"), http.StatusOK)
	w := b.post("/settings/tokens", "name", " claude on my laptop ", "scope", "write", "scope", "read", "limit", "120", "expires", "30")
	g.want("creating", w, http.StatusOK)
	secret := regexp.MustCompile(`wlg_[0-9A-Za-z]{36}`).FindString(w.Body.String())
	if !account.WellFormed(secret) || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("secret %q, Cache-Control %q", secret, w.Header().Get("Cache-Control"))
	}
	if code := g.browser().bearer("/api/v1/stats", secret); code != 200 {
		t.Errorf("the token: %d", code)
	}
	if page := b.get("/settings/tokens").Body.String(); strings.Contains(page, secret) || !strings.Contains(page, secret[:8]) || !strings.Contains(page, "claude on my laptop") {
		t.Errorf("the list: %s", page)
	}
	if dump := g.dump(); strings.Contains(dump, secret) || strings.Contains(dump, b.session()) || strings.Contains(dump, password) {
		t.Error("the database holds a secret")
	}
	if got := g.query("SELECT rate_limit || ' ' || scopes::text || ' ' || (expires_at - created_at < interval '30 days 1 minute') FROM tokens"); got != "120 {read,write} true" {
		t.Errorf("stored %q", got)
	}
	id := g.query("SELECT id FROM tokens")
	g.want("somebody else revokes", g.signedIn(g.user("bob@example.org", false)).post("/settings/tokens/"+id+"/revoke"), http.StatusNotFound)
	g.want("revoking", b.post("/settings/tokens/"+id+"/revoke"), http.StatusSeeOther, "/settings/tokens")
	if code := g.browser().bearer("/api/v1/stats", secret); code != 401 {
		t.Errorf("at once: %d", code)
	}
}

func TestTokensAreMadeWithinBounds(t *testing.T) {
	g := newGate(t)
	b, admin := g.signedIn(g.user("ada@example.org", false)), g.signedIn(g.user("root@example.org", true))
	for name, form := range map[string][]string{
		"no name":          {"scope", "write"},
		"a long name":      {"name", strings.Repeat("ä", 101), "scope", "write"},
		"no right":         {"name", "x"},
		"an unknown right": {"name", "x", "scope", "root"},
		"admin":            {"name", "x", "scope", "admin"},
		"write:any":        {"name", "x", "scope", "write:any"},
		"a negative limit": {"name", "x", "scope", "write", "limit", "-1"},
		"a word as limit":  {"name", "x", "scope", "write", "limit", "many"},
		"a thousand years": {"name", "x", "scope", "write", "expires", "365000"},
		"an overflow":      {"name", "x", "scope", "write", "expires", "99999999999999999999"},
	} {
		w := b.post("/settings/tokens", form...)
		g.want(name, w, http.StatusUnprocessableEntity)
		if !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%s: no complaint", name)
		}
	}
	if n := g.query("SELECT count(*) FROM tokens"); n != "0" {
		t.Errorf("%s tokens", n)
	}
	g.want("an admin's", admin.post("/settings/tokens", "name", "x", "scope", "admin", "scope", "write:any"), http.StatusOK)
	if page := b.get("/settings/tokens/new").Body.String(); strings.Contains(page, `value="admin"`) || strings.Contains(page, "write:any") {
		t.Error("the form offers rights that the user can not give")
	}
}

func TestNewTokensNeedAFreshPassword(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("ada@example.org", false))
	g.clock.advance(recentLogin + time.Second)
	g.want("the form", b.get("/settings/tokens/new"), http.StatusSeeOther, "/settings/confirm?next=%2Fsettings%2Ftokens%2Fnew")
	for referer, back := range map[string]string{"http://127.0.0.1:8080/settings/tokens/new": "/settings/tokens/new", "http://evil.example/settings": "/", "": "/"} {
		w := b.do(http.MethodPost, "/settings/tokens", map[string][]string{"name": {"x"}, "scope": {"write"}}, "Referer", referer)
		if got := g.keptForm(w, password).Get("next"); got != back {
			t.Errorf("from %q it goes back to %q, want %q", referer, got, back)
		}
	}
	g.want("the list", b.get("/settings/tokens"), http.StatusOK)
	g.want("revoking needs none", b.post("/settings/tokens/0192a000-0000-7000-8000-000000000000/revoke"), http.StatusNotFound)
	g.want("asked", b.get("/settings/confirm?next=/settings/tokens/new"), http.StatusOK)
	g.want("wrong", b.post("/settings/confirm", "password", "wrong", "next", "/settings/tokens/new"), http.StatusUnauthorized)
	g.want("still closed", b.get("/settings/tokens/new"), http.StatusSeeOther)
	cookie := b.session()
	g.want("right", b.post("/settings/confirm", "password", password, "next", "/settings/tokens/new"), http.StatusSeeOther, "/settings/tokens/new")
	g.want("open", b.get("/settings/tokens/new"), http.StatusOK)
	if b.session() != cookie {
		t.Error("confirming ends the streams of the session's other tabs")
	}
	if n := g.query("SELECT count(*) FROM tokens"); n != "0" {
		t.Errorf("%s tokens", n)
	}
}

// S-07: whatever its rights, a token opens no page, so it makes no token, session or password.
func TestTokensMakeNoCredentials_S07(t *testing.T) {
	g := newGate(t)
	_, secret := g.token(g.user("root@example.org", true), time.Hour, account.ScopeWrite, account.ScopeRead, account.ScopeWriteAny, account.ScopeAdmin)
	for _, r := range g.server.table {
		if !strings.HasPrefix(r.Path, "/settings") {
			continue
		}
		if w := g.browser().do(r.Method, fillIn(r.Path), nil, "Authorization", "Bearer "+secret); w.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d", r.Method, r.Path, w.Code)
		}
	}
	if slices.ContainsFunc(g.server.table, func(r api.Route) bool {
		return isMachine(r.Path) && strings.Contains(r.Path, "token") && r.Path[:5] == "/api/"
	}) {
		t.Error("the API has a route about tokens")
	}
}
