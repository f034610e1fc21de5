// Command worklog shows people what their AI agents are doing, while they do it, and keeps the record.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	a := &app{env: os.Getenv, readFile: os.ReadFile, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now, account: accountHome, detach: detach, self: os.Executable}
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go stopOn(signals, cancel)
	a.ctx = ctx
	os.Exit(a.run(os.Args[1:]))
}

// stopOn stops the program at the first signal and ends it at the second, however soon that follows. It takes the signal
// in the way of the system then, so that whoever waits for the program sees what has ended it.
func stopOn(signals chan os.Signal, stop func()) {
	<-signals
	stop()
	second := <-signals
	signal.Reset(second)
	if err := syscall.Kill(os.Getpid(), second.(syscall.Signal)); err != nil {
		os.Exit(1)
	}
}

// app is what a command needs of the world. Only this package reads the environment.
type app struct {
	ctx      context.Context
	env      func(string) string
	readFile func(string) ([]byte, error)
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	now      func() time.Time
	account  func() string // the home directory that the system knows of the user
	// detach starts this program with args, and does not wait for it.
	detach func(args ...string) error
	self   func() (string, error) // the path of this program
	// patience is how long a hook may take. 0: as long as an agent waits.
	patience time.Duration
}

// cli is the whole command line.
type cli struct {
	Serve         serveCmd         `cmd:"" help:"Run the server."`
	Log           logCmd           `cmd:"" help:"Write one entry (WORKLOG_URL, WORKLOG_TOKEN)."`
	Tail          tailCmd          `cmd:"" help:"Show entries as they come (WORKLOG_URL, WORKLOG_TOKEN)."`
	Import        importCmd        `cmd:"" help:"Write entries from files of NDJSON (WORKLOG_URL, WORKLOG_TOKEN)."`
	Hook          hookCmd          `cmd:"" help:"Hand over an agent's event on standard input; never makes the agent wait."`
	Connect       connectCmd       `cmd:"" help:"Let a coding agent write to worklog: shows what would change in its configuration, and asks."`
	User          userCmd          `cmd:"" help:"Manage users, in the database of the server."`
	Token         tokenCmd         `cmd:"" help:"Manage tokens, in the database of the server."`
	Migrate       migrateCmd       `cmd:"" help:"Change or show the version of the database schema."`
	Cleanup       cleanupCmd       `cmd:"" help:"Sweep now: compress, archive and delete old entries, in the database of the server."`
	Restore       restoreCmd       `cmd:"" help:"Bring old entries back from the archive, in the database of the server."`
	Archive       archiveCmd       `cmd:"" help:"Look after the archive of the server."`
	Backup        backupCmd        `cmd:"" help:"Write everything the server has into one file, while it runs."`
	RestoreBackup restoreBackupCmd `cmd:"" help:"Fill an empty installation from a backup. The server must not run."`
	Demo          demoCmd          `cmd:"" help:"Let lifelike agents write to a running server (WORKLOG_URL, WORKLOG_TOKEN)."`
	Healthcheck   healthcheckCmd   `cmd:"" help:"Ask whether the server on this machine is ready."`
	Version       versionCmd       `cmd:"" help:"Print the version."`
}

// exitCode ends the program with a code that says more than 1; its error has been reported already.
type exitCode int

// Error is the code: what went wrong stands on standard error already.
func (e exitCode) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// run parses args, runs the command they name and returns the process's exit code: 0, 1 for a failure, 2 for a wrong
// command line, or what the command says.
func (a *app) run(args []string) int {
	var c cli
	exited := false
	parser, err := kong.New(&c, kong.Name("worklog"), kong.Writers(a.stdout, a.stderr), kong.UsageOnError(), kong.Bind(a), logVars(),
		kong.Description("Shows what AI agents are doing, while they do it, and keeps the record."),
		kong.Exit(func(int) { exited = true }))
	if err != nil {
		fmt.Fprintln(a.stderr, "worklog:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited {
		return 0
	}
	if err != nil && args[0] == "hook" { // an agent takes 2 for "do not go on"
		fmt.Fprintln(a.stderr, "worklog hook:", err)
		return 0
	}
	if err != nil {
		parser.FatalIfErrorf(err)
		return 2
	}
	err = command.Run(a)
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err != nil {
		fmt.Fprintln(a.stderr, "worklog:", printableLines(err.Error())) // it may quote what a server says
		return 1
	}
	return 0
}
