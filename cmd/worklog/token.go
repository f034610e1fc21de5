package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/store"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, once, alone on standard output."`
	List   tokenListCmd   `cmd:"" help:"List tokens; their secrets are not kept."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once, everywhere."`
}

type tokenCreateCmd struct {
	Email   string          `arg:"" help:"The user whose token it is."`
	Name    string          `required:"" help:"What it is for, to recognise it by."`
	Scope   []account.Scope `default:"write,read" help:"Rights: write, read, write:any, admin; or otlp alone, for addresses of exporters that send no headers."`
	Limit   int             `default:"0" help:"New entries per minute; 0: the installation's limit."`
	Expires lifetime        `default:"365d" help:"How long it works: 365d, 12h, never."`
}

// Run makes a token.
func (cmd tokenCreateCmd) Run(a *app) error {
	return withUser(a, cmd.Email, func(st *store.Store, _ config.Config, user account.User) error {
		request := account.TokenRequest{Name: cmd.Name, Scopes: cmd.Scope, Limit: cmd.Limit, Life: time.Duration(cmd.Expires)}
		tok, secret, err := account.NewToken(user, request, true, a.now().UTC())
		if err != nil {
			return err
		}
		if err := st.By(account.CommandLine()).CreateToken(a.ctx, tok, account.HashSecret(secret)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.stdout, secret); err != nil { // nobody will ever know it
			_, revoked := st.By(account.CommandLine()).RevokeToken(a.ctx, tok.ID)
			return errors.Join(fmt.Errorf("the token could not be written, and is revoked: %w", err), revoked)
		}
		return nil
	})
}

type tokenListCmd struct {
	Email string `arg:"" optional:"" help:"Only tokens of this user."`
}

// Run lists the tokens of one user or of all.
func (cmd tokenListCmd) Run(a *app) error {
	return withStore(a, func(st *store.Store, _ config.Config) error {
		users, err := st.Users(a.ctx)
		if err != nil {
			return err
		}
		if cmd.Email != "" {
			user, _, err := st.UserByEmail(a.ctx, strings.TrimSpace(cmd.Email))
			if err != nil {
				return fmt.Errorf("%s: %w", cmd.Email, err)
			}
			users = []account.User{user}
		}
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tUSER\tNAME\tTOKEN\tSCOPES\tEXPIRES\tLAST USED")
		for _, u := range users {
			tokens, err := st.Tokens(a.ctx, u.ID)
			if err != nil {
				return err
			}
			for _, t := range tokens {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s...\t%s\t%s\t%s\n", t.ID, u.Email, t.Name, t.Prefix, scopeList(t.Scopes), day(t.ExpiresAt), day(t.LastUsed))
			}
		}
		return w.Flush()
	})
}

func scopeList(scopes []account.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, ",")
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.DateOnly)
}

type tokenRevokeCmd struct {
	ID string `arg:"" help:"The token's id, as token list shows it."`
}

// Run ends a token.
func (cmd tokenRevokeCmd) Run(a *app) error {
	return withStore(a, func(st *store.Store, cfg config.Config) error {
		if _, err := st.By(account.CommandLine()).RevokeToken(a.ctx, cmd.ID); err != nil {
			return err
		}
		return newEraser(st, nil, cfg, slog.New(slog.DiscardHandler)).SyncLedger(a.ctx)
	})
}

// lifetime is a duration that may be given in days; 0 is for ever.
type lifetime time.Duration

// UnmarshalText reads "365d", "12h" or "never".
func (l *lifetime) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "never" {
		*l = 0
		return nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err == nil && n > 0 && n <= int(account.MaxTokenLife.Hours()/24) {
			*l = lifetime(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		*l = lifetime(d)
		return nil
	}
	return errors.New("must be days or hours, like 365d or 12h, or never")
}
