package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/static"
	"github.com/worklogdev/worklog/worklog"
)

// recentLogin is how long a checked password opens what makes new credentials.
const recentLogin = 10 * time.Minute

// Who may use a page. Pages never take tokens.
func everybody() account.Policy  { return account.Policy{Public: true} }
func signedIn() account.Policy   { return account.Policy{SessionOnly: true} }
func justNow() account.Policy    { return account.Policy{SessionOnly: true, Recent: recentLogin} }
func adminToken() account.Policy { return account.Policy{Scope: account.ScopeAdmin} }

// routes is every route of the product: who may use it is written next to it and enforced by mount alone.
// It is long because it is one table.
func (s *Server) routes() []api.Route {
	get, post := http.MethodGet, http.MethodPost
	table := []api.Route{
		at(get, "/healthz", everybody(), s.health),
		at(get, "/readyz", everybody(), s.ready),
		at(get, "/metrics", adminToken(), s.serveMetrics),

		at(get, "/login", everybody(), s.loginPage),
		at(post, "/login", everybody(), s.login),
		at(post, "/logout", everybody(), s.logout),
		at(get, "/enter/:once", everybody(), s.enterPage),
		at(post, "/enter/:once", everybody(), s.enter),
		at(post, "/theme", everybody(), s.setTheme),

		at(get, static.Prefix+"*", everybody(), s.serveStatic),
		at(get, "/", signedIn(), s.activity),
		at(get, "/stream", signedIn(), s.activityStream),
		at(get, "/changes", signedIn(), s.activityChanges),
		at(get, "/unfiled", signedIn(), s.unfiled),
		at(get, "/unfiled/stream", signedIn(), s.unfiledStream),
		at(get, "/unfiled/changes", signedIn(), s.unfiledChanges),
		at(get, "/conversations", signedIn(), s.conversations),
		at(get, "/conversations/changes", signedIn(), s.conversations),
		at(get, "/conversations/all/stream", signedIn(), s.listStream),
		at(get, "/conversations/all/changes", signedIn(), s.listChanges),
		at(get, "/conversations/:id", signedIn(), s.conversation),
		at(get, "/conversations/:id/stream", signedIn(), s.conversationStream),
		at(get, "/conversations/:id/changes", signedIn(), s.conversationChanges),
		at(post, "/conversations/:id", signedIn(), s.updateConversation),
		at(get, "/conversations/:id/delete", signedIn(), s.confirmDeletion),
		at(post, "/conversations/:id/delete", signedIn(), s.deleteConversation),
		at(get, "/logs/:id", signedIn(), s.entry),
		at(get, "/logs/:id/stream", signedIn(), s.entryStream),
		at(get, "/logs/:id/changes", signedIn(), s.entryChanges),

		at(get, "/settings", signedIn(), s.settingsPage),
		at(post, "/settings/password", signedIn(), s.changePassword),
		at(get, "/settings/confirm", signedIn(), s.confirmPage),
		at(post, "/settings/confirm", signedIn(), s.confirm),
		at(get, "/settings/sessions", signedIn(), s.sessionsPage),
		at(post, "/settings/sessions/end-others", signedIn(), s.endOtherSessions),
		at(post, "/settings/sessions/:id/end", signedIn(), s.endSession),
		at(get, "/settings/connect", signedIn(), s.connectPage),
		at(get, "/settings/connect/:agent", signedIn(), s.connectAgentPage),
		at(post, "/settings/connect/:agent", justNow(), s.connectAgent),
		at(get, "/settings/connect/:agent/stream", signedIn(), s.connectStream),
		at(get, "/settings/connect/:agent/changes", signedIn(), s.connectChanges),
		at(get, "/settings/tokens", signedIn(), s.tokensPage),
		at(get, "/settings/tokens/new", justNow(), s.newTokenPage),
		at(post, "/settings/tokens", justNow(), s.createToken),
		at(post, "/settings/tokens/:id/revoke", signedIn(), s.revokeToken),

		at(get, "/settings/data", signedIn(), s.ownDataPage),
		at(post, "/settings/export", signedIn(), s.exportOwn),

		at(get, "/admin", adminOnly(), s.dashboard),
		at(get, "/admin/stream", adminOnly(), s.dashboardStream),
		at(get, "/admin/changes", adminOnly(), s.dashboardChanges),
		at(get, "/admin/users", adminOnly(), s.usersPage),
		at(get, "/admin/users/new", adminNow(), s.newUserPage),
		at(post, "/admin/users", adminNow(), s.createUser),
		at(get, "/admin/users/:id", adminOnly(), s.userPage),
		at(post, "/admin/users/:id/link", adminNow(), s.createUserLink),
		at(post, "/admin/users/:id/disable", adminNow(), s.disableUser),
		at(post, "/admin/users/:id/role", adminNow(), s.setRole),
		at(post, "/admin/users/:id/limit", adminNow(), s.setLimit),
		at(post, "/admin/users/:id/sessions/end-all", adminNow(), s.endUserSession),
		at(post, "/admin/users/:id/sessions/:session/end", adminNow(), s.endUserSession),
		at(post, "/admin/users/:id/export", adminNow(), s.exportUser),
		at(get, "/admin/users/:id/erase", adminNow(), s.erasePage),
		at(post, "/admin/users/:id/erase", adminNow(), s.eraseUser),
		at(get, "/admin/users/:id/entries", adminOnly(), s.readingPage),
		at(post, "/admin/users/:id/read", adminNow(), s.openReading),
		at(post, "/admin/users/:id/read/end", adminOnly(), s.closeReading),
		at(get, "/admin/tokens", adminOnly(), s.adminTokensPage),
		at(post, "/admin/tokens/:id/revoke", adminNow(), s.adminRevokeToken),
		at(get, "/admin/retention", adminOnly(), s.retentionPage),
		at(get, "/admin/retention/changes", adminOnly(), s.retentionPage),
		at(post, "/admin/retention/run", adminNow(), s.runSweep),
		at(get, "/admin/holds", adminOnly(), s.holdsPage),
		at(post, "/admin/holds", adminNow(), s.hold),
		at(post, "/admin/holds/:id/release", adminNow(), s.release),
		at(get, "/admin/audit", adminOnly(), s.auditPage),
	}
	return append(table, s.api.Routes()...)
}

