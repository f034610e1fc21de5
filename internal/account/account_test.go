package account

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestPolicyMatrix(t *testing.T) {
	t.Parallel()
	now := start()
	user, admin := User{ID: 1}, User{ID: 2, Admin: true}
	session := func(u User, age time.Duration) *Principal {
		return &Principal{User: u, Session: "s", SignedInAt: now.Add(-age)}
	}
	token := func(u User, scopes ...Scope) *Principal { return &Principal{User: u, Token: &Token{Scopes: scopes}} }
	const ok = worklog.Code("")
	for name, tc := range map[string]struct {
		policy Policy
		who    *Principal
		want   worklog.Code
	}{
		"zero policy admits nobody":          {Policy{}, session(admin, 0), worklog.CodeForbidden},
		"public admits strangers":            {Policy{Public: true}, nil, ok},
		"strangers are asked to sign in":     {Policy{Scope: ScopeRead}, nil, worklog.CodeUnauthorized},
		"a session reads":                    {Policy{Scope: ScopeRead}, session(user, 0), ok},
		"a write token does not read":        {Policy{Scope: ScopeRead}, token(user, ScopeWrite), worklog.CodeForbidden},
		"a read token reads":                 {Policy{Scope: ScopeRead}, token(user, ScopeRead), ok},
		"write:any is no read":               {Policy{Scope: ScopeRead}, token(admin, ScopeWriteAny, ScopeAdmin), worklog.CodeForbidden},
		"a token is no session":              {Policy{SessionOnly: true}, token(admin, Scopes()...), worklog.CodeForbidden},
		"a user is no admin":                 {Policy{Scope: ScopeAdmin}, session(user, 0), worklog.CodeForbidden},
		"an admin is":                        {Policy{Scope: ScopeAdmin}, session(admin, 0), ok},
		"an admin token of a former admin":   {Policy{Scope: ScopeAdmin}, token(user, ScopeAdmin), worklog.CodeForbidden},
		"an admin's token without the scope": {Policy{Scope: ScopeAdmin}, token(admin, ScopeRead), worklog.CodeForbidden},
		"a recent login":                     {Policy{SessionOnly: true, Recent: time.Minute}, session(user, time.Minute), ok},
		"an old login":                       {Policy{SessionOnly: true, Recent: time.Minute}, session(user, time.Minute+1), worklog.CodeForbidden},
		"sessions do not write for others":   {Policy{Scope: ScopeWriteAny}, session(admin, 0), worklog.CodeForbidden},
	} {
		if got := worklog.CodeOf(tc.policy.Allow(tc.who, now)); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestEmailAddresses(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		" Ada@Example.org ": "Ada@Example.org",
		"demo@localhost":    "demo@localhost",
		"jose\u0301@x.org":  "jos\u00e9@x.org",
		"":                  "", "ada": "", "@x.org": "", "a@": "", "Ada <ada@x.org>": "", "a b@x.org": "", "a@x.org\r\nBcc: b@x.org": "",
		"a\u202eb@x.org": "", "a@x.org\x00": "",
	} {
		got, err := NormalizeEmail(typed)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("NormalizeEmail(%q) = %q, %v; want %q", typed, got, err, want)
		}
	}
}
