package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// desk is where an administrator types commands.
type desk struct {
	*testing.T
	dsn   string
	store *store.Store
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	t.Parallel()
	dsn := storetest.DSN(t)
	return &desk{T: t, dsn: dsn, store: storetest.Open(t, dsn)}
}

// run runs a command with a line on standard input.
func (d *desk) run(input string, args ...string) (stdout, stderr string, code int) {
	d.Helper()
	a, out, said := world(d.T, map[string]string{"DATABASE_URL": d.dsn, "BASE_URL": "https://worklog.example.org"})
	a.stdin = strings.NewReader(input)
	code = a.run(args)
	return out.String(), said.String(), code
}

// ok runs a command that must succeed and returns what it printed.
func (d *desk) ok(input string, args ...string) string {
	d.Helper()
	stdout, stderr, code := d.run(input, args...)
	if code != 0 {
		d.Fatalf("worklog %s: exit %d, %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

func (d *desk) user(email string) (account.User, string) {
	d.Helper()
	u, hash, err := d.store.UserByEmail(d.Context(), email)
	if err != nil {
		d.Fatal(err)
	}
	return u, hash
}

const passphrase = "träumt der Fluss?"

func TestUsersAreAddedWithAPasswordOrALink(t *testing.T) {
	d := newDesk(t)
	if out := d.ok(passphrase+"\n", "user", "add", "Root@example.org", "--admin", "--password-stdin"); out != "" {
		t.Errorf("printed %q", out)
	}
	root, hash := d.user("root@example.org")
	if ok, err := account.NewPasswords().Verify(t.Context(), passphrase, hash); !ok || err != nil || !root.Admin {
		t.Errorf("%+v, password %v, %v", root, ok, err)
	}
	out := d.ok("", "user", "add", "ada@example.org")
	secret := regexp.MustCompile(`^https://worklog\.example\.org/enter/(\w{43})\n$`).FindStringSubmatch(out)
	if secret == nil {
		t.Fatalf("printed %q", out)
	}
	link, err := d.store.Link(t.Context(), account.HashSecret(secret[1]))
	if err != nil || link.Kind != account.LinkInvite || link.User.Email != "ada@example.org" || link.User.Admin {
		t.Errorf("link %+v, %v", link, err)
	}
	again := d.ok("", "user", "link", "ADA@example.org")
	if _, err := d.store.Link(t.Context(), account.HashSecret(secret[1])); worklog.CodeOf(err) != worklog.CodeNotFound || again == out {
		t.Errorf("the older link: %v", err)
	}
	if reset := d.ok("", "user", "link", "root@example.org"); !strings.Contains(reset, "/enter/") {
		t.Errorf("printed %q", reset)
	}
	list := d.ok("", "user", "list")
	for _, want := range []string{`(?m)^Root@example\.org\s+admin\s+active`, `(?m)^ada@example\.org\s+user\s+no password`} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("%s is not in\n%s", want, list)
		}
	}
}

func TestUserCommandsSayWhatIsWrong(t *testing.T) {
	d := newDesk(t)
	d.ok(passphrase, "user", "add", "ada@example.org", "--password-stdin")
	for name, tc := range map[string]struct {
		input string
		args  []string
		says  string
	}{
		"no address":     {"", []string{"user", "add", "ada"}, "e-mail"},
		"taken":          {"", []string{"user", "add", "ADA@example.org"}, "exists"},
		"weak":           {"short\n", []string{"user", "add", "bob@example.org", "--password-stdin"}, "15 characters"},
		"nothing typed":  {"", []string{"user", "passwd", "ada@example.org"}, "15 characters"},
		"nobody":         {"", []string{"user", "link", "bob@example.org"}, "bob@example.org"},
		"no name":        {"", []string{"token", "create", "ada@example.org"}, "--name"},
		"no such right":  {"", []string{"token", "create", "ada@example.org", "--name", "x", "--scope", "root"}, "scope"},
		"not an admin":   {"", []string{"token", "create", "ada@example.org", "--name", "x", "--scope", "admin"}, "administrators"},
		"an odd life":    {"", []string{"token", "create", "ada@example.org", "--name", "x", "--expires", "soon"}, "365d"},
		"too long":       {"", []string{"token", "create", "ada@example.org", "--name", "x", "--expires", "9999d"}, "365d"},
		"no such token":  {"", []string{"token", "revoke", "x"}, "no such token"},
		"tokens of none": {"", []string{"token", "list", "bob@example.org"}, "bob@example.org"},
	} {
		if stdout, stderr, code := d.run(tc.input, tc.args...); code == 0 || !strings.Contains(stderr, tc.says) || strings.Contains(stdout, "wlg_") {
			t.Errorf("%s: exit %d, %q does not say %q", name, code, stderr, tc.says)
		}
	}
	if n, err := d.store.CountUsers(t.Context()); n != 1 || err != nil {
		t.Errorf("%d users, %v", n, err)
	}
}

func TestAPasswordIsSetAndAUserShutOutFromTheCommandLine(t *testing.T) {
	d := newDesk(t)
	d.ok(passphrase, "user", "add", "ada@example.org", "--password-stdin")
	_, before := d.user("ada@example.org")
	d.ok("zwölf grüne Äpfel\n", "user", "passwd", "ada@example.org")
	if _, after := d.user("ada@example.org"); after == before {
		t.Error("the password is the same")
	}
	d.ok("", "user", "disable", "ada@example.org")
	if u, _ := d.user("ada@example.org"); !u.Disabled {
		t.Error("not disabled")
	}
	if _, stderr, code := d.run("", "user", "link", "ada@example.org"); code != 1 || !strings.Contains(stderr, "--undo") {
		t.Errorf("a link for a disabled user: exit %d, %q", code, stderr)
	}
	d.ok("", "user", "disable", "--undo", "ada@example.org")
	if u, _ := d.user("ada@example.org"); u.Disabled {
		t.Error("still disabled")
	}
}

func TestATokenIsPrintedAloneAndOnce(t *testing.T) {
	d := newDesk(t)
	d.ok(passphrase, "user", "add", "ada@example.org", "--password-stdin")
	secret := strings.TrimSuffix(d.ok("", "token", "create", "ada@example.org", "--name", "laptop", "--scope", "write,write:any", "--limit", "9"), "\n")
	if !account.WellFormed(secret) {
		t.Fatalf("printed %q", secret)
	}
	tok, owner, err := d.store.TokenByHash(t.Context(), account.HashSecret(secret))
	life := tok.ExpiresAt.Sub(tok.CreatedAt).Round(time.Hour)
	if err != nil || owner.Email != "ada@example.org" || tok.Name != "laptop" || tok.Limit != 9 || len(tok.Scopes) != 2 || life != 365*24*time.Hour {
		t.Errorf("%+v, %+v, %v", tok, owner, err)
	}
	forever := strings.TrimSpace(d.ok("", "token", "create", "ada@example.org", "--name", "x", "--expires", "never"))
	if tok, _, err := d.store.TokenByHash(t.Context(), account.HashSecret(forever)); err != nil || !tok.ExpiresAt.IsZero() || len(tok.Scopes) != 2 {
		t.Errorf("%+v, %v", tok, err)
	}
	list := d.ok("", "token", "list", "ada@example.org")
	if strings.Contains(list, secret) || !strings.Contains(list, tok.ID) || !strings.Contains(list, secret[:8]) || strings.Count(list, "\n") != 3 {
		t.Errorf("list\n%s", list)
	}
	d.ok("", "token", "revoke", tok.ID)
	if _, _, err := d.store.TokenByHash(t.Context(), account.HashSecret(secret)); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("revoked token: %v", err)
	}
}

func TestALinkLeadsToTheServerWhateverItListensOn(t *testing.T) {
	d := newDesk(t)
	for listen, want := range map[string]string{":8080": "http://127.0.0.1:8080/enter/", "[::]:9000": "http://[::1]:9000/enter/", "0.0.0.0:80": "http://127.0.0.1:80/enter/", "10.0.0.5:8080": "http://10.0.0.5:8080/enter/"} {
		a, out, said := world(t, map[string]string{"DATABASE_URL": d.dsn, "LISTEN_ADDR": listen})
		if code := a.run([]string{"user", "add", fmt.Sprintf("u%d@example.org", len(listen))}); code != 0 || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: exit %d, %s%s", listen, code, out, said)
		}
	}
}
