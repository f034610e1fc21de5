package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/apptest"
)

// shell runs commands of this program inside of the test.
type shell struct {
	env            map[string]string
	stdin          io.Reader
	stdout, stderr *output
	account        string     // the home directory that the system knows
	detached       [][]string // what was started
	patience       time.Duration
}

func newShell(env ...string) *shell {
	s := &shell{env: map[string]string{}, stdin: strings.NewReader(""), stdout: newOutput(), stderr: newOutput()}
	for i := 0; i < len(env); i += 2 {
		s.env[env[i]] = env[i+1]
	}
	return s
}

// patient has the hooks of a shell wait longer than an agent would: what they do then depends on no busy machine.
func (s *shell) patient() *shell {
	s.patience = time.Minute
	return s
}

// shellOf is a shell for a server and a user of it.
func shellOf(a *apptest.App, email string) *shell {
	return newShell("WORKLOG_URL", a.URL, "WORKLOG_TOKEN", a.User(email)).patient()
}

func (s *shell) app(ctx context.Context) *app {
	return &app{
		ctx: ctx, env: func(name string) string { return s.env[name] }, account: func() string { return s.account }, readFile: os.ReadFile,
		stdin: s.stdin, stdout: s.stdout, stderr: s.stderr, now: time.Now, patience: s.patience,
		detach: func(args ...string) error { s.detached = append(s.detached, args); return nil }, self: func() (string, error) { return "/opt/worklog", nil },
	}
}

func (s *shell) run(ctx context.Context, args ...string) (code int) { return s.app(ctx).run(args) }
