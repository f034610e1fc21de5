package retention

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

const day = 24 * time.Hour

// Next is when the daily sweep begins next.
func (s *Sweeper) Next() time.Time { return s.last(s.now()).Add(day) }

// last is when the newest daily sweep was due.
func (s *Sweeper) last(now time.Time) time.Time {
	at := now.Truncate(day).Add(s.settings.At)
	if at.After(now) {
		at = at.Add(-day)
	}
	return at
}

// Serve runs the daily sweep when it is due, and those that Start asks for, until ctx ends. Of any number of processes
// one sweeps each day. A sweep that was missed, because no process ran, is made up for; one whose process was killed is
// done again, and shown as interrupted.
func (s *Sweeper) Serve(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	var settled time.Time // that day's sweep is nobody's business any more
	for {
		s.endKilled(ctx)
		if due := s.last(s.now()); !due.Equal(settled) && s.daily(ctx, due) {
			settled = due
		}
		select {
		case <-ctx.Done():
			return nil
		case job := <-s.jobs:
			job.run(ctx, s)
		case <-tick.C:
		}
	}
}

// endKilled says of a sweep whose process was killed that it does not run. Whether one does, the lock knows.
func (s *Sweeper) endKilled(ctx context.Context) {
	runs, err := s.store.SweepRuns(ctx)
	if err == nil && runs {
		var release func()
		if _, release, err = s.store.LockRetention(ctx); err == nil {
			defer release()
			err = s.store.EndKilledSweeps(ctx)
		}
	}
	if err != nil && worklog.CodeOf(err) != worklog.CodeConflict && ctx.Err() == nil {
		s.settings.Log.Warn("whether a sweep was killed is not known yet", "error", err)
	}
}

// daily sweeps for a day unless that was done, and reports whether that day is settled.
func (s *Sweeper) daily(ctx context.Context, due time.Time) bool {
	done, err := s.store.SweptFor(ctx, due)
	if err != nil || done {
		return done && err == nil
	}
	lost, release, err := s.store.LockRetention(ctx)
	if worklog.CodeOf(err) == worklog.CodeConflict { // another process is at it, and may be killed yet
		return false
	}
	if err != nil {
		s.settings.Log.Warn("the daily sweep can not begin yet", "error", err)
		return false
	}
	defer release()
	if done, err = s.store.SweptFor(ctx, due); err != nil || done {
		return done && err == nil
	}
	_, err = s.sweep(ctx, Options{By: "schedule", scheduled: due}, lost)
	if err != nil && ctx.Err() == nil {
		s.settings.Log.Warn("the daily sweep ended early", "error", err)
	}
	return err == nil
}

// Running is a sweep that Start has begun.
type Running struct {
	options Options
	begun   chan struct{}
	done    chan struct{}

	mu     sync.Mutex
	report Report
	err    error
}

// Start lets the part that serves sweep, and returns once the sweep has begun: it outlives the request that asked for
// it. It is a conflict while a sweep or a restore is running, here or in another process.
func (s *Sweeper) Start(ctx context.Context, o Options) (*Running, error) {
	r := &Running{options: o, begun: make(chan struct{}), done: make(chan struct{})}
	r.options.begun = func() { close(r.begun) }
	told := o.Progress
	r.options.Progress = func(report Report) {
		r.set(report, nil)
		if told != nil {
			told(report)
		}
	}
	busy := time.NewTimer(startTimeout)
	defer busy.Stop()
	select {
	case s.jobs <- r:
		return r, r.await(ctx)
	case <-busy.C:
		return nil, &worklog.Error{Code: worklog.CodeConflict, Message: "a sweep is running already", RetryAfter: progressEvery}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// await returns when the sweep has begun, and otherwise why not.
func (r *Running) await(ctx context.Context) error {
	late := time.NewTimer(beginTimeout)
	defer late.Stop()
	select {
	case <-r.begun:
		return nil
	case <-r.done: // it may be over already
		select {
		case <-r.begun:
			return nil
		default:
			_, err := r.Report()
			return err
		}
	case <-late.C:
		return worklog.Errorf(worklog.CodeUnavailable, "the sweep has not begun yet; the history of sweeps will tell whether it does")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Running) run(ctx context.Context, s *Sweeper) {
	defer close(r.done)
	defer func() { // a waiter must not wait for a sweep that is over
		if p := recover(); p != nil {
			r.set(Report{}, errors.New("the sweep panicked"))
			panic(p)
		}
	}()
	report, err := s.Run(ctx, r.options)
	r.set(report, err)
	if err != nil {
		s.settings.Log.Warn("the sweep did not begin or ended early", "error", err)
	}
}

func (r *Running) set(report Report, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report, r.err = report, err
}

// Done is closed when the sweep is over.
func (r *Running) Done() <-chan struct{} { return r.done }

// Report returns how far the sweep is, and why there was none.
func (r *Running) Report() (Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report.clone(), r.err
}
