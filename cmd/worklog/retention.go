package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
)

// newSweeper connects the sweep, the archive and the database.
func newSweeper(ctx context.Context, st *store.Store, c config.Config, log *slog.Logger, now func() time.Time) (*retention.Sweeper, *archive.Archive, error) {
	bucket, err := archive.Open(c.ArchiveURL, archive.Credentials{AccessKey: c.S3AccessKey, SecretKey: string(c.S3SecretKey)})
	if err != nil {
		return nil, nil, err
	}
	id, err := st.Installation(ctx)
	if err != nil {
		return nil, nil, err
	}
	a := archive.New(bucket, id, st)
	return retention.New(st, a, retention.Settings{Hot: c.RetainHot, Warm: c.RetainWarm, Cold: c.RetainCold, At: c.CleanupAt, Now: now, Log: log}), a, nil
}

// withSweeper runs f on the database that a running server uses, or the one it would use.
func withSweeper(a *app, f func(*store.Store, *retention.Sweeper) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	st, closeAll, err := openStore(a)
	if err != nil {
		return err
	}
	defer closeAll()
	sweeper, _, err := newSweeper(a.ctx, st, cfg, slog.New(slog.DiscardHandler), a.now)
	if err != nil {
		return err
	}
	return f(st, sweeper)
}

type cleanupCmd struct {
	DryRun bool `help:"Only say how many entries would move, per step and owner."`
}

// Run sweeps once.
func (c cleanupCmd) Run(a *app) error {
	return withSweeper(a, func(st *store.Store, s *retention.Sweeper) error {
		by, p := st.By(account.CommandLine()), newProgress(a)
		r, err := s.Run(a.ctx, retention.Options{DryRun: c.DryRun, By: "command", Asked: &by, Progress: func(r retention.Report) {
			p.update(fmt.Sprintf("%d warm, %d cold, %d archived, %d deleted", r.Warm, r.Cold, r.Archived, r.Deleted))
		}})
		if err != nil {
			return err
		}
		if p.drawn {
			p.print("")
		}
		return printSweep(a, r)
	})
}

func printSweep(a *app, r retention.Report) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tENTRIES\tBYTES\tOWNER")
	for _, st := range r.Steps {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", st.Step, st.Entries, st.Bytes)
		for _, o := range st.Owners {
			fmt.Fprintf(w, "\t%d\t%d\t%s\n", o.Entries, o.Bytes, o.Email)
		}
		if st.MoreOwners > 0 {
			fmt.Fprintf(w, "\t\t\tand %d more\n", st.MoreOwners)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r.DryRun {
		fmt.Fprintln(a.stdout, "Nothing was changed.")
		return nil
	}
	fmt.Fprintf(a.stdout, "%d bytes freed in the database, %d written to the archive, %d deleted from it.\n", r.FreedBytes, r.StoredBytes, r.DroppedBytes)
	if r.Error != "" {
		fmt.Fprintf(a.stderr, "worklog: stopped, entries stay as they are:\n%s\n", r.Error)
		return exitCode(1)
	}
	return nil
}

type restoreCmd struct {
	Conversation string `help:"Key or id of the conversation whose entries become hot again." placeholder:"K"`
	Since        string `help:"Entries logged from then on: 2026-01-31, or a time like 2026-01-31T15:04:05Z." placeholder:"TIME"`
	Until        string `help:"Entries logged before." placeholder:"TIME"`
	User         string `help:"Only entries of this user." placeholder:"EMAIL"`
}

// Run brings entries back from wherever retention has put them.
func (c restoreCmd) Run(a *app) error {
	if c.Conversation == "" && c.Since == "" && c.Until == "" {
		return errors.New("say which entries: --conversation, or --since and --until")
	}
	return withSweeper(a, func(st *store.Store, s *retention.Sweeper) error {
		q, err := c.query(a.ctx, st)
		if err != nil {
			return err
		}
		by, p := st.By(account.CommandLine()), newProgress(a)
		r, err := s.Restore(a.ctx, q, retention.RestoreOptions{Asked: &by, Progress: func(r retention.RestoreReport) {
			p.update(fmt.Sprintf("%d entries are hot again", r.Entries))
		}})
		if p.drawn {
			p.print("")
		}
		if err == nil || r.Entries > 0 {
			fmt.Fprintf(a.stdout, "%d entries are hot again, and stay so until %s.\n", r.Entries, r.Until.Format(time.RFC3339))
		}
		if err != nil {
			return err
		}
		if r.Failed == 0 {
			return nil
		}
		for _, text := range r.Failures {
			fmt.Fprintln(a.stderr, text)
		}
		return fmt.Errorf("%d entries could not be restored", r.Failed)
	})
}

func (c restoreCmd) query(ctx context.Context, st *store.Store) (q store.RestoreQuery, err error) {
	if q.Since, err = parseMoment("--since", c.Since); err != nil {
		return q, err
	}
	if q.Until, err = parseMoment("--until", c.Until); err != nil {
		return q, err
	}
	if c.User != "" {
		user, _, err := st.UserByEmail(ctx, c.User)
		if err != nil {
			return q, fmt.Errorf("%s: %w", c.User, err)
		}
		q.Owner = user.ID
	}
	if c.Conversation == "" {
		return q, nil
	}
	conv, err := st.FindConversation(ctx, q.Owner, c.Conversation)
	if err != nil {
		return q, fmt.Errorf("%s: %w (say --user)", c.Conversation, err)
	}
	q.Owner, q.Conversation = conv.OwnerID, conv.ID
	return q, nil
}

// parseMoment reads a day or a time.
func parseMoment(flag, text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err = time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return t, fmt.Errorf("%s must be a day like 2026-01-31 or a time like 2026-01-31T15:04:05Z", flag)
}

type archiveCmd struct {
	Verify archiveVerifyCmd `cmd:"" help:"Read every object of the archive and say what is missing or damaged, and what nobody needs."`
}

type archiveVerifyCmd struct {
	Prune bool `help:"Delete the objects that nobody needs."`
}

// Run verifies the archive.
func (c archiveVerifyCmd) Run(a *app) error {
	return withSweeper(a, func(st *store.Store, s *retention.Sweeper) error {
		by := st.By(account.CommandLine())
		r, err := s.Verify(a.ctx, retention.VerifyOptions{Prune: c.Prune, Asked: &by})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%d objects, %d bytes\n", r.Objects, r.Bytes)
		for _, list := range []struct {
			what  string
			names []string
		}{{"missing", r.Missing}, {"damaged", r.Damaged}, {"miscounted", r.Miscounted}, {"orphan", r.Orphans}} {
			for _, name := range list.names {
				fmt.Fprintf(a.stdout, "%s  %s\n", list.what, name)
			}
		}
		if r.Pruned > 0 {
			fmt.Fprintf(a.stdout, "%d orphans deleted\n", r.Pruned)
		}
		if !r.Sound() {
			return errors.New("the archive is not whole")
		}
		return nil
	})
}
