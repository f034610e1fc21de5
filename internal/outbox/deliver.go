package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/spool"
)

const (
	// firstPause and lastPause are the pauses between tries while the server is away and somebody waits for the delivery.
	firstPause = 500 * time.Millisecond
	lastPause  = 15 * time.Second
	// longPause is the last pause while nobody waits, the night through if need be: a try costs a connection.
	longPause = 5 * time.Minute
	// newsPause is how often a pause looks at the directory, which costs next to nothing: a new event, or somebody who
	// waits, ends it.
	newsPause = 5 * time.Second
	// deliverFor is when a delivery that nobody waits for ends, whatever it has reached.
	deliverFor = 12 * time.Hour
	// maxFailures is how often the server may fail at an event before those behind it have their turn, and fewFailures how
	// often at one of those: what remains is to find out whether it fails at all of them.
	maxFailures = 5
	fewFailures = 2
)

// Result is what a delivery did.
type Result struct {
	Delivered int
	Refused   int // the server will never take them
	GivenUp   int // the server fails at them, and at no others
	Waiting   int
}

// Deliver delivers what waits until nothing does, or ctx ends. One process at a time delivers; with wait it waits for its
// turn, else it leaves everything to the other. Without wait it goes on for hours while the server is away or fails: no
// other hook may come to start another.
func (o *Outbox) Deliver(ctx context.Context, wait bool) (r Result, err error) {
	o.longest = lastPause
	if wait {
		o.wake()
	} else {
		o.longest = longPause
		patient, cancel := context.WithTimeout(ctx, deliverFor)
		defer cancel()
		ctx = patient
	}
	for {
		var waiting []event
		if waiting, err = o.waiting(); err != nil || len(waiting) == 0 {
			return r, err
		}
		turn := ctx
		if !wait {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			turn = ended
		}
		lock, err := spool.Lock(turn, filepath.Join(o.dir, lockName))
		if err != nil {
			r.Waiting = len(waiting)
			if errors.Is(err, spool.ErrLocked) && !wait {
				return r, nil
			}
			return r, err
		}
		err = o.deliverOn(ctx, &r, wait)
		// One that was kept while this process had the lock started no delivery of its own: look again without it.
		if err = errors.Join(err, lock.Close()); err != nil {
			waiting, _ = o.waiting()
			r.Waiting = len(waiting)
			return r, err
		}
	}
}

// deliverOn delivers what waits. When the server fails at everything, somebody who waits hears of it, and else it goes on.
func (o *Outbox) deliverOn(ctx context.Context, r *Result, wait bool) error {
	err := o.deliverAll(ctx, r)
	for pause := newsPause; !wait && errors.Is(err, errFailed) && o.pause(ctx, newsPause, pause); pause = min(2*pause, longPause) {
		err = o.deliverAll(ctx, r)
	}
	return err
}

// deliverAll delivers what waits, in order. An event that the server fails at lets the others pass. One of them that is
// taken shows that the server is well: then the event is given up, and counted as lost. When none is, all of them wait.
func (o *Outbox) deliverAll(ctx context.Context, r *Result) error {
	o.sweep()
	var failing []event
	for {
		waiting, err := o.waiting()
		if err != nil {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(e event) bool { return slices.Contains(failing, e) })
		if len(waiting) == 0 && len(failing) > 0 {
			return errFailed
		}
		if len(waiting) == 0 {
			return o.tell(ctx)
		}
		for _, e := range waiting {
			before, tries := r.Delivered, maxFailures
			if len(failing) > 0 {
				tries = fewFailures
			}
			err := o.deliverOne(ctx, e, tries, r)
			if errors.Is(err, errFailed) {
				failing = append(failing, e)
			} else if err != nil {
				return err
			}
			if r.Delivered == before {
				continue
			}
			if err := o.giveUp(failing, r); err != nil {
				return err
			}
			failing = nil
		}
	}
}

