package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// restoreEntries bounds what a restore has in memory: their details in full.
	restoreEntries = 100
	// maxFailures bounds the failures that a report spells out.
	maxFailures = 20
)

// RestoreReport is what a restore has done so far.
type RestoreReport struct {
	Entries  int64     // that are hot again
	Failed   int64     // whose payload the archive does not have, or has damaged: they stay as they are
	Failures []string  // some of them
	Until    time.Time // the sweep leaves the entries alone until then
}

// RestoreOptions say who wants a restore, and what is told meanwhile.
type RestoreOptions struct {
	Asked    *store.Admin        // for the audit list: the line is written before anything changes; nil: nobody does
	Progress func(RestoreReport) // nil: nobody is told
}

// Restore brings entries back to hot, wherever retention has put them. For as long as fresh entries are hot the sweep
// leaves them alone, then they get the status of their age again. A restore that was ended anywhere can be repeated:
// what is hot already is not touched. It is a conflict while a sweep or another restore is running.
func (s *Sweeper) Restore(ctx context.Context, q store.RestoreQuery, o RestoreOptions) (RestoreReport, error) {
	r := RestoreReport{Until: s.now().Add(s.settings.Hot)}
	lost, release, err := s.store.LockRetention(ctx)
	if err != nil {
		return r, err
	}
	defer release()
	if o.Asked != nil {
		if err := o.Asked.NoteRestore(ctx, q); err != nil {
			return r, err
		}
	}
	for _, from := range []worklog.StorageStatus{worklog.StorageArchived, worklog.StorageCold, worklog.StorageWarm} {
		for after := (store.Payload{}); ; {
			list, err := s.store.Restorable(ctx, from, q, after, restoreEntries)
			if err == nil {
				err = s.restorePage(ctx, list, &r)
			}
			if err == nil {
				err = lost(ctx)
			}
			if err != nil {
				return r, err
			}
			if o.Progress != nil {
				o.Progress(r)
			}
			if len(list) < restoreEntries {
				break
			}
			after = list[len(list)-1]
			after.Details, after.Metadata = "", nil
		}
	}
	return r, nil
}

// restorePage restores entries, a transaction for each owner.
func (s *Sweeper) restorePage(ctx context.Context, list []store.Payload, r *RestoreReport) error {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b store.Payload) int { return int(a.Owner - b.Owner) })
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(p store.Payload) bool { return p.Owner != list[0].Owner })
		if n < 0 {
			n = len(list)
		}
		began := time.Now()
		if err := s.restoreOwner(ctx, list[0].Owner, list[:n], r); err != nil {
			return err
		}
		if err := pause(ctx, time.Since(began)); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (s *Sweeper) restoreOwner(ctx context.Context, owner int64, list []store.Payload, r *RestoreReport) error {
	var whole []store.Payload
	for _, p := range list {
		if p.ArchiveName != "" {
			details, metadata, err := s.archive.Payload(ctx, p.ArchiveName, p.ID)
			if errors.Is(err, archive.ErrMissing) || errors.Is(err, archive.ErrDamaged) {
				r.fail(p, err)
				continue
			}
			if err != nil {
				return fmt.Errorf("archive: read %s: %w", p.ArchiveName, err)
			}
			p.Details, p.Metadata = details, metadata
		}
		whole = append(whole, p)
	}
	if len(whole) == 0 {
		return nil
	}
	moved, empty, err := s.store.RestoreEntries(ctx, owner, whole, r.Until)
	r.Entries += moved.Entries
	for _, o := range empty {
		if _, err := s.drop(ctx, o.Name); err != nil { // the next sweep does it
			s.settings.Log.Warn("an object that nobody needs stays for now", "error", err)
		}
	}
	return err
}

func (r *RestoreReport) fail(p store.Payload, err error) {
	r.Failed++
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, fmt.Sprintf("entry %s: %s: %v", p.ID, p.ArchiveName, err))
	}
}
