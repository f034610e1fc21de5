package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/worklog"
)

// extra adds a handler behind the policy of a signed-in page.
func (g *gate) extra(path string, h echo.HandlerFunc) {
	g.server.mount(at(http.MethodGet, path, everybody(), h))
}

// S-20: what fails is as protected as what works.
func TestEveryAnswerCarriesTheSecurityHeaders_S20(t *testing.T) {
	g := newGate(t)
	g.extra("/test/panic", func(echo.Context) error { panic("boom") })
	u := g.user("ada@example.org", false)
	b := g.signedIn(u)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"200":             b.get("/"),
		"200 of the API":  b.get("/api/v1/stats"),
		"200 of a file":   b.get(g.server.shell(g.server.echo.NewContext(httptest.NewRequest(http.MethodGet, "/", nil), nil), "").Asset("app.css")),
		"303":             g.browser().get("/"),
		"401":             g.browser().get("/api/v1/stats"),
		"403":             b.do(http.MethodPost, "/logout", nil, "Sec-Fetch-Site", "cross-site"),
		"404":             b.get("/nowhere"),
		"404 of the API":  b.get("/api/v1/nowhere"),
		"404 of a secret": g.browser().get("/enter/unknown"),
		"405":             b.do(http.MethodPut, "/login", nil),
		"413":             b.post("/login", "email", strings.Repeat("x", maxForm)),
		"500":             b.get("/test/panic"),
		"another host": func() *httptest.ResponseRecorder {
			b := g.browser()
			b.host = "evil.example"
			return b.get("/login")
		}(),
	} {
		for header, want := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s (%d): %s = %q, want %q", name, w.Code, header, got, want)
			}
		}
		if w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", name)
		}
		if cache := w.Header().Get("Cache-Control"); name != "200 of a file" && w.Code == 200 && cache != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, cache)
		}
	}
}

// S-20, S-11: what a cookie may do follows BASE_URL and nothing that a caller says.
func TestCookiesFollowTheBaseURL(t *testing.T) {
	t.Run("http", func(t *testing.T) {
		g := newGate(t)
		g.user("ada@example.org", false)
		b := g.browser()
		w := b.do(http.MethodPost, "/login", map[string][]string{"email": {"ada@example.org"}, "password": {password}}, "X-Forwarded-Proto", "https")
		cookie := w.Header().Get("Set-Cookie")
		if !strings.HasPrefix(cookie, "worklog_session=") || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") ||
			!strings.Contains(cookie, "Path=/") || strings.Contains(cookie, "Secure") || strings.Contains(cookie, "Domain") {
			t.Errorf("cookie %q", cookie)
		}
		if w.Header().Get("Strict-Transport-Security") != "" {
			t.Error("HSTS over http")
		}
	})
	t.Run("https", func(t *testing.T) {
		g := newGate(t, func(d *Deps) { d.Config.BaseURL = "https://worklog.example.org" })
		g.user("ada@example.org", false)
		b := g.browser()
		b.host = "worklog.example.org"
		w := b.login("ada@example.org", password)
		cookie := w.Header().Get("Set-Cookie")
		if !strings.HasPrefix(cookie, "__Host-worklog_session=") || !strings.Contains(cookie, "Secure") || !strings.Contains(cookie, "Path=/;") || strings.Contains(cookie, "Domain") {
			t.Errorf("cookie %q", cookie)
		}
		theme := b.post("/theme", "theme", "dark").Header().Get("Set-Cookie")
		if !strings.HasPrefix(theme, "__Host-worklog_theme=dark;") || !strings.Contains(theme, "Secure") || !strings.Contains(b.get("/settings/tokens").Body.String(), `data-theme="dark"`) {
			t.Errorf("cookie %q", theme)
		}
		if w.Header().Get("Strict-Transport-Security") == "" {
			t.Error("no HSTS over https")
		}
		g.want("the cookie opens", b.get("/settings"), http.StatusOK)
	})
}

