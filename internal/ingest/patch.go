package ingest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// Patch changes an entry of the principal's user and returns it as it now stands. One that is not there, or not
// theirs, is not found.
func (s *Service) Patch(ctx context.Context, p *account.Principal, id string, patch worklog.EntryPatch) (worklog.Entry, error) {
	if !p.Can(account.ScopeRead) {
		return worklog.Entry{}, worklog.Errorf(worklog.CodeForbidden, "this needs the right %q", account.ScopeRead)
	}
	if uuid.Validate(id) != nil {
		return worklog.Entry{}, worklog.Errorf(worklog.CodeNotFound, "no such entry")
	}
	now := s.clock()
	facts, err := s.patchFacts(patch, now)
	if err != nil {
		return worklog.Entry{}, err
	}
	w := store.Write{Owner: p.User.ID, EntryID: store.CanonicalID(id), Patch: true, Facts: facts}
	r := &request{drafts: []draft{{write: w}}, receipts: make([]worklog.Receipt, 1), bytes: len(facts.Details) + weight(map[string]any(facts.Metadata)), done: make(chan struct{})}
	if err := s.run(ctx, r); err != nil {
		return worklog.Entry{}, err
	}
	switch rec := r.receipts[0]; {
	case rec.Entry != nil:
		return *rec.Entry, nil
	case rec.Reason != "":
		return worklog.Entry{}, worklog.Errorf(worklog.CodeInvalid, "%s", rec.Reason)
	}
	return worklog.Entry{}, worklog.Errorf(worklog.CodeNotFound, "no such entry")
}

// Own names an entry of the token that acts: by id, or by key.
type Own struct{ ID, Key string }

// UpdateOwn changes a running entry that the acting token itself has written, and says what became of it. Whoever may only
// write may do this. One that is not there is not found; one that has ended, or is another token's, is invalid.
func (s *Service) UpdateOwn(ctx context.Context, p *account.Principal, own Own, patch worklog.EntryPatch) (worklog.Receipt, error) {
	if !p.Can(account.ScopeWrite) || p.Token == nil {
		return worklog.Receipt{}, worklog.Errorf(worklog.CodeForbidden, "this needs a token with the right %q", account.ScopeWrite)
	}
	if (own.ID == "") == (own.Key == "") || (own.ID != "" && uuid.Validate(own.ID) != nil) {
		return worklog.Receipt{}, invalid("id", "must be the id of an entry, or key its key, and not both")
	}
	facts, err := s.patchFacts(patch, s.clock())
	if err != nil {
		return worklog.Receipt{}, err
	}
	w := store.Write{
		Owner: p.User.ID, EntryID: store.CanonicalID(own.ID), Key: s.Key(own.Key), Patch: true, Facts: facts, TokenID: p.Token.ID, OwnOnly: true, RunningOnly: true,
	}
	r := &request{drafts: []draft{{write: w}}, receipts: make([]worklog.Receipt, 1), bytes: len(facts.Details) + weight(map[string]any(facts.Metadata)), done: make(chan struct{})}
	if err := s.run(ctx, r); err != nil {
		return worklog.Receipt{}, err
	}
	rec := r.receipts[0]
	switch {
	case rec.Entry != nil:
		return rec, nil
	case len(rec.Errors) > 0:
		return rec, &worklog.Error{Code: worklog.CodeInvalid, Message: "not changed", Fields: rec.Errors}
	case rec.Reason != "":
		return rec, worklog.Errorf(worklog.CodeInvalid, "%s", rec.Reason)
	}
	return rec, worklog.Errorf(worklog.CodeNotFound, "no such entry")
}

func (s *Service) patchFacts(patch worklog.EntryPatch, now time.Time) (change.Facts, error) {
	d := worklog.Draft{Title: "unchanged", Metadata: patch.Metadata, EndedAt: patch.EndedAt}
	if patch.Title != nil {
		d.Title = *patch.Title
	}
	if patch.Details != nil {
		d.Details = *patch.Details
	}
	if patch.Status != nil {
		d.Status = *patch.Status
	}
	redacted := s.redactDetails(&d)
	d.Normalize()
	if err := d.Validate(now); err != nil {
		e := *err.(*worklog.Error)
		e.Message = "invalid patch"
		return change.Facts{}, &e
	}
	redacted += s.redactRest(&d)
	f := change.Of(&d, now)
	f.Redacted = redacted
	f.Type = ""
	if patch.Title == nil {
		f.Title = ""
	}
	if patch.Status == nil {
		f.Status = ""
	}
	return f, nil
}
