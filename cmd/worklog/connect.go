package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/connect"
	"github.com/worklogdev/worklog/internal/outbox"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// connectCmd writes worklog into an agent's configuration.
type connectCmd struct {
	Agent  string `arg:"" enum:"claude-code,codex,gemini" help:"claude-code, codex or gemini."`
	Remove bool   `help:"Take worklog out of the agent's configuration again."`
	Yes    bool   `short:"y" help:"Do not ask."`
	User   string `placeholder:"EMAIL" help:"On the server's own machine: make a fresh token of this user, and ask for no WORKLOG_TOKEN."`
}

// tokenTimeout bounds the question whether the server knows the token.
const tokenTimeout = 5 * time.Second

// Run shows what would change, asks, and changes it.
func (cmd connectCmd) Run(a *app) error {
	f, err := openAgentFile(a, cmd.Agent)
	if err != nil {
		return err
	}
	known, err := a.credentials(cmd.Agent)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if cmd.Remove {
		return cmd.remove(a, f, known)
	}
	c, create, err := cmd.choose(a, known)
	if err != nil {
		return err
	}
	c.Command = connect.HookCommand(a.executable(), cmd.Agent)
	merge := func() ([]byte, error) {
		merged, now, err := connect.Merge(cmd.Agent, f.old, c.written().Setting, known.written())
		c.Made = now.Made
		return merged, err
	}
	merged, err := merge() // with a placeholder for a token that is made later: nobody has agreed yet
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if bytes.Equal(merged, f.old) && !create {
		fmt.Fprintf(a.stderr, "%s is up to date.\n", f.path)
		return cmd.finish(a, f, known, c)
	}
	if err := cmd.confirm(a, f, merged); err != nil {
		return err
	}
	if create {
		if c.Token, err = cmd.newToken(a); err != nil {
			return err
		}
		if merged, err = merge(); err != nil {
			return err
		}
	}
	c.Created = known.Created || !f.exists
	if err := a.saveCredentials(cmd.Agent, c); err != nil {
		return err
	}
	if err := f.write(merged, known.Token == ""); err != nil {
		return errors.Join(err, a.saveCredentials(cmd.Agent, known)) // of what the file still says
	}
	return cmd.finish(a, f, known, c)
}

// placeholder stands for a token that is made when somebody has agreed.
const placeholder = "wlg_..."

// choose finds out which server and token to write. Create: the token is to be made.
func (cmd connectCmd) choose(a *app, known credentials) (c credentials, create bool, err error) {
	token, err := a.setting("WORKLOG_TOKEN")
	if err != nil {
		return c, false, err
	}
	url, err := a.setting("WORKLOG_URL")
	if err != nil {
		return c, false, err
	}
	switch {
	case url != "":
	case (token == "" || cmd.User != "") && known.URL != "":
		url = known.URL
	default:
		url = defaultURL
	}
	c = credentials{URL: strings.TrimRight(url, "/"), Token: token}
	switch {
	case cmd.User != "":
		c.Token, create = placeholder, true
	case token != "" && !account.WellFormed(token):
		return c, false, errors.New("WORKLOG_TOKEN is no token of worklog: a part is missing or mistyped")
	case token != "":
		return c, false, cmd.refuseMighty(a, c)
	case known.Token != "" && known.URL == c.URL:
		c.Token = known.Token
	default:
		return c, false, errors.New("set WORKLOG_URL and WORKLOG_TOKEN as the page Settings, Connect of your server shows, or, on the server's own machine, name a user with --user")
	}
	return c, create, nil
}

// refuseMighty refuses a token that can do more than write: an agent reads its own configuration, and can be talked into
// using what it finds there. Of a server that is away nobody knows.
func (cmd connectCmd) refuseMighty(a *app, c credentials) error {
	for _, path := range []string{"/api/v1/stats", "/api/v1/admin/stats"} {
		if status, err := ask(a, c, path); err == nil && status == http.StatusOK {
			return fmt.Errorf("this token can do more than write, which an agent has no use for: take the one of the page %s/settings/connect/%s", c.URL, cmd.Agent)
		}
	}
	return nil
}