// giveUp removes events that only the server's failure is known of.
func (o *Outbox) giveUp(failing []event, r *Result) error {
	for _, e := range failing {
		r.GivenUp++
		if err := errors.Join(o.drop(), os.Remove(filepath.Join(o.dir, e.file))); err != nil {
			return err
		}
	}
	return nil
}

// deliverOne delivers an event, however often it has to be tried, unless the server fails at it so many times.
func (o *Outbox) deliverOne(ctx context.Context, e event, failures int, r *Result) error {
	path := filepath.Join(o.dir, e.file)
	raw, err := os.ReadFile(path)
	if err == nil {
		err = o.insist(ctx, e, raw, failures)
	}
	switch {
	case errors.Is(err, os.ErrNotExist): // another outbox has adopted it, or somebody has removed it
		return nil
	case isRefused(err):
		r.Refused++
		return os.Remove(path)
	case err != nil:
		return err
	}
	r.Delivered++
	return os.Remove(path)
}

// insist posts until the server takes or refuses an event, has failed at it so many times, or the event is gone.
func (o *Outbox) insist(ctx context.Context, e event, raw []byte, failures int) error {
	for pause := firstPause; ; pause = min(2*pause, o.longest) {
		try, cancel := context.WithTimeout(ctx, postTimeout)
		err := o.post(try, e, raw)
		cancel()
		if errors.Is(err, errFailed) {
			failures--
		}
		if err == nil || isRefused(err) || errors.Is(err, errDenied) || failures <= 0 {
			return err
		}
		o.settle()
		least := min(pause, newsPause)
		if slow, ok := errors.AsType[errSlowDown](err); ok {
			least = max(slow.wait, pause)
		}
		if !o.pause(ctx, least, pause) {
			return err
		}
		if _, err := os.Stat(filepath.Join(o.dir, e.file)); errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
}

// pause waits, and reports whether ctx has not ended. It ends between least and most when the directory has news.
func (o *Outbox) pause(ctx context.Context, least, most time.Duration) bool {
	began := o.changed()
	for wait := least; ; wait = min(newsPause, most) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		if most -= wait; most <= 0 || !o.changed().Equal(began) {
			return true
		}
	}
}

// changed is when an event came or went, or somebody called wake.
func (o *Outbox) changed() time.Time {
	info, err := os.Stat(o.dir)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// wake ends the pause of the process that delivers. Failing that it ends by itself.
func (o *Outbox) wake() { _ = os.Chtimes(o.dir, time.Time{}, o.now()) }

// settle sees to it that what waits is on the disk itself, which no hook has the time for. What can not be brought there
// is tried again.
func (o *Outbox) settle() {
	waiting, _ := o.waiting()
	there := make(map[string]bool, len(waiting))
	for _, e := range waiting {
		f, err := os.Open(filepath.Join(o.dir, e.file))
		if err != nil {
			continue
		}
		there[e.id] = o.settled[e.id] || f.Sync() == nil
		_ = f.Close()
	}
	o.settled = there
}

// tell tells the server how many events were lost.
func (o *Outbox) tell(ctx context.Context) error {
	path := filepath.Join(o.dir, droppedName)
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return nil
	}
	raw, err := json.Marshal(map[string]string{
		"hook_event_name": "Notification", "message": fmt.Sprintf("%d events of this machine are lost: the outbox was full, or the server failed at them", info.Size()),
	})
	if err != nil {
		return err
	}
	e := event{at: o.now(), id: fmt.Sprintf("dropped-%d-%d", info.ModTime().UnixNano(), info.Size())}
	if err := o.insist(ctx, e, raw, maxFailures); err != nil && !isRefused(err) {
		return err
	}
	return os.Remove(path)
}

// abandoned is how old a half-written file is that nobody is writing any more.
const abandoned = time.Hour

// sweep removes what a kill has left half written, and counts it.
func (o *Outbox) sweep() {
	halves, _ := filepath.Glob(filepath.Join(o.dir, ".new-*"))
	for _, path := range halves {
		if info, err := os.Stat(path); err == nil && o.now().Sub(info.ModTime()) > abandoned {
			if os.Remove(path) == nil {
				_ = o.drop()
			}
		}
	}
}
