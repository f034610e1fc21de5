package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/backup"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/ledger"
	"github.com/worklogdev/worklog/internal/store"
)

type backupCmd struct {
	File string `arg:"" help:"The file to write. One of that name is replaced when the new one is whole."`
}

// Run writes a backup.
func (b backupCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	if info, err := os.Stat(b.File); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", b.File)
	}
	bucket, err := openBucket(cfg)
	if err != nil {
		return err
	}
	st, closeAll, err := openStore(a)
	if err != nil {
		return err
	}
	defer closeAll()
	p := newProgress(a)
	m, err := backup.Write(a.ctx, b.File, st, bucket, backup.Options{
		Version: version(), Now: a.now,
		Begin: func(ctx context.Context) error {
			return st.By(account.CommandLine()).Record(ctx, account.Act{Action: account.ActBackup})
		},
		Progress: func(now backup.Progress) {
			p.update(fmt.Sprintf("%d of %d users, %d entries, %s", now.Owners, now.AllOwners, now.Entries, megabytes(now.Bytes)))
		},
	})
	if err != nil {
		return err
	}
	p.finish(fmt.Sprintf("%s: %d users, %d entries; nobody's data was held still for longer than %v",
		b.File, m.Owners, m.Entries, time.Duration(m.LongestSnapshot)*time.Millisecond))
	if len(m.Missing) == 0 {
		return nil
	}
	for _, x := range m.Missing {
		fmt.Fprintf(a.stderr, "not in the backup: %s: %s\n", x.Object, x.Reason)
	}
	return fmt.Errorf("the backup is written, without %d objects of the archive that could not be read; their entries keep title and facts", len(m.Missing))
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func openBucket(c config.Config) (archive.Bucket, error) {
	return archive.Open(c.ArchiveURL, archive.Credentials{AccessKey: c.S3AccessKey, SecretKey: string(c.S3SecretKey)})
}

type restoreBackupCmd struct {
	File      string `arg:"" help:"The backup." type:"existingfile"`
	Ledger    string `help:"The file ledger in the DATA_DIR of the installation that was backed up: whom it says to be erased, and which tokens to be revoked, do not come back." type:"existingfile" placeholder:"FILE"`
	TakesOver bool   `help:"The installation that was backed up is gone for good: this one takes its place, and its archive."`
}

// Run fills an empty installation.
func (r restoreBackupCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	bucket, err := openBucket(cfg)
	if err != nil {
		return err
	}
	p := newProgress(a)
	p.note("checking " + filepath.Base(r.File))
	b, err := backup.Open(a.ctx, r.File)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := r.adopt(cfg, b.Installation); err != nil {
		return err
	}
	return withSchema(a, func(st *store.Store) error {
		err := b.Restore(a.ctx, st, bucket, backup.RestoreOptions{TakesOver: r.TakesOver, Progress: func(now backup.Progress) {
			p.update(fmt.Sprintf("%d of %d entries, %s", now.Entries, b.Entries, megabytes(now.Bytes)))
		}})
		if err != nil {
			return err
		}
		p.finish(fmt.Sprintf("restored %d users and %d entries as of %s; everybody has to sign in again", b.Owners, b.Entries, b.BeganAt.Format(time.RFC3339)))
		act := account.Act{Action: account.ActRestoreBackup, Detail: b.BeganAt.Format(time.RFC3339)}
		if err := st.By(account.CommandLine()).Record(a.ctx, act); err != nil {
			return err
		}
		return r.replay(a, cfg, st, bucket, b)
	})
}

// adopt copies what the ledger from elsewhere says into the one beside the database, before there is anybody to come
// back: whatever ends the restore, the next start knows.
func (r restoreBackupCmd) adopt(cfg config.Config, installation string) error {
	if r.Ledger == "" {
		return nil
	}
	records, err := ledger.At(r.Ledger).ReadOf(installation)
	if err == nil {
		_, err = ledger.In(cfg.DataDir).Sync(records)
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// replay ends again what had ended after the backup was written.
func (r restoreBackupCmd) replay(a *app, cfg config.Config, st *store.Store, bucket archive.Bucket, b *backup.File) error {
	replayed, err := replayLedger(a.ctx, cfg, st, b.Installation)
	if err != nil {
		return err
	}
	if replayed.Lines == 0 {
		fmt.Fprintf(a.stderr, "%s says nothing of the installation that was backed up: people who were erased and tokens that were revoked after %s are back. "+
			"If its DATA_DIR is somewhere, copy the file ledger from there to %[1]s before you start worklog: each start ends again what it lists\n",
			ledger.In(cfg.DataDir).Path(), b.BeganAt.Format(time.RFC3339))
	}
	if replayed.Ended > 0 {
		fmt.Fprintf(a.stderr, "%d users and tokens had ended after the backup: they are ended again\n", replayed.Ended)
	}
	return newEraser(st, archive.New(bucket, b.Installation, st), cfg, slog.New(slog.DiscardHandler)).Once(a.ctx)
}

// replayLedger holds the database against the ledger beside it.
func replayLedger(ctx context.Context, cfg config.Config, st *store.Store, installation string) (backup.Replay, error) {
	return backup.ReplayLedger(ctx, ledger.In(cfg.DataDir), installation, st)
}
