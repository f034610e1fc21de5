// Package erasure finishes what an order to erase somebody has begun, and keeps the ledger.
//
// The order is one transaction (store.BeginErasure): from then on the person is out, whatever happens to this process.
// What is left goes here, in batches, by whichever process comes first; a second one that does the same harms nothing.
// The entries are deleted with their titles, details and metadata, then the conversations, then the archive's objects.
// The counters of what was once received, stored, merged and limited stay under the name "erased user N".
package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/worklogdev/worklog/internal/ledger"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// every is how often a worker looks without being asked: another process may have been killed in the middle.
	every = time.Minute
	// pause lets others at the disk between two batches.
	pause = 5 * time.Millisecond
	// stepTimeout bounds a step that looks at little.
	stepTimeout = 30 * time.Second
	// finishTimeout bounds the steps that look at everything: at all that was deleted, at what lies in the archive, and at everybody's entries for the
	// names of tools.
	finishTimeout = 15 * time.Minute
	// lockTries bounds the wait for a sweep, a restore or a backup to end, each try of some seconds: Run tries again soon,
	// and a command has somebody waiting.
	lockTries = 2
)

// ErrSwept says that an erasure has to wait: whoever works at the archive may be writing an object of the person.
var ErrSwept = errors.New("the archive is being swept, restored or backed up; the last of the erasure follows after that")

// Store is the database.
type Store interface {
	Erasing(ctx context.Context) ([]int64, error)
	EraseSome(ctx context.Context, user, after int64) (n, last int64, err error)
	FinishErasure(ctx context.Context, user int64) error
	Endings(ctx context.Context) (erased, revoked []store.Ended, err error)
	Installation(ctx context.Context) (string, error)
	Objects(ctx context.Context, owner int64, after string, limit int) ([]store.ArchiveObject, error)
	ForgetObject(ctx context.Context, name string) error
	LockRetention(ctx context.Context) (lost func(context.Context) error, release func(), err error)
}

// Archive is where payloads of old entries lie.
type Archive interface {
	Drop(ctx context.Context, name string) error
	DropOwner(ctx context.Context, owner int64) error
}

// Worker erases and keeps the ledger.
type Worker struct {
	store   Store
	archive Archive
	ledger  *ledger.File
	log     *slog.Logger
	kick    chan struct{}
}

// New returns a worker.
func New(st Store, archive Archive, file *ledger.File, log *slog.Logger) *Worker {
	return &Worker{store: st, archive: archive, ledger: file, log: log, kick: make(chan struct{}, 1)}
}

// Control tells the worker that somebody's rights have ended. It does not block.
func (w *Worker) Control(c store.Control) {
	switch c.Kind {
	case store.ControlToken, store.ControlUser, store.ControlLost:
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}

// Run works until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := w.Once(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("erasures or the ledger are not finished yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.kick:
		case <-tick.C:
		}
	}
}

// Once brings the ledger up to date and finishes every erasure that has begun. The ledger is first: a backup that is
// restored at this moment must know.
func (w *Worker) Once(ctx context.Context) error {
	failed := w.SyncLedger(ctx)
	users, err := w.store.Erasing(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	for _, user := range users {
		if err := w.Finish(ctx, user, func(int64) {}); err != nil {
			failed = errors.Join(failed, fmt.Errorf("erase user %d: %w", user, err))
		}
	}
	return failed
}

// SyncLedger writes to the ledger what it does not hold yet.
func (w *Worker) SyncLedger(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	id, err := w.store.Installation(ctx)
	if err != nil {
		return err
	}
	erased, revoked, err := w.store.Endings(ctx)
	if err != nil {
		return err
	}
	var records []ledger.Record
	for _, x := range erased {
		records = append(records, ledger.Record{At: x.At, Installation: id, Kind: ledger.Erased, ID: x.ID})
	}
	for _, x := range revoked {
		records = append(records, ledger.Record{At: x.At, Installation: id, Kind: ledger.Revoked, ID: x.ID})
	}
	if _, err := w.ledger.Sync(records); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Finish goes on with the erasure of a user to its end and tells progress how many entries are gone in this run. Another
// process may do the same at the same time; whoever comes second finds it done.
func (w *Worker) Finish(ctx context.Context, user int64, progress func(entries int64)) error {
	err := w.finish(ctx, user, progress)
	if worklog.CodeOf(err) == worklog.CodeConflict {
		return nil
	}
	return err
}

func (w *Worker) finish(ctx context.Context, user int64, progress func(entries int64)) error {
	for total, after := int64(0), int64(0); ; {
		n, last, err := w.some(ctx, user, after)
		if err != nil {
			return err
		}
		after = last
		if n == 0 {
			break
		}
		total += n
		progress(total)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	if err := w.dropObjects(ctx, user); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	if err := w.store.FinishErasure(ctx, user); err != nil {
		return err
	}
	w.log.Info("user erased", "user", user)
	return nil
}

// objectsAtOnce is how many objects are read at a time.
const objectsAtOnce = 100

// dropObjects deletes what the archive holds of a user, known or not: a database that was set back has forgotten what was
// written since. What is known goes at once. The rest has to wait for a sweep that is running: an object that it is just
// writing would be there afterwards, and nobody would know of it.
func (w *Worker) dropObjects(ctx context.Context, user int64) error {
	if err := w.dropKnown(ctx, user); err != nil {
		return err
	}
	release, err := w.holdSweeps(ctx)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	return w.archive.DropOwner(ctx, user)
}

// holdSweeps lets nobody write objects until it is released.
func (w *Worker) holdSweeps(ctx context.Context) (release func(), err error) {
	for range lockTries {
		_, release, err = w.store.LockRetention(ctx)
		if worklog.CodeOf(err) != worklog.CodeConflict {
			return release, err
		}
	}
	return nil, ErrSwept
}

func (w *Worker) dropKnown(ctx context.Context, user int64) error {
	for {
		list, err := w.store.Objects(ctx, user, "", objectsAtOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, o := range list {
			if err := w.dropObject(ctx, o.Name); err != nil {
				return err
			}
		}
	}
}

func (w *Worker) dropObject(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if err := w.archive.Drop(ctx, name); err != nil {
		return err
	}
	return w.store.ForgetObject(ctx, name)
}

// some deletes a batch. The last one passes everything that the others have deleted.
func (w *Worker) some(ctx context.Context, user, after int64) (n, last int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	return w.store.EraseSome(ctx, user, after)
}
