package retention

import (
	"context"
	"errors"
	"fmt"

	"github.com/worklogdev/worklog/internal/archive"
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

// Verify reads every object and compares it with what the database knows, and looks for objects that nobody needs. Only
// with prune it changes anything: it deletes the latter.
func (s *Sweeper) Verify(ctx context.Context, prune bool) (VerifyReport, error) {
	var r VerifyReport
	_, release, err := s.store.LockRetention(ctx) // an object that is being written looks like one that nobody needs
	if err != nil {
		return r, err
	}
	defer release()
	if err := s.verifyKnown(ctx, &r, prune); err != nil {
		return r, err
	}
	if err := s.verifyNames(ctx, &r, prune); err != nil {
		return r, err
	}
	r.Miscounted, err = s.store.Miscounted(ctx, maxNamed)
	return r, err
}

func (s *Sweeper) verifyKnown(ctx context.Context, r *VerifyReport, prune bool) error {
	for after := ""; ; {
		list, err := s.store.Objects(ctx, 0, after, verifyPage)
		if err != nil {
			return err
		}
		for _, o := range list {
			after = o.Name
			r.Objects++
			r.Bytes += o.Bytes
			if o.Rows == 0 {
				if err := s.orphan(ctx, r, o.Name, prune); err != nil {
					return err
				}
				continue
			}
			switch err := s.archive.Check(ctx, o); {
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

// verifyNames finds what lies in the archive and is not known.
func (s *Sweeper) verifyNames(ctx context.Context, r *VerifyReport, prune bool) error {
	var names []string
	look := func() error {
		known, err := s.store.KnownObjects(ctx, names)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !known[name] {
				if err := s.orphan(ctx, r, name, prune); err != nil {
					return err
				}
			}
		}
		names = names[:0]
		return nil
	}
	for name, err := range s.archive.Names(ctx) {
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

func (s *Sweeper) orphan(ctx context.Context, r *VerifyReport, name string, prune bool) error {
	r.Orphans = named(r.Orphans, name)
	if !prune {
		return nil
	}
	dropped, err := s.drop(ctx, name)
	if dropped {
		r.Pruned++
	}
	return err
}

func named(list []string, name string) []string {
	if len(list) == maxNamed {
		return list
	}
	return append(list, name)
}
