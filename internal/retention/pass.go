package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// pass is one sweep under way.
type pass struct {
	*Sweeper
	options Options
	now     time.Time // one clock for all steps
	lost    func(context.Context) error
	report  Report
	told    time.Time // when progress was told last
	skipped []skipped // by the current step
}

// skipped is an owner whom a step leaves alone for this pass, and why.
type skipped struct {
	owner int64
	err   error
}

// wide is an error that the next owner would meet as well.
type wide struct{ error }

// Unwrap returns what went wrong.
func (w wide) Unwrap() error { return w.error }

func (p *pass) begin(name Step) {
	p.report.Steps = append(p.report.Steps, StepReport{Step: name})
	p.tell()
}

func (p *pass) current() *StepReport { return &p.report.Steps[len(p.report.Steps)-1] }

// step moves everything that is due for it, one status after the other, oldest entries first. What is wrong with one
// owner, a damaged row or a lock that somebody holds, keeps nobody else's entries where they are.
func (p *pass) step(ctx context.Context, st step) error {
	p.skipped = nil
	for _, from := range st.due.From {
		due := st.due
		due.From = []worklog.StorageStatus{from}
		for after := (store.DueEntry{}); ; {
			list, err := p.store.DueEntries(ctx, from, due, after, pageEntries)
			if err != nil {
				return errors.Join(err, p.skips())
			}
			if err := p.page(ctx, st, due, list); err != nil {
				return errors.Join(err, p.skips())
			}
			if len(list) < pageEntries {
				break
			}
			after = list[len(list)-1]
		}
	}
	if st.name == StepArchived {
		if err := p.repack(ctx, st.due.Until); err != nil {
			return errors.Join(err, p.skips())
		}
	}
	return p.skips()
}

// page moves a page of entries, owner by owner.
func (p *pass) page(ctx context.Context, st step, due store.Due, list []store.DueEntry) error {
	list = slices.DeleteFunc(slices.Clone(list), func(e store.DueEntry) bool { return e.Stays }) // its order says where the next page begins
	slices.SortStableFunc(list, func(a, b store.DueEntry) int { return cmp.Compare(a.Owner, b.Owner) })
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(e store.DueEntry) bool { return e.Owner != list[0].Owner })
		if n < 0 {
			n = len(list)
		}
		err := p.forOwner(ctx, st.name, list[0].Owner, func() error { return p.owner(ctx, st, due, list[:n]) })
		if err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// forOwner does something for one owner, unless the step leaves that one alone. The error, if any, ends the step.
func (p *pass) forOwner(ctx context.Context, name Step, owner int64, f func() error) error {
	if slices.ContainsFunc(p.skipped, func(x skipped) bool { return x.owner == owner }) {
		return nil
	}
	err := f()
	if _, all := errors.AsType[wide](err); err == nil || all || ctx.Err() != nil {
		return err
	}
	p.skipped = append(p.skipped, skipped{owner, err})
	p.settings.Log.Error("a user's entries stay as they are for this sweep", "step", name, "user", owner, "error", err)
	if len(p.skipped) == maxSkipped {
		return errors.New("too many users in which something is wrong")
	}
	return nil
}

// skips says whom the step has left alone. The error is for people; the log has all of it.
func (p *pass) skips() error {
	var list []string
	for _, x := range p.skipped[:min(len(p.skipped), namedSkips)] {
		list = append(list, fmt.Sprintf("user %d left as is: %s", x.owner, explain(x.err)))
	}
	if more := len(p.skipped) - namedSkips; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	if len(list) == 0 {
		return nil
	}
	return errors.New(strings.Join(list, "; "))
}

// owner moves entries of one owner.
func (p *pass) owner(ctx context.Context, st step, due store.Due, list []store.DueEntry) error {
	owner := list[0].Owner
	if st.to != worklog.StorageCold && st.to != worklog.StorageArchived {
		return p.batches(ctx, parts(list, batchEntries), func(seqs []int64) (store.Moved, error) {
			if st.name == StepWarm {
				return p.store.WarmEntries(ctx, owner, seqs, due)
			}
			return p.remove(ctx, owner, seqs, due)
		})
	}
	for seqs := range parts(list, objectEntries) {
		rest, err := p.cool(ctx, st, due, owner, seqs)
		if err != nil {
			return err
		}
		err = p.batches(ctx, slices.Chunk(rest, batchEntries), func(seqs []int64) (store.Moved, error) {
			return p.store.AgeEntries(ctx, owner, seqs, st.to, due)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// batches makes a transaction of each part.
func (p *pass) batches(ctx context.Context, parts iter.Seq[[]int64], f func([]int64) (store.Moved, error)) error {
	for seqs := range parts {
		if err := p.batch(ctx, func() (store.Moved, error) { return f(seqs) }); err != nil {
			return err
		}
	}
	return nil
}

// parts cuts entries into numbers of at most so many that together are not too large.
func parts(list []store.DueEntry, most int) iter.Seq[[]int64] {
	return func(yield func([]int64) bool) {
		var part []int64
		size := int64(0)
		for _, e := range list {
			if len(part) > 0 && (len(part) == most || size+e.Bytes > batchBytes) {
				if !yield(part) {
					return
				}
				part, size = nil, 0
			}
			part, size = append(part, e.Seq), size+e.Bytes
		}
		if len(part) > 0 {
			yield(part)
		}
	}
}

// batch counts what one transaction does, tells about it, and lets others in.
func (p *pass) batch(ctx context.Context, f func() (store.Moved, error)) error {
	began := time.Now()
	moved, err := f()
	p.current().Entries += moved.Entries
	p.current().Bytes += moved.Freed
	p.report.FreedBytes += moved.Freed
	p.report.add(p.current().Step, moved.Entries)
	if err != nil {
		return err
	}
	if time.Since(p.told) > progressEvery {
		p.tell()
		p.report.UpdatedAt = p.Sweeper.now()
		if err := p.store.UpdateSweep(ctx, &p.report.Sweep); err != nil {
			return err
		}
		if err := p.alone(ctx); err != nil {
			return wide{err}
		}
	}
	return pause(ctx, time.Since(began))
}

// alone returns errNotAlone unless this process is still the only one that may sweep.
func (p *pass) alone(ctx context.Context) error {
	if err := p.lost(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNotAlone, err)
	}
	return nil
}

func (p *pass) tell() {
	p.told = time.Now()
	if p.options.Progress != nil {
		p.options.Progress(p.report.clone())
	}
}

// pause lets writers in after a batch that took so long.
func pause(ctx context.Context, took time.Duration) error {
	timer := time.NewTimer(min(max(pauseFactor*took, minPause), maxPause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
