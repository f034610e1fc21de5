package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
)

// S-06: a route that is registered past the table, or that says nothing about who may use it, fails here.
func TestEveryRouteHasAPolicy_S06(t *testing.T) {
	g := newGate(t)
	known := map[string]api.Route{}
	for _, r := range g.server.table {
		known[r.Method+" "+r.Path] = r
		if r.Policy == (account.Policy{}) {
			t.Errorf("%s %s: no policy", r.Method, r.Path)
		}
		if r.Policy.Public && r.Policy != (account.Policy{Public: true}) {
			t.Errorf("%s %s: public and more: %+v", r.Method, r.Path, r.Policy)
		}
	}
	for _, r := range g.server.echo.Routes() {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if _, ok := known[method+" "+r.Path]; !ok {
			t.Errorf("%s %s is not in the table", r.Method, r.Path)
		}
	}
}

// public is the whole list of what strangers may call.
func public() []string {
	return []string{
		"GET /healthz", "GET /readyz", "GET /static/*", "GET /login", "POST /login", "POST /logout", "GET /enter/:once", "POST /enter/:once",
		"POST /theme", "GET /api/openapi.yaml",
	}
}

// caller is one way of asking, and which routes it may use. The rules are written a second time here, by address and
// not by policy, so that a wrong policy does not pass.
type caller struct {
	name string
	send func(*http.Request) *httptest.ResponseRecorder
	may  func(r api.Route) bool
}

func callers(g *gate) []caller {
	user, admin := g.user("user@example.org", false), g.user("admin@example.org", true)
	withToken := func(owner account.User, scopes ...account.Scope) func(*http.Request) *httptest.ResponseRecorder {
		_, secret := g.token(owner, time.Hour, scopes...)
		return func(r *http.Request) *httptest.ResponseRecorder {
			return g.browser().send(r, "Authorization", "Bearer "+secret)
		}
	}
	withSession := func(u account.User) func(*http.Request) *httptest.ResponseRecorder {
		return func(r *http.Request) *httptest.ResponseRecorder { return g.signedIn(u).send(r) }
	}
	inAddress := func(r api.Route) bool { return strings.HasPrefix(r.Path, "/otlp/:token/") } // what is in the address here is no token
	isPublic := func(r api.Route) bool { return slices.Contains(public(), r.Method+" "+r.Path) }
	isAdmin := func(r api.Route) bool { return strings.Contains(r.Path, "/admin") || r.Path == "/metrics" }
	writes := func(r api.Route) bool {
		return r.Method == http.MethodPost && slices.Contains([]string{"/api/v1/logs", "/api/v1/hooks", "/v1/logs", "/v1/traces", "/v1/metrics"}, r.Path)
	}
	tools := func(r api.Route) bool { return r.Path == "/mcp" }                                           // for tokens alone
	ages := func(r api.Route) bool { return r.Method == http.MethodGet && r.Path == "/api/v1/retention" } // importers have to know
	return []caller{
		{"nobody", func(r *http.Request) *httptest.ResponseRecorder { return g.browser().send(r) }, isPublic},
		{"a proxy's Basic", func(r *http.Request) *httptest.ResponseRecorder {
			return g.browser().send(r, "Authorization", "Basic dXNlcjpwYXNz")
		}, isPublic},
		{"a user", withSession(user), func(r api.Route) bool { return !isAdmin(r) && !inAddress(r) && !tools(r) }},
		{"an admin", withSession(admin), func(r api.Route) bool { return !inAddress(r) && !tools(r) }},
		{"a write token", withToken(user, account.ScopeWrite), func(r api.Route) bool { return isPublic(r) || writes(r) || tools(r) || ages(r) }},
		{"a read token", withToken(user, account.ScopeRead), func(r api.Route) bool {
			return isPublic(r) || tools(r) || strings.HasPrefix(r.Path, "/api/v1/") && !isAdmin(r) && !writes(r)
		}},
		{"a token for telemetry", withToken(user, account.ScopeOTLP), func(r api.Route) bool {
			return isPublic(r) || inAddress(r) || r.Method == http.MethodPost && strings.HasPrefix(r.Path, "/v1/")
		}},
		{"an admin's token with every right", withToken(admin, account.ScopeWrite, account.ScopeRead, account.ScopeWriteAny, account.ScopeAdmin), func(r api.Route) bool {
			return isPublic(r) || isMachine(r.Path) && !inAddress(r)
		}},
	}
}

// S-05, S-06, S-07: every route, asked by everybody.
func TestEveryRouteAdmitsWhomItShould_S06(t *testing.T) {
	g := newGate(t)
	for _, who := range callers(g) {
		for _, route := range g.server.table {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			switch {
			case strings.HasPrefix(route.Path, "/admin/") && isStream(route.Path):
				cancel() // whom it admits is decided by a question to the database
				ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
			case isStream(route.Path):
				cancel() // it would go on for an hour
			}
			r := httptest.NewRequestWithContext(ctx, route.Method, fillIn(route.Path), nil)
			r.Host, r.RemoteAddr = "127.0.0.1:8080", "192.0.2.7:4711"
			w := who.send(r)
			cancel()
			if admitted := !denied(route, w); admitted != who.may(route) {
				t.Errorf("%s: %s %s: %d %s; admitted %v", who.name, route.Method, route.Path, w.Code, w.Header().Get("Location"), admitted)
			}
		}
	}
}

// fillIn makes a path of a template. The ids exist nowhere.
func fillIn(template string) string {
	path := strings.NewReplacer(":id", "0192a000-0000-7000-8000-000000000000", ":once", "unknown", ":token", "unknown", "*", "unknown.js").Replace(template)
	return path
}

// denied reports whether an answer comes from the policy and not from the handler.
func denied(route api.Route, w *httptest.ResponseRecorder) bool {
	if isBrowserStream(route.Path) && strings.Contains(w.Body.String(), "signed-out") {
		return true
	}
	asked := strings.Contains(w.Body.String(), "Sign in first") || strings.Contains(w.Body.String(), `"code":"unauthorized"`) || strings.Contains(w.Body.String(), `"code":16`)
	sent, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	return w.Code == http.StatusUnauthorized && asked || w.Code == http.StatusForbidden || sent == "/login" && route.Path != "/logout"
}

// S-08: prefetching, link previews and curious people follow links.
func TestGETChangesNothing(t *testing.T) {
	g := newGate(t)
	admin := g.user("admin@example.org", true)
	b, link := g.signedIn(admin), g.link(account.LinkReset, admin.ID)
	before := g.dump()
	for _, route := range g.server.table {
		if route.Method != http.MethodGet || isStream(route.Path) {
			continue
		}
		path := fillIn(route.Path)
		if route.Path == "/enter/:once" {
			path = link
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if w := b.do(method, path, nil); w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
	if after := g.dump(); after != before {
		t.Errorf("the database changed\nfrom %s\nto   %s", before, after)
	}
}
