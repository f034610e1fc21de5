package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/store"
)

// maxLine bounds what is read from standard input.
const maxLine = 4 << 10

type userCmd struct {
	Add     userAddCmd     `cmd:"" help:"Add a user. Without a password the user gets a one-time link to choose one."`
	Link    userLinkCmd    `cmd:"" help:"Print a one-time link with which a user chooses a password: an invitation or a reset."`
	Passwd  userPasswdCmd  `cmd:"" help:"Set a user's password and end the user's sessions."`
	Disable userDisableCmd `cmd:"" help:"Shut a user out at once: sessions end, tokens are refused. Nothing is deleted."`
	List    userListCmd    `cmd:"" help:"List the users."`
	Export  userExportCmd  `cmd:"" help:"Write everything that worklog knows about a user to standard output, as a zip."`
	Erase   userEraseCmd   `cmd:"" help:"Erase a user for ever: entries, archive, conversations, tokens, sessions and the name. Counts stay."`
}

type userAddCmd struct {
	Email         string `arg:"" help:"E-mail address."`
	Admin         bool   `help:"Make the user an administrator."`
	PasswordStdin bool   `help:"Read the password from the first line of standard input."`
}

// Run adds a user, and prints a link if there is no password yet.
func (cmd userAddCmd) Run(a *app) error {
	email, err := account.NormalizeEmail(cmd.Email)
	if err != nil {
		return err
	}
	hash := ""
	if cmd.PasswordStdin {
		if hash, err = readHash(a, email); err != nil {
			return err
		}
	}
	return withStore(a, func(st *store.Store, cfg config.Config) error {
		user, err := st.By(account.CommandLine()).CreateUser(a.ctx, email, hash, cmd.Admin)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "added %s\n", user.Email)
		if cmd.PasswordStdin {
			return nil
		}
		return printLink(a, st, cfg, user)
	})
}

type userLinkCmd struct {
	Email string `arg:"" help:"E-mail address."`
}

// Run prints a link; an older one of the same user stops working.
func (cmd userLinkCmd) Run(a *app) error {
	return withUser(a, cmd.Email, func(st *store.Store, cfg config.Config, user account.User) error {
		if user.Disabled {
			return fmt.Errorf("%s is disabled; let the user in again first: worklog user disable --undo %s", user.Email, user.Email)
		}
		return printLink(a, st, cfg, user)
	})
}

// printLink prints the link alone on standard output, and what it is on standard error.
func printLink(a *app, st *store.Store, cfg config.Config, user account.User) error {
	kind, life := account.LinkInvite, account.InviteLife
	if user.HasPassword {
		kind, life = account.LinkReset, account.ResetLife
	}
	secret := account.NewLinkSecret()
	if err := st.By(account.CommandLine()).CreateLink(a.ctx, kind, user.ID, account.HashSecret(secret), life); err != nil {
		return err
	}
	base := cfg.BaseURL
	if base == "" {
		base = localURL(cfg.ListenAddr)
	}
	fmt.Fprintf(a.stderr, "this link lets %s choose a password; it works once, until %s:\n", user.Email, a.now().Add(life).Format("2 January 15:04"))
	if _, err := fmt.Fprintf(a.stdout, "%s/enter/%s\n", base, secret); err != nil {
		return fmt.Errorf("the link could not be written; another one takes its place: %w", err)
	}
	return nil
}

type userPasswdCmd struct {
	Email         string `arg:"" help:"E-mail address."`
	PasswordStdin bool   `help:"Read the password from the first line of standard input, also on a terminal."`
}

// Run sets a password. On a terminal it asks, elsewhere it reads a line.
func (cmd userPasswdCmd) Run(a *app) error {
	return withUser(a, cmd.Email, func(st *store.Store, _ config.Config, user account.User) error {
		read := readHash
		if isTerminal(a.stdin) && !cmd.PasswordStdin {
			read = askHash
		}
		hash, err := read(a, user.Email)
		if err != nil {
			return err
		}
		if err := st.By(account.CommandLine()).SetPassword(a.ctx, user.ID, hash); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "%s has a new password and is signed out everywhere\n", user.Email)
		return nil
	})
}

type userDisableCmd struct {
	Email  string `arg:"" help:"E-mail address."`
	Undo   bool   `help:"Let the user in again."`
	Reason string `help:"Why; it goes into the audit list."`
}

// Run shuts a user out, or lets one in again.
func (cmd userDisableCmd) Run(a *app) error {
	return withUser(a, cmd.Email, func(st *store.Store, _ config.Config, user account.User) error {
		return st.By(account.CommandLine()).Disable(a.ctx, user.ID, !cmd.Undo, cmd.Reason)
	})
}

type userListCmd struct{}

// Run lists the users.
func (userListCmd) Run(a *app) error {
	return withStore(a, func(st *store.Store, _ config.Config) error {
		users, err := st.Users(a.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "EMAIL\tROLE\tSTATE\tADDED")
		for _, u := range users {
			role, state := "user", "active"
			if u.Admin {
				role = "admin"
			}
			switch {
			case u.Erased:
				state = "erased"
			case u.Erasing:
				state = "being erased"
			case u.Disabled:
				state = "disabled"
			case !u.HasPassword:
				state = "no password"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.Email, role, state, u.CreatedAt.Format(time.DateOnly))
		}
		return w.Flush()
	})
}

// withStore opens the database of the server, runs f and closes it again.
func withStore(a *app, f func(*store.Store, config.Config) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	st, closeAll, err := openStore(a)
	if err != nil {
		return err
	}
	defer closeAll()
	return f(st, cfg)
}

// withUser is withStore for a user who must exist.
func withUser(a *app, email string, f func(*store.Store, config.Config, account.User) error) error {
	return withStore(a, func(st *store.Store, cfg config.Config) error {
		user, _, err := st.UserByEmail(a.ctx, strings.TrimSpace(email))
		if err != nil {
			return fmt.Errorf("%s: %w", email, err)
		}
		return f(st, cfg, user)
	})
}

// readHash reads a password from the first line of standard input and returns its hash.
func readHash(a *app, email string) (string, error) {
	line, err := firstLine(a.stdin)
	if err != nil {
		return "", err
	}
	return hashPassword(a.ctx, line, email)
}

// firstLine reads a line that somebody types or pipes.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// askHash asks for a password twice without showing it and returns its hash.
func askHash(a *app, email string) (string, error) {
	terminal, ok := a.stdin.(*os.File)
	if !ok {
		return "", errors.New("standard input is no terminal")
	}
	var typed [2]string
	for i, prompt := range []string{"New password: ", "Once more: "} {
		fmt.Fprint(a.stderr, prompt)
		b, err := term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(a.stderr)
		if err != nil {
			return "", err
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ")
	}
	return hashPassword(a.ctx, typed[0], email)
}

func hashPassword(ctx context.Context, password, email string) (string, error) {
	if err := account.CheckPassword(password, email); err != nil {
		return "", err
	}
	return account.NewPasswords().Hash(ctx, password)
}
