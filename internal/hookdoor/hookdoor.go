// Package hookdoor is the door for agents' hooks: it turns what an agent posts into drafts, stores them, and ends what can
// not be running any more.
package hookdoor

import (
	"context"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/hook"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// maxEnded bounds the steps that one event ends.
const maxEnded = 200

// Deps is what a Door is built from.
type Deps struct {
	Store  *store.Store
	Ingest *ingest.Service
	Now    func() time.Time // nil: time.Now
}

// Door takes events. Its methods are safe for concurrent use.
type Door struct {
	store  *store.Store
	ingest *ingest.Service
	now    func() time.Time
}

// New returns a door.
func New(d Deps) *Door {
	x := &Door{store: d.Store, ingest: d.Ingest, now: d.Now}
	if x.now == nil {
		x.now = time.Now
	}
	return x
}

// Take stores the event in raw and returns after the commit. What is no event is counted and otherwise taken, since no
// agent can do anything about it. An error is a [worklog.Error].
func (d *Door) Take(ctx context.Context, p *account.Principal, raw []byte) error {
	event, ok := hook.Decode(raw, d.now())
	if !ok {
		d.ingest.Refused(p, 1)
		return nil
	}
	return d.keep(ctx, p, ingest.Manner{Agent: true}, event)
}

// keep stores an event: first what it says, then what follows from it.
func (d *Door) keep(ctx context.Context, p *account.Principal, m ingest.Manner, event *hook.Event) error {
	for drafts := event.Drafts; len(drafts) > 0; {
		receipts, err := d.ingest.AppendAs(ctx, p, m, drafts)
		if err != nil {
			return err
		}
		drafts = event.Again(receipts)
	}
	if event.Ends == nil {
		return nil
	}
	m.Inferred = true
	return d.endSteps(ctx, p, m, event.Ends)
}

// endSteps ends what can not be running any more. These ends are inferred: one that is reported after all wins.
func (d *Door) endSteps(ctx context.Context, p *account.Principal, m ingest.Manner, ends *hook.Ends) error {
	conv, err := d.store.ConversationByKey(ctx, p.User.ID, ends.Conversation())
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		return nil
	}
	if err != nil || conv.WorkingCount == 0 {
		return err
	}
	page, err := d.store.Entries(ctx, store.EntryQuery{
		Owner: p.User.ID, Conversation: conv.ID, Filter: store.EntryFilter{Status: worklog.StatusWorking}, Limit: maxEnded,
	})
	if err != nil {
		return err
	}
	var drafts []worklog.Draft
	for _, row := range page.Rows {
		if draft, ok := ends.Draft(row.Entry); ok && (p.Token == nil || p.Token.ID == row.TokenID || p.Can(account.ScopeRead)) {
			drafts = append(drafts, draft)
		}
	}
	if len(drafts) == 0 {
		return nil
	}
	_, err = d.ingest.AppendAs(ctx, p, m, drafts)
	return err
}
