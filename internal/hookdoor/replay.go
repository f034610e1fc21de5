package hookdoor

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/hook"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/spool"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// retryAfter is what agents are told while nothing can be kept at all.
	retryAfter = 2 * time.Second
	// replayPause is how often it is tried whether the database is back.
	replayPause = 500 * time.Millisecond
	// reopenPause is how often a spool is tried that another process has.
	reopenPause = 5 * time.Second
	// windowEvents and windowBytes bound what is read from the spool at a time. Owners' events go side by side, an owner's
	// own one after the other.
	windowEvents = 256
	windowBytes  = 16 << 20
	replayTurns  = 8
	// replayTimeout bounds one event.
	replayTimeout = 15 * time.Second
	// maxTries is how often an event is tried that fails for another reason than the database's absence.
	maxTries = 5
)

// Run stores what is spooled, until ctx ends. What is left then waits for the next start.
func (d *Door) Run(ctx context.Context) error {
	if d.dir == "" {
		return nil
	}
	tries := map[uint64]int{}
	for {
		wait := d.round(ctx, tries)
		if wait == 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		for d.idle() {
			select {
			case <-ctx.Done():
				return nil
			case <-d.wake:
			}
		}
	}
}

// idle reports that there is nothing to do before somebody signals.
func (d *Door) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spool != nil && !d.away && d.spool.Empty()
}

// round stores one window of events and returns how long to wait before the next one.
func (d *Door) round(ctx context.Context, tries map[uint64]int) (wait time.Duration) {
	d.mu.Lock()
	s, away := d.spool, d.away
	d.mu.Unlock()
	if s == nil {
		if err := d.Open(ctx); err != nil {
			d.log.Debug("hooks can not be spooled", "error", err) // the start has told of it
		}
		return reopenPause
	}
	records, err := s.Peek(windowEvents, windowBytes)
	if err != nil {
		d.log.Error("the spool of hooks can not be read", "error", err)
		return reopenPause
	}
	if len(records) == 0 {
		return d.drained(ctx, away)
	}
	done := d.replay(ctx, records, tries)
	if done == 0 {
		return replayPause
	}
	if err := s.Taken(records[done-1].Seq); err != nil {
		d.log.Error("the spool of hooks can not note what was stored: it will be stored again, which changes nothing", "error", err)
		wait = replayPause
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range records[:done] {
		delete(tries, r.Seq)
		if l, ok := parseLabel(r.Label); ok {
			d.forget(l.owner, 1)
		}
	}
	if done < len(records) {
		wait = replayPause
	}
	return wait
}

// drained ends the absence of the database when it answers. Without an absence there was nothing to do.
func (d *Door) drained(ctx context.Context, away bool) time.Duration {
	if !away {
		return time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, d.direct)
	defer cancel()
	if err := d.store.Ping(ctx); err != nil {
		return replayPause
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.spool != nil && !d.spool.Empty() { // one came in between
		return time.Millisecond
	}
	d.log.Info("the database is back: every spooled hook is stored", "away_seconds", d.now().Sub(d.awaySince).Seconds(),
		"replayed", d.stats.Replayed, "revoked", d.stats.Revoked, "failed", d.stats.Failed)
	d.away, d.awaySince = false, time.Time{}
	return time.Millisecond
}

// replay stores events and returns how many of the first ones are taken care of.
func (d *Door) replay(ctx context.Context, records []spool.Record, tries map[uint64]int) (done int) {
	byOwner := map[int64][]int{}
	var owners []int64
	for i, r := range records {
		l, _ := parseLabel(r.Label)
		if byOwner[l.owner] == nil {
			owners = append(owners, l.owner)
		}
		byOwner[l.owner] = append(byOwner[l.owner], i)
	}
	errs := make([]error, len(records))
	turns := make(chan struct{}, replayTurns)
	var wg sync.WaitGroup
	for _, owner := range owners {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			d.replayOwner(ctx, records, byOwner[owner], errs)
		})
	}
	wg.Wait()
	for i, r := range records {
		if !d.settled(r, errs[i], tries) {
			return i
		}
	}
	return len(records)
}

// errLater marks the events behind one that could not be stored.
var errLater = worklog.Errorf(worklog.CodeUnavailable, "an event before this one waits")

// replayOwner stores the events of one owner in order, up to the first that can not be stored now.
func (d *Door) replayOwner(ctx context.Context, records []spool.Record, mine []int, errs []error) {
	known := map[string]*account.Principal{}
	for n, i := range mine {
		if errs[i] = d.replayOne(ctx, records[i], known); worklog.CodeOf(errs[i]) == "" || worklog.CodeOf(errs[i]) == worklog.CodeUnauthorized {
			continue
		}
		for _, later := range mine[n+1:] {
			errs[later] = errLater
		}
		return
	}
}

// settled counts what became of an event. False: it has to be tried again.
func (d *Door) settled(r spool.Record, err error, tries map[uint64]int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch worklog.CodeOf(err) {
	case "":
		d.stats.Replayed++
		return true
	case worklog.CodeUnauthorized:
		d.stats.Revoked++
		d.log.Warn("a spooled hook is dropped", "reason", err, "for", r.Label)
		return true
	case worklog.CodeUnavailable:
		return false
	}
	if tries[r.Seq]++; tries[r.Seq] < maxTries {
		return false
	}
	d.stats.Failed++
	d.log.Error("a spooled hook is dropped: it can not be stored", "for", r.Label, "error", err)
	return true
}

// replayOne stores an event as it would have been stored when it came.
func (d *Door) replayOne(ctx context.Context, r spool.Record, known map[string]*account.Principal) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("panic over a spooled hook", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = worklog.Errorf(worklog.CodeInternal, "panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	l, ok := parseLabel(r.Label)
	if !ok {
		return worklog.Errorf(worklog.CodeInternal, "the label %q makes no sense", r.Label)
	}
	p := known[l.token]
	if p == nil {
		if p, err = d.principal(ctx, l.token); err != nil {
			return err
		}
		known[l.token] = p
	}
	if expires := p.Token.ExpiresAt; !expires.IsZero() && !r.At.Before(expires) {
		return worklog.Errorf(worklog.CodeUnauthorized, "its token had expired")
	}
	event, ok := hook.Decode(r.Body, l.sender, r.At)
	if !ok {
		return worklog.Errorf(worklog.CodeInternal, "it is no event")
	}
	event.Named(l.delivery)
	event.Received()
	return d.keep(ctx, p, ingest.Manner{Agent: true, Spooled: true}, event)
}

// principal is whoever has the token now. Nobody who lost the right while the database was away writes any more.
func (d *Door) principal(ctx context.Context, token string) (*account.Principal, error) {
	tok, user, err := d.store.TokenForLater(ctx, token)
	switch {
	case worklog.CodeOf(err) == worklog.CodeNotFound:
		return nil, worklog.Errorf(worklog.CodeUnauthorized, "its token was revoked")
	case err != nil:
		return nil, err
	case user.Disabled:
		return nil, worklog.Errorf(worklog.CodeUnauthorized, "its user was disabled")
	}
	return &account.Principal{User: user, Token: &tok}, nil
}
