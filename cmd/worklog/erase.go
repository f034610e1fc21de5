package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/erasure"
	"github.com/worklogdev/worklog/internal/export"
	"github.com/worklogdev/worklog/internal/ledger"
	"github.com/worklogdev/worklog/internal/store"
)

// newEraser connects erasures, the archive and the ledger beside the database.
func newEraser(st *store.Store, archive erasure.Archive, c config.Config, log *slog.Logger) *erasure.Worker {
	return erasure.New(st, archive, ledger.In(c.DataDir), log)
}

type userExportCmd struct {
	Email string `arg:"" help:"E-mail address."`
}

// Run writes the zip to standard output, and how far it is to standard error.
func (cmd userExportCmd) Run(a *app) error {
	if isTerminal(a.stdout) {
		return errors.New("this is a zip: send it to a file, worklog user export EMAIL > file")
	}
	return withUser(a, cmd.Email, func(st *store.Store, cfg config.Config, user account.User) error {
		_, archive, err := newSweeper(a.ctx, st, cfg, slog.New(slog.DiscardHandler), a.now)
		if err != nil {
			return err
		}
		if err := st.By(account.CommandLine()).Record(a.ctx, account.Act{Action: account.ActUserExport, Subject: user.ID}); err != nil {
			return err
		}
		total, p := int64(0), newProgress(a)
		lacking, err := export.New(st, archive).Write(a.ctx, a.stdout, user.ID, a.now(), func(n int64) {
			total = n
			p.update(fmt.Sprintf("%d entries", n))
		})
		if err != nil {
			return err
		}
		p.finish(fmt.Sprintf("%d entries of %s exported", total, user.Email))
		if lacking > 0 {
			return fmt.Errorf("the export is written, without the details of %d entries that the archive did not give", lacking)
		}
		return nil
	})
}

type userEraseCmd struct {
	Email  string `arg:"" help:"E-mail address."`
	Reason string `required:"" help:"Why; it goes into the audit list. Name a request or a case, not the person."`
	Yes    bool   `help:"Do not ask."`
}

// Run erases a user. It can be stopped at any moment: the user is out from the first, and a running server, or this
// command again, goes on with what is left.
func (cmd userEraseCmd) Run(a *app) error {
	reason, err := account.CheckReason(cmd.Reason)
	if err != nil {
		return err
	}
	return withUser(a, cmd.Email, func(st *store.Store, cfg config.Config, user account.User) error {
		_, archive, err := newSweeper(a.ctx, st, cfg, slog.New(slog.DiscardHandler), a.now)
		if err != nil {
			return err
		}
		if !user.Erasing {
			if err := cmd.confirm(a, user); err != nil {
				return err
			}
			if err := st.By(account.CommandLine()).BeginErasure(a.ctx, user.ID, reason); err != nil {
				return err
			}
		}
		total, p, worker := int64(0), newProgress(a), newEraser(st, archive, cfg, slog.New(slog.DiscardHandler))
		err = worker.SyncLedger(a.ctx)
		if err == nil && !user.Erased {
			err = worker.Finish(a.ctx, user.ID, func(n int64) {
				total = n
				p.update(fmt.Sprintf("%d entries erased", n))
			})
		}
		if err != nil {
			return fmt.Errorf("the user is out, and not everything is erased yet; a running server goes on with it, or: worklog user erase %q --reason ...: %w", store.ErasedName(user.ID), err)
		}
		p.finish(fmt.Sprintf("%s is erased, with %d entries; what was counted stays under %q", user.Email, total, store.ErasedName(user.ID)))
		return nil
	})
}

// confirm lets somebody at a terminal type the address once more.
func (cmd userEraseCmd) confirm(a *app, user account.User) error {
	if cmd.Yes {
		return nil
	}
	if !isTerminal(a.stdin) {
		return errors.New("this erases for ever; say --yes if it is meant")
	}
	fmt.Fprintf(a.stderr, "This erases %s for ever. Type the address to confirm: ", user.Email)
	typed, err := firstLine(a.stdin)
	if err != nil {
		return err
	}
	if !strings.EqualFold(strings.TrimSpace(typed), user.Email) {
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}
