package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
)

// S-21: a token in an address is in no log and in no answer, whatever becomes of the request.
func TestATokenInAnAddressIsInNoLogAndNoAnswer(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	_, good := g.token(u, time.Hour, account.ScopeOTLP)
	_, other := g.token(u, time.Hour, account.ScopeWrite)
	unknown, mistyped := account.NewSecret(), good[:len(good)-2]
	policy := account.Policy{Scope: account.ScopeOTLP}
	g.server.mount(at(http.MethodPost, "/otlp/:token/v1/panic", policy, func(c echo.Context) error { panic("boom") }))
	for path, want := range map[string]int{
		"/otlp/" + good + "/v1/logs": 200, "/otlp/" + good + "/v1/metrics": 200, "/otlp/" + good + "/v1/panic": 500, "/otlp/" + good + "/v1/unknown": 404,
		"/otlp/" + good: 404, "/otlp/x/" + good + "/v1/logs": 404, "/v1/logs/" + good: 404, "/otlp/" + other + "/v1/logs": 403, "/otlp/" + unknown + "/v1/logs": 401,
		"/otlp/" + mistyped + "/v1/traces": 401, "/otlp/%77" + good[1:] + "/v1/logs": 401, "/otlp//" + good + "/v1/logs": 404,
	} {
		for _, body := range []string{"{}", "nonsense"} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
			r.Host, r.RemoteAddr = "127.0.0.1:8080", "192.0.2.7:4711"
			r.Header.Set("Content-Type", "application/json")
			w := g.browser().send(r)
			if expect := want; w.Code != expect && (body == "{}" || expect != 200) {
				t.Errorf("%s: %d, want %d", strings.ReplaceAll(path, good, "good"), w.Code, expect)
			}
			for _, secret := range []string{good, other, unknown, mistyped} {
				if strings.Contains(w.Body.String(), secret) {
					t.Errorf("an answer of %d holds a token: %s", w.Code, w.Body)
				}
			}
		}
	}
	for _, secret := range []string{good, other, unknown, mistyped, good[1:]} {
		if strings.Contains(g.log.String(), secret) {
			t.Errorf("the log holds a token:\n%s", g.log.String())
		}
	}
	for _, want := range []string{`"path":"/otlp/***/v1/logs"`, `"path":"/otlp/***/v1/unknown"`, `"msg":"handler panicked"`} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log does not hold %s", want)
		}
	}
}
