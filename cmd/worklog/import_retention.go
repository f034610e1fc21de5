package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// maxDueConversations bounds the conversations that are counted one by one.
const maxDueConversations = 100_000

// due is what of an import the next sweep of retention would delete.
type due struct {
	entries, unfiled int64
	conversations    map[string]struct{}
}

func (x *due) count(d *worklog.Draft, o worklog.Outcome, r *worklog.Retention) {
	if r == nil || d.LoggedAt == nil || o == worklog.OutcomeInvalid || !d.LoggedAt.Before(r.DeletesBefore()) {
		return
	}
	x.entries++
	if d.Conversation == "" && d.ConversationID == "" {
		x.unfiled++
		return
	}
	if x.conversations == nil {
		x.conversations = map[string]struct{}{}
	}
	if len(x.conversations) < maxDueConversations {
		x.conversations[d.Conversation+"\x00"+d.ConversationID] = struct{}{}
	}
}

// askRetention asks the server once, before the first batch, how entries age there. One that is away is not asked again
// before it answers; one that does not know the question keeps nothing.
func (im *importer) askRetention() error {
	var away time.Time
	for im.retention == nil {
		r, err := im.c.Retention(im.a.ctx)
		if err == nil || worklog.CodeOf(err) == worklog.CodeNotFound {
			im.retention = &r
			break
		}
		wait, err := im.patience(&away, 0, err)
		if err != nil {
			return err
		}
		im.progress.note(fmt.Sprintf("the server does not answer, waiting %v", wait.Round(time.Second)))
		if err := pauseFor(im.a.ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// tellRetention says what the next sweep would delete, and what was done about it.
func (im *importer) tellRetention() {
	if im.due.entries == 0 {
		return
	}
	r, kept := im.retention, len(im.due.conversations)
	text := fmt.Sprintf("retention: the next sweep (%s UTC) deletes what is older than %s, and that is %d of these entries",
		r.NextSweep.UTC().Format("2006-01-02 15:04"), daysOf(r.DeleteAfter), im.due.entries)
	switch {
	case !im.keep:
		text += "; without --no-keep their conversations would be kept"
	case kept == 1:
		text += "; their conversation is marked to be kept, so they stay"
	case kept > 1:
		text += fmt.Sprintf("; their %d conversations are marked to be kept, so they stay", kept)
	}
	if im.keep && im.due.unfiled > 0 {
		text += fmt.Sprintf("; %d belong to no conversation and go", im.due.unfiled)
	}
	im.progress.print(text)
}

func daysOf(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// interrupted reports whether err only says that somebody has pressed Ctrl-C.
func (im *importer) interrupted(err error) bool {
	return im.a.ctx.Err() != nil && (errors.Is(err, im.a.ctx.Err()) || worklog.CodeOf(err) == worklog.CodeUnavailable)
}