// newToken makes a token that can only write, in the database of the server.
func (cmd connectCmd) newToken(a *app) (secret string, err error) {
	err = withUser(a, cmd.User, func(st *store.Store, _ config.Config, user account.User) error {
		host, _ := os.Hostname()
		request := account.TokenRequest{
			Name: worklog.Cut(strings.TrimSpace(cmd.Agent+" on "+host), account.MaxTokenName), Scopes: []account.Scope{account.ScopeWrite}, Life: account.DefaultTokenLife,
		}
		var tok account.Token
		if tok, secret, err = account.NewToken(user, request, false, a.now().UTC()); err != nil {
			return err
		}
		return st.CreateToken(a.ctx, tok, account.HashSecret(secret))
	})
	return secret, err
}

// confirm shows what would change and asks.
func (cmd connectCmd) confirm(a *app, f *agentFile, text []byte) error {
	fmt.Fprintf(a.stdout, "%s\n%s", f.path, masked(difference(f.old, text)))
	if cmd.Yes {
		return nil
	}
	if !isTerminal(a.stdin) {
		return errors.New("nothing was changed: add --yes to change it without being asked")
	}
	fmt.Fprint(a.stderr, "Change the file? [y/N] ")
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// finish takes over what waits, and says what is left to do.
func (cmd connectCmd) finish(a *app, f *agentFile, known, c credentials) error {
	if known.Token != "" && known.URL == c.URL && known.Token != c.Token {
		if err := outbox.New(outbox.Options{Dir: a.outboxDir(), URL: c.URL, Token: c.Token}).Adopt(a.outboxDir(), known.Token); err != nil {
			fmt.Fprintln(a.stderr, "worklog: events that still wait for the old token stay there:", err)
		}
	}
	fmt.Fprintf(a.stderr, "%s is connected to %s. It takes effect with the next session.\n", cmd.Agent, c.URL)
	if cmd.Agent == connect.Codex {
		fmt.Fprintln(a.stderr, "Codex asks you to trust new hooks: start it and type /hooks.")
	}
	if problem := cmd.checkToken(a, c); problem != "" {
		fmt.Fprintln(a.stderr, "Note:", problem)
	}
	return nil
}

// checkToken asks the server whether it knows the token. Nothing is written for it.
func (cmd connectCmd) checkToken(a *app, c credentials) (problem string) {
	switch status, err := ask(a, c, "/api/v1/stats"); {
	case err != nil && cmd.Agent == connect.ClaudeCode:
		return "the server does not answer now. Claude Code keeps nothing for it: what it does until then comes in with worklog import ~/.claude/projects."
	case err != nil:
		return "the server does not answer now. What the agent does waits on this machine until it does; worklog hook --agent " + cmd.Agent + " --flush delivers it at once."
	case status == http.StatusUnauthorized:
		return "the server does not know this token."
	}
	return ""
}

// ask is the status of the server's answer for the token.
func ask(a *app, c credentials, path string) (status int, err error) {
	req, err := http.NewRequestWithContext(a.ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	res, err := (&http.Client{Timeout: tokenTimeout}).Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// remove takes worklog out of the configuration.
func (cmd connectCmd) remove(a *app, f *agentFile, known credentials) error {
	written := known.written()
	if written.Command == "" { // it was noted nowhere, or is not any more
		written.Command = connect.HookCommand(a.executable(), cmd.Agent)
	}
	if written.URL == "" {
		url, err := a.setting("WORKLOG_URL")
		if err != nil {
			return err
		}
		written.URL = orElse(url, defaultURL)
	}
	rest, err := connect.Remove(cmd.Agent, f.old, written)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if bytes.Equal(rest, f.old) {
		fmt.Fprintf(a.stderr, "There is nothing of worklog in %s.\n", f.path)
		return a.dropCredentials(cmd.Agent)
	}
	if err := cmd.confirm(a, f, rest); err != nil {
		return err
	}
	if known.Created && connect.Empty(cmd.Agent, rest) {
		err = os.Remove(f.path)
	} else {
		err = f.write(rest, false)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%s is no longer connected. Its token still works: revoke it on the page Settings, Tokens.\n", cmd.Agent)
	return a.dropCredentials(cmd.Agent)
}

// executable is the path of this program, as an agent can call it later.
func (a *app) executable() string {
	path, err := a.self()
	if err != nil {
		return "worklog"
	}
	if real, err := filepath.EvalSymlinks(path); err == nil && strings.HasPrefix(real, os.TempDir()+"/go-build") {
		return "worklog" // of "go run": gone in a moment
	}
	return path
}