// S-24: a panic costs one answer.
func TestAPanicIsA500WithARequestID_S24(t *testing.T) {
	g := newGate(t)
	g.extra("/test/panic", func(echo.Context) error { panic("secret detail of a goroutine") })
	for accept, kind := range map[string]string{"text/html": "text/html", "application/json": problem.ContentType} {
		w := g.browser().get("/test/panic", "Accept", accept, "X-Request-Id", "my-request-1")
		if w.Code != 500 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || !strings.Contains(w.Body.String(), "my-request-1") {
			t.Errorf("%s: %d %s %s", accept, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		for _, leak := range []string{"secret detail", "goroutine ", ".go:"} {
			if strings.Contains(w.Body.String(), leak) {
				t.Errorf("%s: the answer says %q", accept, leak)
			}
		}
	}
	if !strings.Contains(g.log.String(), "secret detail of a goroutine") || !strings.Contains(g.log.String(), "middleware_test.go") {
		t.Error("the log does not say what happened and where")
	}
	g.want("afterwards", g.browser().get("/healthz"), http.StatusOK)
}

func TestAPanicAfterTheFirstByteEndsTheConnection(t *testing.T) {
	g := newGate(t)
	g.extra("/test/half", func(c echo.Context) error {
		_, _ = io.WriteString(c.Response(), "half of a page")
		c.Response().Flush()
		panic("boom")
	})
	server := httptest.NewServer(g.server.Handler())
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/test/half")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%q looks complete", b)
	}
}

