package apptest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// Email is the user that Client acts for.
	Email = "ada@example.org"
	// Password is every test user's.
	Password = "seven lanterns on a quiet pier"
	// SessionCookie is the name of the cookie of a login, over plain HTTP.
	SessionCookie = "worklog_session"

	commandTimeout = time.Minute
	requestTimeout = 30 * time.Second
)

// Command runs another worklog command in the environment of the program and returns its standard output.
// The test ends if the command fails.
func (a *App) Command(stdin string, args ...string) string {
	a.t.Helper()
	stdout, stderr, err := a.TryCommand(stdin, args...)
	if err != nil {
		a.t.Fatalf("worklog %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout
}

// TryCommand is Command for commands that may fail.
func (a *App) TryCommand(stdin string, args ...string) (stdout, stderr string, err error) {
	return a.CommandUntil(a.t.Context(), stdin, args...)
}

// CommandUntil is TryCommand for a command that is killed, with SIGKILL, when ctx ends.
func (a *App) CommandUntil(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, a.binary, args...)
	cmd.Env = a.environ()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

// User creates a user with [Password] and returns a token's secret of theirs that may write and read.
// Of a user that was created before it only makes another token.
func (a *App) User(email string) string {
	a.t.Helper()
	return a.Token(email, account.ScopeWrite, account.ScopeRead)
}

// Admin creates an admin with [Password].
func (a *App) Admin(email string) {
	a.t.Helper()
	a.addUser(email, "--admin")
}

// Token returns the secret of a new token of the user, who is created if need be.
func (a *App) Token(email string, scopes ...account.Scope) string {
	a.t.Helper()
	a.addUser(email)
	email = a.address(email)
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	out := a.Command("", "token", "create", email, "--name", "apptest", "--scope", strings.Join(names, ","))
	return strings.TrimSpace(out)
}

func (a *App) addUser(email string, flags ...string) {
	a.t.Helper()
	if a.users[email] {
		return
	}
	a.users[email] = true
	a.Command(Password+"\n", append([]string{"user", "add", a.address(email), "--password-stdin"}, flags...)...)
}

// Client returns a client of the public package that acts for [Email] with the given rights; without any, it may write and read.
func (a *App) Client(scopes ...account.Scope) *worklog.Client {
	a.t.Helper()
	if len(scopes) == 0 {
		scopes = []account.Scope{account.ScopeWrite, account.ScopeRead}
	}
	return a.ClientOf(Email, scopes...)
}

// ClientOf is Client for another user.
func (a *App) ClientOf(email string, scopes ...account.Scope) *worklog.Client {
	a.t.Helper()
	return worklog.New(a.URL, a.Token(email, scopes...))
}

// Login signs the user in, as the login page does, and returns an HTTP client with the session's cookie. The user is
// created if need be. It does not follow redirects.
func (a *App) Login(email string) *http.Client {
	a.t.Helper()
	a.addUser(email)
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"email": {a.address(email)}, "password": {Password}}
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.URL+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a.at != "" {
		req.Header.Set("X-Forwarded-For", a.at)
	}
	resp, err := c.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		a.t.Fatalf("the login of %s is answered with %s", email, resp.Status)
	}
	return c
}

// Settle waits until no hook waits in the program's spool: one whose commit takes long goes there, and is taken.
func (a *App) Settle() {
	a.t.Helper()
	const email = "settle@example.org"
	a.addUser(email, "--admin")
	token := a.Token(email, account.ScopeAdmin)
	Eventually(a.t, "no hook waits for its commit", func() bool {
		req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.URL+"/metrics", nil)
		if err != nil {
			a.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		text := string(raw)
		return err == nil && strings.Contains(text, "\nworklog_hook_spool_events 0\n") && strings.Contains(text, "\nworklog_queued_drafts 0\n")
	})
}