// routeAt is the route that answers a method at a path; false if there is none.
func (s *Server) routeAt(method, path string) (api.Route, bool) {
	found := s.echo.NewContext(nil, nil)
	s.echo.Router().Find(method, path, found)
	i := slices.IndexFunc(s.table, func(r api.Route) bool { return r.Method == method && r.Path == found.Path() })
	if i < 0 {
		return api.Route{}, false
	}
	return s.table[i], true
}

// at is one line of the table.
func at(method, path string, policy account.Policy, h echo.HandlerFunc) api.Route {
	return api.Route{Method: method, Path: path, Policy: policy, Handler: h}
}

// mount registers r behind its policy. A page answers HEAD as it answers GET; a stream has no HEAD.
func (s *Server) mount(r api.Route) {
	h := s.guard(r)
	s.templates[r.Path] = true
	s.echo.Add(r.Method, r.Path, h)
	if r.Method == http.MethodGet && !isStream(r.Path) {
		s.echo.Add(http.MethodHead, r.Path, h)
	}
}

// guard is the only place where a policy is enforced. It resolves the principal, asks the policy and only then calls
// the handler; answers to a signed-in caller are never stored by a cache.
func (s *Server) guard(r api.Route) echo.HandlerFunc {
	return func(c echo.Context) error {
		writeIDs(c)
		if r.Policy.Public {
			return r.Handler(c)
		}
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		began := time.Now()
		p, session, err := s.principal(c)
		if err != nil {
			return err
		}
		if session != nil {
			if err := checkPage(c, p.User.ID); err != nil {
				return err
			}
		}
		if err := r.Policy.Allow(p, s.now()); err != nil {
			if s.onlyNeedsPassword(r.Policy, p) {
				return s.askAgain(c, p)
			}
			return err
		}
		if isStream(r.Path) {
			known := *p // it may be shared
			known.CheckedAt, p = began, &known
		}
		req := c.Request()
		req = req.WithContext(account.WithPrincipal(req.Context(), p))
		s.checkAgain(c, req, r.Policy)
		c.SetRequest(req)
		if session != nil && !isBackground(r.Path) {
			s.touchSession(c, session)
		}
		return r.Handler(c)
	}
}

// writeIDs writes the ids in an address as the database does: what is passed on of them is compared as text.
func writeIDs(c echo.Context) {
	values := slices.Clone(c.ParamValues())
	for i := range values {
		values[i] = store.CanonicalID(values[i])
	}
	c.SetParamValues(values...)
}

// onlyNeedsPassword reports whether p may do this as soon as the password is checked again.
func (s *Server) onlyNeedsPassword(pol account.Policy, p *account.Principal) bool {
	if p == nil || p.Token != nil || pol.Recent == 0 {
		return false
	}
	pol.Recent = 0
	return pol.Allow(p, s.now()) == nil
}

// isStream reports whether the route template is a live stream: open for up to an hour, outside every time limit, and
// never a reason to write its session.
func isStream(route string) bool { return strings.HasSuffix(route, "/stream") }

// isBrowserStream reports whether the route is a stream that a page's connector reads. It answers 200 whatever
// happens: the extension retries every other status for ever.
func isBrowserStream(route string) bool { return isStream(route) && !isMachine(route) }

// isMachine reports whether the path belongs to programs: problem+json and large bodies.
func isMachine(path string) bool {
	for _, door := range []string{"/api/", "/v1/", "/otlp/", "/mcp", "/healthz", "/readyz", "/metrics"} {
		if strings.HasPrefix(path, door) {
			return true
		}
	}
	return false
}

// isExporter reports whether the path belongs to exporters of OpenTelemetry, whose specification has answers of its own.
func isExporter(path string) bool {
	return strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/otlp/")
}

// serveMetrics hands over to the registry of the program.
func (s *Server) serveMetrics(c echo.Context) error {
	if s.metrics == nil {
		return worklog.Errorf(worklog.CodeNotFound, "metrics are served on METRICS_ADDR only")
	}
	s.metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}