// S-08, the eleven cases of the reference and the streams.
func TestOtherSitesCanNotActForAUser_S08(t *testing.T) {
	g := newGate(t, func(d *Deps) { d.Config.BaseURL = "https://worklog.example.org" })
	for name, tc := range map[string]struct {
		method  string
		headers []string
		refused bool
	}{
		"same origin":                  {http.MethodPost, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:8080"}, false},
		"typed by the user":            {http.MethodPost, []string{"Sec-Fetch-Site", "none"}, false},
		"another site":                 {http.MethodPost, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
		"a sibling under our domain":   {http.MethodPost, []string{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.example.org"}, true},
		"old browser, own origin":      {http.MethodPost, []string{"Origin", "http://127.0.0.1:8080"}, false},
		"old browser, foreign origin":  {http.MethodPost, []string{"Origin", "https://evil.example"}, true},
		"a sandboxed frame":            {http.MethodPost, []string{"Origin", "null"}, true},
		"proxy that rewrites the host": {http.MethodPost, []string{"Origin", "https://worklog.example.org"}, false},
		"curl":                         {http.MethodPost, nil, false},
		"DELETE from another site":     {http.MethodDelete, []string{"Sec-Fetch-Site", "cross-site"}, true},
		"a link from another site":     {http.MethodGet, []string{"Sec-Fetch-Site", "cross-site"}, false},
	} {
		w := g.browser().do(tc.method, "/theme", map[string][]string{"theme": {"dark"}}, tc.headers...)
		if refused := w.Code == http.StatusForbidden; refused != tc.refused {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestALoopbackServerKnowsItsHosts(t *testing.T) {
	for listen, hosts := range map[string]map[string]bool{
		"127.0.0.1:8080": {
			"127.0.0.1:8080": true, "localhost:8080": true, "LOCALHOST.": true, "worklog.localhost": true, "[::1]:8080": true, "[::ffff:127.0.0.1]": true,
			"worklog.example.org": true, "evil.example": false, "evil.example:8080": false, "127.0.0.1.evil.example": false, "192.168.1.5:8080": false, "": false,
		},
		"[::1]:8080":   {"[::1]:8080": true, "evil.example": false},
		"0.0.0.0:8080": {"192.168.1.5:8080": true, "evil.example": true},
		":8080":        {"192.168.1.5:8080": true},
	} {
		t.Run(listen, func(t *testing.T) {
			g := newGate(t, func(d *Deps) { d.Config.ListenAddr, d.Config.BaseURL = listen, "http://worklog.example.org" })
			for host, ok := range hosts {
				b := g.browser()
				b.host = host
				if w := b.get("/healthz"); (w.Code == http.StatusOK) != ok {
					t.Errorf("host %q: %d", host, w.Code)
				}
			}
		})
	}
}

// S-11: what a stranger writes into X-Forwarded-For changes nothing.
func TestClientAddressesComeFromNamedProxiesOnly_S11(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for name, tc := range map[string]struct {
		proxies          []netip.Prefix
		peer, xff, wants string
	}{
		"no proxy configured":         {nil, "192.0.2.7:1", "1.2.3.4", "192.0.2.7"},
		"loopback is no proxy either": {proxies, "127.0.0.1:1", "1.2.3.4", "127.0.0.1"},
		"a stranger":                  {proxies, "192.0.2.7:1", "1.2.3.4", "192.0.2.7"},
		"the proxy":                   {proxies, "10.1.1.1:1", "1.2.3.4", "1.2.3.4"},
		"a lie behind the proxy":      {proxies, "10.1.1.1:1", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		"two proxies":                 {proxies, "10.1.1.1:1", "1.2.3.4, 10.2.2.2", "1.2.3.4"},
		"IPv6":                        {proxies, "[2001:db8::1]:1", "2a00::5", "2a00::5"},
		"nonsense":                    {proxies, "10.1.1.1:1", "'; DROP TABLE", "10.1.1.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tc.peer
		r.Header.Set("X-Forwarded-For", tc.xff)
		r.Header.Set("X-Real-Ip", "6.6.6.6")
		if got := clientIP(tc.proxies)(r); got != tc.wants {
			t.Errorf("%s: %q, want %q", name, got, tc.wants)
		}
	}
}

// S-14: a body is too long whether it says so or not.
func TestBodiesAreBounded(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	_, secret := g.token(u, time.Hour, account.ScopeRead)
	g.server.mount(at(http.MethodPost, "/api/v1/test", account.Policy{Scope: account.ScopeRead}, func(c echo.Context) error {
		n, err := io.Copy(io.Discard, c.Request().Body)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, n)
	}))
	for name, tc := range map[string]struct {
		path    string
		size    int
		chunked bool
		want    int
	}{
		"a form":                       {"/theme", maxForm, false, http.StatusSeeOther},
		"a form, one byte more":        {"/theme", maxForm + 1, false, http.StatusRequestEntityTooLarge},
		"the same, length unsaid":      {"/theme", maxForm + 1, true, http.StatusRequestEntityTooLarge},
		"8 MiB for the API":            {"/api/v1/test", maxAPIBody, true, http.StatusOK},
		"8 MiB + 1":                    {"/api/v1/test", maxAPIBody + 1, false, http.StatusRequestEntityTooLarge},
		"8 MiB + 1, length unsaid":     {"/api/v1/test", maxAPIBody + 1, true, http.StatusRequestEntityTooLarge},
		"a form of another media type": {"/login", 10, false, http.StatusUnsupportedMediaType},
	} {
		var body io.Reader = bytes.NewReader(bytes.Repeat([]byte("a"), tc.size))
		if tc.chunked {
			body = io.MultiReader(body)
		}
		r := httptest.NewRequest(http.MethodPost, tc.path, body)
		r.Host, r.RemoteAddr = "127.0.0.1:8080", "192.0.2.7:1"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tc.want == http.StatusUnsupportedMediaType {
			r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		}
		w := g.browser().send(r, "Authorization", "Bearer "+secret)
		if w.Code != tc.want {
			t.Errorf("%s: %d, want %d %s", name, w.Code, tc.want, w.Body)
		}
	}
}

func TestRequestIDsAreTakenOverOnlyWhenHarmless(t *testing.T) {
	g := newGate(t)
	for in, keep := range map[string]bool{
		"": false, "01J8-abc_DEF.9": true, strings.Repeat("a", maxRequestID): true, strings.Repeat("a", maxRequestID+1): false, "a b": false,
		"<script>": false, "x\u202e": false, account.NewSecret(): false,
	} {
		out := g.browser().get("/healthz", "X-Request-Id", in).Header().Get("X-Request-Id")
		if (out == in) != keep || out == "" {
			t.Errorf("%q became %q", in, out)
		}
	}
}

// S-21 for our own log: secrets travel in paths, headers and queries, and stay out of it.
func TestTheLogHoldsNoSecrets(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	_, secret := g.token(u, time.Hour, account.ScopeRead)
	b := g.browser()
	link := g.link(account.LinkReset, u.ID)
	b.get(link)
	b.post(link, "password", "short")
	b.get(link + "/")
	b.get("/otlp/" + secret + "/v1/unknown")
	b.get("/typo/" + strings.TrimPrefix(link, "/enter/"))
	b.get("/api/v1/stats", "Authorization", "Bearer "+secret)
	b.get("/api/v1/stats?token=" + secret)
	b.get("/?q=words-of-a-search")
	b.login("ada@example.org", "a wrong secret phrase")
	b.login("ada@example.org", password)
	b.get("/settings")
	for what, text := range map[string]string{
		"token": secret, "link": strings.TrimPrefix(link, "/enter/"), "query": "words-of-a-search", "password": password,
		"wrong password": "a wrong secret phrase", "cookie": b.session(),
	} {
		if strings.Contains(g.log.String(), text) {
			t.Errorf("the log holds the %s", what)
		}
	}
	for _, want := range []string{`"route":"/enter/:once","path":"/enter/***"`, `"route":"/settings"`, `"user":`, `"msg":"signed in"`, `"msg":"sign-in failed"`} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log does not hold %s", want)
		}
	}
}

func TestObservationsKnowRoutesAndNotPaths(t *testing.T) {
	var seen []Observation
	g := newGate(t, func(d *Deps) { d.Observe = func(o Observation) { seen = append(seen, o) } })
	g.browser().get("/enter/some-secret")
	g.browser().get("/random/path")
	g.browser().do("PURGE", "/login", nil)
	want := []Observation{{Method: "GET", Route: "/enter/:once", Status: 404}, {Method: "GET", Route: "none", Status: 404}, {Method: "other", Route: "/login", Status: 405}}
	for i, o := range seen {
		o.Took = 0
		if i >= len(want) || o != want[i] {
			t.Errorf("%d: %+v", i, o)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d observations", len(seen))
	}
}

func TestErrorsFitWhoAsks(t *testing.T) {
	g := newGate(t)
	g.extra("/test/late", func(c echo.Context) error { return errors.New("SELECT secret FROM tables") })
	b := g.browser()
	for name, tc := range map[string]struct {
		w        *httptest.ResponseRecorder
		code     int
		kind     string
		location string
	}{
		"a page for people":         {b.get("/nowhere"), 404, "text/html", ""},
		"a problem for the API":     {b.get("/api/v1/nowhere"), 404, problem.ContentType, ""},
		"a problem when asked for":  {b.get("/nowhere", "Accept", "application/json"), 404, problem.ContentType, ""},
		"the way to the login":      {b.get("/conversations?q=a%26b"), 303, "", "/login?next=%2Fconversations%3Fq%3Da%2526b"},
		"home needs no next":        {b.get("/"), 303, "", "/login"},
		"no login page inside htmx": {b.get("/conversations", "HX-Request", "true"), 401, "text/html", ""},
		"a form of nobody":          {b.post("/settings/password"), 401, "text/html", ""},
		"internal words stay in":    {b.get("/test/late"), 500, "text/html", ""},
	} {
		if tc.w.Code != tc.code || !strings.HasPrefix(tc.w.Header().Get("Content-Type"), tc.kind) || tc.w.Header().Get("Location") != tc.location {
			t.Errorf("%s: %d %q %q", name, tc.w.Code, tc.w.Header().Get("Content-Type"), tc.w.Header().Get("Location"))
		}
		if strings.Contains(tc.w.Body.String(), "SELECT") {
			t.Errorf("%s: %s", name, tc.w.Body)
		}
	}
	if page := sparePage(500, `<script>"x"`); strings.Contains(page, "<script>") || !strings.Contains(page, "500 Internal Server Error") {
		t.Errorf("spare page %s", page)
	}
}

// S-02 on error pages: a path or parameter that is shown again is text.
func TestErrorPagesEscapeWhatTheyEcho_S02(t *testing.T) {
	g := newGate(t)
	b := g.signedIn(g.user("ada@example.org", false))
	const attack = `"><script>alert(1)</script>`
	for _, path := range []string{"/nowhere/%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/?type=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"} {
		if w := b.get(path); strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	if w := g.browser().login(attack, attack); strings.Contains(w.Body.String(), "<script>alert") || w.Code != http.StatusUnauthorized {
		t.Errorf("login: %d %s", w.Code, w.Body)
	}
}

func TestAnAnswerAfterTheDeadlineIsStillAWholePage(t *testing.T) {
	g := newGate(t)
	g.extra("/test/away", func(c echo.Context) error {
		over, cancel := context.WithCancel(c.Request().Context())
		cancel()
		c.SetRequest(c.Request().WithContext(over))
		return &worklog.Error{Code: worklog.CodeUnavailable, Message: "the database is away", RetryAfter: 3 * time.Second}
	})
	w := g.browser().get("/test/away")
	if w.Code != 503 || w.Header().Get("Retry-After") != "3" || !strings.Contains(w.Body.String(), "</html>") {
		t.Errorf("%d %q %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}

func TestReadinessFollowsDatabaseAndShutdown(t *testing.T) {
	g := newGate(t)
	g.want("ready", g.browser().get("/readyz"), http.StatusOK)
	g.server.Drain()
	g.want("stopping", g.browser().get("/readyz"), http.StatusServiceUnavailable)
	g.want("alive", g.browser().get("/healthz"), http.StatusOK)
}
