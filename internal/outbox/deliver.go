package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/worklogdev/worklog/internal/spool"
)

const (
	// firstPause and lastPause are the pauses between tries while the server is away.
	firstPause = 500 * time.Millisecond
	lastPause  = 15 * time.Second
)

// Result is what a delivery did.
type Result struct {
	Delivered int
	Refused   int // the server will never take them
	Waiting   int
}

// Deliver delivers what waits until nothing does, or ctx ends. One process at a time delivers; with wait it waits for its
// turn, else it leaves everything to the other.
func (o *Outbox) Deliver(ctx context.Context, wait bool) (r Result, err error) {
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
		err = o.deliverAll(ctx, &r)
		// One that was kept while this process had the lock started no delivery of its own: look again without it.
		if err = errors.Join(err, lock.Close()); err != nil {
			waiting, _ = o.waiting()
			r.Waiting = len(waiting)
			return r, err
		}
	}
}

// deliverAll delivers what waits, in order.
func (o *Outbox) deliverAll(ctx context.Context, r *Result) error {
	o.sweep()
	for {
		waiting, err := o.waiting()
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			return o.tell(ctx)
		}
		for _, e := range waiting {
			if err := o.deliverOne(ctx, e, r); err != nil {
				return err
			}
		}
	}
}

// deliverOne delivers an event, however often it has to be tried.
func (o *Outbox) deliverOne(ctx context.Context, e event, r *Result) error {
	path := filepath.Join(o.dir, e.file)
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) { // another outbox has adopted it
		return nil
	}
	if err != nil {
		return err
	}
	if err = o.insist(ctx, e, raw); isRefused(err) {
		r.Refused++
		return os.Remove(path)
	}
	if err != nil {
		return err
	}
	r.Delivered++
	return os.Remove(path)
}

// insist posts until the server takes or refuses an event.
func (o *Outbox) insist(ctx context.Context, e event, raw []byte) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		try, cancel := context.WithTimeout(ctx, postTimeout)
		err := o.post(try, e, raw)
		cancel()
		if err == nil || isRefused(err) || errors.Is(err, errDenied) {
			return err
		}
		wait := pause
		if slow, ok := errors.AsType[errSlowDown](err); ok {
			wait = max(slow.wait, pause)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// tell tells the server how many events were lost because the outbox was full.
func (o *Outbox) tell(ctx context.Context) error {
	path := filepath.Join(o.dir, droppedName)
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return nil
	}
	raw, err := json.Marshal(map[string]string{
		"hook_event_name": "Notification", "message": fmt.Sprintf("%d events of this machine are lost: the server was away and the outbox full", info.Size()),
	})
	if err != nil {
		return err
	}
	e := event{at: o.now(), id: fmt.Sprintf("dropped-%d-%d", info.ModTime().UnixNano(), info.Size())}
	if err := o.insist(ctx, e, raw); err != nil && !isRefused(err) {
		return err
	}
	return os.Remove(path)
}

// abandoned is how old a half-written file is that nobody is writing any more.
const abandoned = time.Hour

// sweep removes what a kill has left half written; nobody was told that it is kept.
func (o *Outbox) sweep() {
	halves, _ := filepath.Glob(filepath.Join(o.dir, ".new-*"))
	for _, path := range halves {
		if info, err := os.Stat(path); err == nil && o.now().Sub(info.ModTime()) > abandoned {
			_ = os.Remove(path)
		}
	}
}
