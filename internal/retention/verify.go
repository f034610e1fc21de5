package retention

import (
	"context"
	"errors"
	"fmt"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/store"
)

const (
	// verifyPage is how many objects or names are looked up with one query.
	verifyPage = 500
	// maxNamed bounds each list of a report.
	maxNamed = 1000
)

// VerifyReport is how the archive agrees with the database.
type VerifyReport struct {
	Objects, Bytes int64    // that are known
	Missing        []string // known and needed, and not there
	Damaged        []string // there, and not what was written
	Miscounted     []string // needed by another number of entries than is noted
	Orphans        []string // there, and nobody needs them; with prune they are deleted
	Pruned         int64
}

// Sound reports whether every payload can be read.
func (r VerifyReport) Sound() bool { return len(r.Missing)+len(r.Damaged)+len(r.Miscounted) == 0 }

// VerifyOptions say whether to change anything, and who wants it.
type VerifyOptions struct {
	Prune bool         // delete what nobody needs
	Asked *store.Admin // for the audit list: the line is written before anything is deleted; nil: nobody does
}

// Verify reads every object and compares it with what the database knows, and looks for objects that nobody needs. Only
// with Prune it changes anything: it deletes the latter.
func (s *Sweeper) Verify(ctx context.Context, o VerifyOptions) (VerifyReport, error) {
	v := &verifying{Sweeper: s, options: o}
	_, release, err := s.store.LockRetention(ctx) // an object that is being written looks like one that nobody needs
	if err != nil {
		return v.report, err
	}
	defer release()
	if err := v.known(ctx); err != nil {
		return v.report, err
	}
	if err := v.names(ctx); err != nil {
		return v.report, err
	}
	v.report.Miscounted, err = s.store.Miscounted(ctx, maxNamed)
	return v.report, err
}

// verifying is one pass through the archive.
type verifying struct {
	*Sweeper
	options VerifyOptions
	report  VerifyReport
	noted   bool // that objects are deleted
}

// known reads the objects that the database knows.
func (v *verifying) known(ctx context.Context) error {
	r := &v.report
	for after := ""; ; {
		list, err := v.store.Objects(ctx, 0, after, verifyPage)
		if err != nil {
			return err
		}
		for _, o := range list {
			after = o.Name
			r.Objects++
			r.Bytes += o.Bytes
			if o.Rows == 0 {
				if err := v.orphan(ctx, o.Name); err != nil {
					return err
				}
				continue
			}
			switch err := v.archive.Check(ctx, o); {
			case errors.Is(err, archive.ErrMissing):
				r.Missing = named(r.Missing, o.Name)
			case errors.Is(err, archive.ErrDamaged):
				r.Damaged = named(r.Damaged, o.Name)
			case err != nil:
				return fmt.Errorf("archive: read %s: %w", o.Name, err)
			}
		}
		if len(list) < verifyPage {
			return nil
		}
	}
}

// names finds what lies in the archive and is not known.
func (v *verifying) names(ctx context.Context) error {
	var names []string
	look := func() error {
		known, err := v.store.KnownObjects(ctx, names)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !known[name] {
				if err := v.orphan(ctx, name); err != nil {
					return err
				}
			}
		}
		names = names[:0]
		return nil
	}
	for name, err := range v.archive.Names(ctx) {
		if err != nil {
			return fmt.Errorf("archive: list: %w", err)
		}
		if names = append(names, name); len(names) == verifyPage {
			if err := look(); err != nil {
				return err
			}
		}
	}
	return look()
}

func (v *verifying) orphan(ctx context.Context, name string) error {
	v.report.Orphans = named(v.report.Orphans, name)
	if !v.options.Prune {
		return nil
	}
	if !v.noted && v.options.Asked != nil {
		if err := v.options.Asked.NotePrune(ctx); err != nil {
			return err
		}
	}
	v.noted = true
	dropped, err := v.drop(ctx, name)
	if dropped {
		v.report.Pruned++
	}
	return err
}

func named(list []string, name string) []string {
	if len(list) == maxNamed {
		return list
	}
	return append(list, name)
}
