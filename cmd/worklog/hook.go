package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"time"

	"github.com/worklogdev/worklog/internal/outbox"
)

const (
	// eventTimeout bounds the wait for the event: an agent writes it at once.
	eventTimeout = 120 * time.Millisecond
	// hookTimeout is when a hook ends whatever is still under way. Together with the start of a process that is less than
	// the 300 ms that an agent is promised.
	hookTimeout = 230 * time.Millisecond
	// flushTimeout bounds a delivery that somebody waits for.
	flushTimeout = 10 * time.Minute
)

// hookCmd hands over an agent's event. Whatever happens, the agent must not notice: what a hook prints can become part of
// its conversation, and some exit codes would stop it.
type hookCmd struct {
	Agent   string `placeholder:"AGENT" help:"Use the server and the token that worklog connect AGENT has noted, and not WORKLOG_URL and WORKLOG_TOKEN."`
	Flush   bool   `help:"Deliver what waits on this machine, and say what became of it."`
	Deliver bool   `hidden:""`
}

// Run hands over the event on standard input within 300 ms: to the server, or to the disk. It has no error.
func (cmd hookCmd) Run(a *app) (err error) {
	if cmd.Flush {
		return cmd.flush(a)
	}
	defer func() {
		if p := recover(); p != nil { // an exit code of 2 would mean that the agent must not go on
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			fmt.Fprintln(a.stderr, "worklog hook:", err)
		}
		err = nil
	}()
	box, err := cmd.outbox(a)
	if err != nil {
		return err
	}
	if cmd.Deliver {
		_, err := box.Deliver(a.ctx, false) // which ends by itself
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, max(hookTimeout, a.patience))
	defer cancel()
	raw, err := readEvent(ctx, a.stdin, max(eventTimeout, a.patience))
	if err != nil {
		return err
	}
	return box.Hand(ctx, raw)
}

// readEvent reads the event. One that does not end in time is left behind.
func readEvent(ctx context.Context, in io.Reader, timeout time.Duration) ([]byte, error) {
	if isTerminal(in) {
		return nil, errors.New("this reads an event of an agent's hook from standard input")
	}
	type result struct {
		raw []byte
		err error
	}
	done := make(chan result, 1)
	go func() { // ends with the process at the latest
		raw, err := io.ReadAll(io.LimitReader(in, outbox.MaxBody+1))
		done <- result{raw, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case r := <-done:
		if len(r.raw) > outbox.MaxBody {
			return nil, fmt.Errorf("the event is longer than %d bytes", outbox.MaxBody)
		}
		return r.raw, r.err
	case <-ctx.Done():
		return nil, errors.New("the event did not end in time")
	}
}

// outbox is where the events of the agent wait.
func (cmd hookCmd) outbox(a *app) (*outbox.Outbox, error) {
	var c credentials
	var err error
	if !filepath.IsAbs(a.outboxDir()) || !filepath.IsAbs(a.credentialsPath(cmd.Agent)) {
		return nil, errNoHome
	}
	if cmd.Agent != "" {
		c, err = a.credentials(cmd.Agent)
	} else {
		c.URL, c.Token, err = a.server()
	}
	if err != nil {
		return nil, err
	}
	args := []string{"hook", "--deliver"}
	if cmd.Agent != "" {
		args = append(args, "--agent", cmd.Agent)
	}
	return outbox.New(outbox.Options{
		Dir: a.outboxDir(), URL: c.URL, Token: c.Token, Agent: cmd.Agent, Now: a.now, Patience: a.patience, Deliver: func() error { return a.detach(args...) },
	}), nil
}

// flush delivers what waits, for somebody who wants to know.
func (cmd hookCmd) flush(a *app) error {
	box, err := cmd.outbox(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, flushTimeout)
	defer cancel()
	r, err := box.Deliver(ctx, true)
	fmt.Fprintf(a.stderr, "%d events delivered, %d refused by the server, %d given up, %d waiting\n", r.Delivered, r.Refused, r.GivenUp, r.Waiting)
	return err
}

// outboxDir is where events wait for all servers.
func (a *app) outboxDir() string {
	return filepath.Join(a.xdg("XDG_STATE_HOME", ".local", "state"), "outbox")
}

// xdg is worklog's directory of one kind, as the XDG base directory specification has it.
func (a *app) xdg(variable string, fallback ...string) string {
	if dir := a.env(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "worklog")
	}
	return filepath.Join(append(append([]string{a.home()}, fallback...), "worklog")...)
}

// home is the user's directory, also for a program that was started without HOME. It is empty when there is none.
func (a *app) home() string {
	for _, dir := range []string{a.env("HOME"), a.account()} {
		if filepath.IsAbs(dir) {
			return dir
		}
	}
	return ""
}

// errNoHome is better than files in whichever directory a program happens to run.
var errNoHome = errors.New("there is no home directory: set HOME")

// accountHome is the directory that the system knows of this user.
func accountHome() string {
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// detach starts this program as a process that outlives this one, holds none of its files, and ends by itself.
func detach(args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = "/" // nothing keeps a file system from being unmounted
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
