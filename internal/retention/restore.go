package retention

import (
	"cmp"
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
	// restoreEntries is how many entries a restore finds with one query, and batchBytes bounds what they have.
	restoreEntries = batchEntries
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
	x := &restoring{Sweeper: s, options: o, report: RestoreReport{Until: s.now().Add(s.settings.Hot)}}
	lost, release, err := s.store.LockRetention(ctx)
	if err != nil {
		return x.report, err
	}
	defer release()
	x.lost = lost
	if o.Asked != nil {
		if err := o.Asked.NoteRestore(ctx, q); err != nil {
			return x.report, err
		}
	}
	for _, from := range []worklog.StorageStatus{worklog.StorageArchived, worklog.StorageCold, worklog.StorageWarm} {
		if err := x.from(ctx, from, q); err != nil {
			return x.report, err
		}
	}
	return x.report, nil
}

// restoring is one restore under way.
type restoring struct {
	*Sweeper
	options RestoreOptions
	lost    func(context.Context) error
	report  RestoreReport
}

// from restores entries of one status, oldest first.
func (x *restoring) from(ctx context.Context, from worklog.StorageStatus, q store.RestoreQuery) error {
	for after := (store.Payload{}); ; {
		list, err := x.store.Restorable(ctx, from, q, after, restoreEntries, batchBytes)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := x.page(ctx, list); err != nil {
			return err
		}
		after = list[len(list)-1]
		after.Details, after.Metadata = "", nil
	}
}

// page restores entries, owner by owner.
func (x *restoring) page(ctx context.Context, list []store.Payload) error {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b store.Payload) int { return cmp.Compare(a.Owner, b.Owner) })
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(p store.Payload) bool { return p.Owner != list[0].Owner })
		if n < 0 {
			n = len(list)
		}
		if err := x.owner(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// owner restores entries of one owner. How much the archive has of each is known when it is read.
func (x *restoring) owner(ctx context.Context, list []store.Payload) error {
	var whole []store.Payload
	size := 0
	for _, p := range list {
		if p.ArchiveName != "" {
			details, metadata, err := x.archive.Payload(ctx, p.ArchiveName, p.ID)
			if errors.Is(err, archive.ErrMissing) || errors.Is(err, archive.ErrDamaged) {
				x.report.fail(p, err)
				continue
			}
			if err != nil {
				return fmt.Errorf("archive: read %s: %w", p.ArchiveName, err)
			}
			p.Details, p.Metadata = details, metadata
		}
		n := len(p.Details) + len(p.Metadata)
		if size+n > batchBytes {
			if err := x.batch(ctx, whole); err != nil {
				return err
			}
			whole, size = nil, 0
		}
		whole, size = append(whole, p), size+n
	}
	return x.batch(ctx, whole)
}

// batch makes a transaction of entries of one owner, tells about it, and lets others in.
func (x *restoring) batch(ctx context.Context, list []store.Payload) error {
	if len(list) == 0 {
		return nil
	}
	began := time.Now()
	moved, empty, err := x.store.RestoreEntries(ctx, list[0].Owner, list, x.report.Until)
	x.report.Entries += moved.Entries
	for _, o := range empty {
		if _, err := x.drop(ctx, o.Name); err != nil { // the next sweep does it
			x.settings.Log.Warn("an object that nobody needs stays for now", "error", err)
		}
	}
	if err == nil {
		err = x.lost(ctx)
	}
	if err != nil {
		return err
	}
	if x.options.Progress != nil {
		x.options.Progress(x.report)
	}
	return pause(ctx, time.Since(began))
}

func (r *RestoreReport) fail(p store.Payload, err error) {
	r.Failed++
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, fmt.Sprintf("entry %s: %s: %v", p.ID, p.ArchiveName, err))
	}
}
