// Package hookdoor is the door for agents' hooks: it turns what an agent posts into drafts, stores them, and ends what can
// not be running any more.
//
// An agent does not try again, and nobody may lose its steps because PostgreSQL is away for a minute. While it is, events
// go into a spool on disk, and from there the same way as all others, in order, as soon as it is back. Each event that
// names none of its entries is named by its delivery, so that one which is stored twice shows once.
package hookdoor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/hook"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/spool"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// directTimeout is how long an agent waits for a commit before its event is spooled instead. PostgreSQL may hang, too.
	directTimeout = 2 * time.Second
	// lateAfter is when a delivery is late, and the event keeps its own time; maxLate is when nobody believes that.
	lateAfter = time.Second
	maxLate   = 365 * 24 * time.Hour
	// maxDelivery bounds the name of a delivery: longer than a UUID.
	maxDelivery = 64
	// MaxSpool bounds the spool on disk. An agent writes about a megabyte in ten minutes.
	MaxSpool = 256 << 20
)

// Deps is what a Door is built from.
type Deps struct {
	Store    *store.Store
	Ingest   *ingest.Service
	Dir      string           // of the spool; empty: there is none
	MaxSpool int64            // 0: MaxSpool
	Patience time.Duration    // how long a commit may take before the event is spooled; 0: directTimeout
	Log      *slog.Logger     // nil: nothing
	Now      func() time.Time // nil: time.Now
}

// Door takes events. Its methods are safe for concurrent use.
type Door struct {
	store  *store.Store
	ingest *ingest.Service
	dir    string
	max    int64
	direct time.Duration // Deps.Patience
	log    *slog.Logger
	now    func() time.Time
	wake   chan struct{} // one slot

	mu        sync.Mutex
	spool     *spool.Spool // nil: there is none, or another process has it
	away      bool         // the database; every event goes behind the spooled ones then
	awaySince time.Time
	waiting   map[int64]int // spooled events by owner
	stats     Stats
}

// New returns a door. Open opens its spool.
func New(d Deps) *Door {
	x := &Door{
		store: d.Store, ingest: d.Ingest, dir: d.Dir, max: d.MaxSpool, direct: d.Patience, log: d.Log, now: d.Now, wake: make(chan struct{}, 1), waiting: map[int64]int{},
	}
	if x.max == 0 {
		x.max = MaxSpool
	}
	if x.direct == 0 {
		x.direct = directTimeout
	}
	if x.log == nil {
		x.log = slog.New(slog.DiscardHandler)
	}
	if x.now == nil {
		x.now = time.Now
	}
	return x
}

// Delivery is what a sender says about the delivery of an event besides the event itself.
type Delivery struct {
	ID string    // its name; empty: it has none
	At time.Time // when the event happened, if it is delivered late; zero: now
	// Sender is the agent that sends it, as "worklog connect" calls it. One that is not known is none.
	Sender string
}

// Take keeps the event in raw and returns after the commit or, while the database is away, after it has reached the
// disk. What is no event is counted and otherwise taken, since no agent can do anything about it. An error is a
// [worklog.Error].
func (d *Door) Take(ctx context.Context, p *account.Principal, from Delivery, raw []byte) error {
	now := d.now().UTC()
	at, late := now, false
	if !from.At.IsZero() && now.Sub(from.At) > lateAfter && now.Sub(from.At) < maxLate {
		at, late = from.At.UTC(), true
	}
	event, ok := hook.Decode(raw, from.Sender, at)
	if !ok {
		d.ingest.Refused(p, 1)
		return nil
	}
	from.At, from.ID, from.Sender = at, named(from.ID), hook.Sender(from.Sender)
	if from.ID == "" {
		from.ID = uuid.NewString()
	}
	event.Named(from.ID)
	if late {
		event.Received()
	}
	if d.behind(p) {
		return d.put(p, from, raw)
	}
	direct, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.direct) // an agent that is gone does not try again
	defer cancel()
	err := d.keep(direct, p, ingest.Manner{Agent: true}, event)
	if worklog.CodeOf(err) != worklog.CodeUnavailable || !d.lose(p, err) {
		return err
	}
	return d.put(p, from, raw)
}

// named returns a delivery's name if it can go into a key as it is.
func named(delivery string) string {
	if len(delivery) > maxDelivery {
		return ""
	}
	for _, r := range delivery {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' {
			return ""
		}
	}
	return delivery
}

// keep stores an event: first what it says, then what follows from it.
func (d *Door) keep(ctx context.Context, p *account.Principal, m ingest.Manner, event *hook.Event) (err error) {
	m.AskedAt, m.Move = event.AskedAt, d.moveOf(event)
	if err := event.Number(d.Find(ctx, p)); err != nil {
		return err
	}
	drafts := event.Drafts
	if len(drafts) == 0 {
		d.ingest.Skipped(1)
	}
	if event.Ask != nil {
		if drafts, m, err = d.ask(ctx, p, m, event); err != nil {
			return err
		}
	}
	var receipts []worklog.Receipt
	for len(drafts) > 0 {
		if receipts, err = d.ingest.AppendAs(ctx, p, m, drafts); err != nil {
			return err
		}
		drafts = event.Again(receipts)
	}
	switch {
	case event.Ends != nil:
		if len(receipts) > 0 && receipts[0].Outcome == worklog.OutcomeUnchanged {
			event.Ends.Since(receipts[0].Entry)
		}
		return d.endSteps(ctx, p, m, event.Ends)
	case event.Prompt():
		return d.answer(ctx, p, m, event)
	}
	return nil
}

// Find returns how to look up p's entries by the keys that adapters give them, for doors that have to know what is stored
// before they can name a step.
func (d *Door) Find(ctx context.Context, p *account.Principal) func(keys []string) (map[string]worklog.Entry, error) {
	return func(keys []string) (map[string]worklog.Entry, error) {
		stored := make([]string, len(keys))
		adapters := make(map[string]string, len(keys))
		for i, key := range keys {
			stored[i] = d.ingest.Key(key)
			adapters[stored[i]] = key
		}
		rows, err := d.store.ByKeys(ctx, p.User.ID, stored)
		found := make(map[string]worklog.Entry, len(rows))
		for i := range rows {
			found[adapters[rows[i].Key]] = rows[i].Entry
		}
		return found, err
	}
}

// endSteps ends what can not be running any more. These ends are inferred: one that is reported after all wins.
func (d *Door) endSteps(ctx context.Context, p *account.Principal, m ingest.Manner, ends *hook.Ends) error {
	_, steps, err := d.running(ctx, p, ends.Conversation())
	if err != nil {
		return err
	}
	var drafts []worklog.Draft
	for i := range steps {
		if draft, ok := ends.Draft(steps[i].Entry); ok {
			drafts = append(drafts, draft)
		}
	}
	if len(drafts) == 0 {
		return nil
	}
	m.Inferred, m.Move = true, store.Move{}
	_, err = d.ingest.AppendAs(ctx, p, m, drafts)
	return err
}
