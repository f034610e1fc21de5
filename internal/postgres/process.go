package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long a server may take to obey a signal before it gets a harder one.
const (
	fastPatience      = 10 * time.Second // SIGINT: roll back, write a checkpoint, end
	immediatePatience = 5 * time.Second  // SIGQUIT: end without a checkpoint; the next start recovers
	killPatience      = 5 * time.Second  // SIGKILL: the kernel's work
)

// outputPatience is how long a dead server's processes may hold its output open before it is no longer read.
const outputPatience = 200 * time.Millisecond

// process is a running postmaster.
type process struct {
	pid     int
	started time.Time
	exited  chan struct{}
	err     error // how it ended; written before exited is closed
	output  *serverLog
}

// command prepares one of PostgreSQL's programs on data. The child inherits the lock. closeData must be called after
// the child has started.
func (c cluster) command(data string, lock *os.File, program string, args []string) (cmd *exec.Cmd, closeData func(), err error) {
	cmd = exec.Command(filepath.Join(c.bin, program))
	cmd.ExtraFiles = []*os.File{lock}
	closeData = func() {}
	path := data
	if c.account != nil && runtime.GOOS == "linux" {
		f, err := os.Open(data)
		if err != nil {
			return nil, nil, err
		}
		closeData = func() { _ = f.Close() }
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		path = "/proc/self/fd/" + strconv.Itoa(2+len(cmd.ExtraFiles)) // the first extra file is descriptor 3
	}
	place := []string{"-D", path}
	if len(args) > 0 && args[0] == "--single" { // must come first
		place = []string{args[0], "-D", path}
		args = args[1:]
	}
	cmd.Args = append(append(cmd.Args, place...), args...)
	cmd.Dir = "/"
	// Nothing of the program's own environment: PGDATA, PGPORT and their like must not reach the server.
	cmd.Env = []string{"PATH=" + c.bin + ":/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	// A process group of its own: the interrupt key must reach the program alone, which ends its server last.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.account.credential()}
	return cmd, closeData, nil
}

// runCommand runs cmd to its end, or kills it when ctx ends. It dies with this program.
func runCommand(ctx context.Context, cmd *exec.Cmd) error {
	dieWithParent(cmd.SysProcAttr, syscall.SIGKILL)
	cmd.WaitDelay = outputPatience
	started, ended := make(chan error, 1), make(chan error, 1)
	go onOneThread(cmd, started, ended)
	if err := <-started; err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return errors.Join(ctx.Err(), <-ended)
	}
}

// onOneThread starts cmd and waits for it on one thread, which ends with it: Linux delivers the parent's death signal
// when the thread ends that started the child, not the program.
func onOneThread(cmd *exec.Cmd, started, ended chan<- error) {
	runtime.LockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		ended <- cmd.Wait()
	}
}

// startProcess starts the postmaster. Unless it may outlive this program, the kernel tells it to shut down fast when this
// program is killed.
func (c cluster) startProcess(lock *os.File, log *slog.Logger, outlive bool, args []string) (*process, error) {
	cmd, closeData, err := c.command(c.data(), lock, "postgres", args)
	if err != nil {
		return nil, err
	}
	defer closeData()
	if !outlive {
		dieWithParent(cmd.SysProcAttr, syscall.SIGINT)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	started, ended := make(chan error, 1), make(chan error, 1)
	go onOneThread(cmd, started, ended)
	err = <-started
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, started: time.Now(), exited: make(chan struct{}), output: newServerLog(r, log)}
	go func() {
		defer close(p.exited)
		p.err = <-ended
		p.output.end(outputPatience)
	}()
	return p, nil
}

// waitReady returns when the server accepts connections. PostgreSQL writes its state into line 8 of postmaster.pid.
func (p *process) waitReady(ctx context.Context, data string) error {
	for {
		lines := pidFile(data)
		if len(lines) >= 8 && lines[0] == strconv.Itoa(p.pid) && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		select {
		case <-p.exited:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("it does not become ready: %w", ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}

func pidFile(data string) []string {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\n")
}

// failure says how a process ended that should not have, in its own last words.
func (p *process) failure() error {
	err := p.err
	if err == nil {
		err = errors.New("it ended")
	}
	if words := p.output.lastWords(); words != "" {
		return fmt.Errorf("%s (%w)", words, err)
	}
	return err
}

// stop ends the process, with ever harder means.
func (p *process) stop() error {
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{syscall.SIGINT, fastPatience}, {syscall.SIGQUIT, immediatePatience}, {syscall.SIGKILL, killPatience}} {
		_ = syscall.Kill(p.pid, step.signal) // not waited for yet or exited is closed: the id is not anybody else's
		select {
		case <-p.exited:
			if step.signal == syscall.SIGINT {
				return p.err
			}
			return fmt.Errorf("PostgreSQL had to be stopped with %s", step.signal)
		case <-time.After(step.patience):
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) can not be stopped", p.pid)
}
