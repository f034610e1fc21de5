package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
)

func TestATokenInAnAddressIsAnsweredAndNeverSentOn(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	_, secret := g.token(u, time.Hour, account.ScopeRead)
	for who, b := range map[string]*browser{"signed in": g.signedIn(u), "nobody": g.browser()} {
		for _, path := range []string{"/?q=" + secret, "/?token=" + secret, "/conversations?access_token=" + secret, "/settings?next=" + url.QueryEscape(" "+secret)} {
			w := b.get(path)
			g.want(who+" at "+path, w, http.StatusUnauthorized, "")
			if body := w.Body.String(); strings.Contains(body, secret) || !strings.Contains(body, "revoke it") || strings.Contains(body, "Sign in first") {
				t.Errorf("%s at %s: %.2000s", who, path, body)
			}
		}
		for _, path := range []string{"/nowhere?token=" + secret, "/nowhere/" + secret} {
			if w := b.get(path); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s at %s: %d %.2000s", who, path, w.Code, w.Body)
			}
		}
	}
}

func TestAHeaderThatIsNoCredentialDoesNotSendAVisitorInCircles(t *testing.T) {
	g := newGate(t)
	u := g.user("ada@example.org", false)
	for who, b := range map[string]*browser{"signed in": g.signedIn(u), "nobody": g.browser()} {
		for _, header := range []string{"Bearer of-a-proxy", "Bearer " + account.NewSecret()} {
			g.want(who+" with "+header, b.get("/conversations", "Authorization", header), http.StatusUnauthorized, "")
		}
	}
	g.want("another scheme is not meant for us", g.browser().get("/conversations", "Authorization", "Basic eDp5"), http.StatusSeeOther, "/login?next=%2Fconversations")
}
