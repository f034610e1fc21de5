package web

import (
	"net/http"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
)

func TestALimitOfOnesOwnReachesTheWritePathWithoutAQuery(t *testing.T) {
	o := newOffice(t)
	o.listen()
	_, secret := o.token(o.ann, time.Hour, account.ScopeRead)
	key := [32]byte(account.HashSecret(secret))
	if o.browser().bearer("/api/v1/stats", secret) != 200 {
		t.Fatal("the token does not work")
	}
	o.want("setting", o.admin.post(o.page(o.ann)+"/limit", "limit", "7"), http.StatusSeeOther)
	o.eventually("the token's user has the limit", func() bool {
		o.browser().bearer("/api/v1/stats", secret)
		p, _ := o.server.tokens.get(key, o.clock.now())
		return p != nil && p.User.Limit == 7
	})
	for _, bad := range []string{"-1", "many", "99999999999999999999", "1000001"} {
		o.want(bad, o.admin.post(o.page(o.ann)+"/limit", "limit", bad), http.StatusUnprocessableEntity)
	}
	o.want("taking it back", o.admin.post(o.page(o.ann)+"/limit", "limit", ""), http.StatusSeeOther)
	if got := o.query("SELECT rate_limit FROM users WHERE email = 'ann@example.org'"); got != "0" {
		t.Errorf("stored %s", got)
	}
}

func TestPagesOfUsersWhoAreNotThereSaySo(t *testing.T) {
	o := newOffice(t)
	for _, path := range []string{"/admin/users/4711", "/admin/users/x", "/admin/users/-1", "/admin/users/4711/erase", "/admin/users/4711/entries", "/admin/users/99999999999999999999"} {
		o.want(path, o.admin.get(path), http.StatusNotFound)
	}
	for _, path := range []string{"/link", "/limit", "/sessions/end-all", "/erase", "/read"} {
		w := o.admin.post("/admin/users/4711"+path, "reason", "why not", "limit", "5", "confirm", "x")
		o.want(path, w, http.StatusNotFound)
	}
}
