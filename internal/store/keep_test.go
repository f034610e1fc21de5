package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// mortal counts entries that retention may delete: neither they nor their conversation is kept.
const mortal = `SELECT count(*) FROM work_logs w WHERE w.source <> 'worklog' AND NOT w.keep
	AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.owner_id = w.owner_id AND c.id = w.conversation_id AND c.keep)`

func (b *bundle) setKeep(t *testing.T, id string, keep bool) {
	t.Helper()
	if c, err := b.UpdateConversation(b.ctx, b.user.ID, id, worklog.ConversationPatch{Keep: &keep}); err != nil || c.Keep != keep {
		t.Fatalf("%+v, %v", c, err)
	}
}

func steps(conversation string, n int) []worklog.Draft {
	drafts := make([]worklog.Draft, n)
	for i := range drafts {
		drafts[i] = worklog.Draft{Title: fmt.Sprintf("step %d", i), Conversation: conversation}
	}
	return drafts
}

func TestKeepHoldsFromTheMomentItIsSetUntilItIsLifted(t *testing.T) {
	b := setup(t)
	id := b.append(t, steps("c", 3)...)[0].Row.ConversationID
	b.append(t, steps("other", 2)...)
	for _, want := range []struct {
		keep   bool
		mortal int
	}{{true, 2}, {false, 7}, {true, 2}} {
		b.setKeep(t, id, want.keep)
		if want.keep {
			b.append(t, worklog.Draft{Title: "later", Conversation: "c"}, worklog.Draft{Title: "and later", Conversation: "c"})
		}
		if n := one[int](t, b, mortal); n != want.mortal {
			t.Errorf("keep %v: %d entries may be deleted, want %d", want.keep, n, want.mortal)
		}
	}
}

func TestWhatWasMarkedByAnOlderVersionAgesAgain(t *testing.T) {
	b := setup(t)
	id := b.append(t, steps("c", 250)...)[0].Row.ConversationID
	b.setKeep(t, id, true)
	if _, err := b.raw.Exec(b.ctx, "UPDATE work_logs SET keep = true"); err != nil {
		t.Fatal(err)
	}
	b.setKeep(t, id, false)
	if n := one[int](t, b, mortal); n != 250 {
		t.Errorf("%d of 250 entries may be deleted", n)
	}
}

// A kill between two batches of a deletion leaves some entries inside the hidden conversation and some outside. All of
// them must be kept at every moment.
func TestDeletingAKeptConversationLosesNothing(t *testing.T) {
	b := setup(t)
	id := b.append(t, steps("c", 450)...)[0].Row.ConversationID
	b.setKeep(t, id, true)
	if err := b.DeleteConversation(b.ctx, b.user.ID, id); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- b.FinishDeletions(ctx) }()
	for one[int](t, b, "SELECT count(*) FROM work_logs WHERE conversation_id IS NULL AND source <> 'worklog'") == 0 {
		if n := one[int](t, b, mortal); n != 0 {
			t.Fatalf("%d entries may be deleted before the first batch is over", n)
		}
	}
	kill()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) && worklog.CodeOf(err) != worklog.CodeUnavailable {
		t.Logf("killed with %v", err)
	}
	if n := one[int](t, b, mortal); n != 0 {
		t.Errorf("%d entries may be deleted after a kill", n)
	}
	if err := b.FinishDeletions(b.ctx); err != nil {
		t.Fatal(err)
	}
	if kept, left := one[int](t, b, "SELECT count(*) FROM work_logs WHERE keep AND conversation_id IS NULL"), one[int](t, b, "SELECT count(*) FROM conversations"); kept != 450 || left != 0 {
		t.Errorf("%d of 450 entries are kept, %d conversations are left", kept, left)
	}
	if done := b.append(t, worklog.Draft{Title: "anew", Conversation: "c"})[0].Row; done.ConversationID == id || one[int](t, b, mortal) != 1 {
		t.Error("an entry of a new conversation with the same key is kept")
	}
}

func TestAWriteKeepsTheConversationItNames(t *testing.T) {
	b := setup(t)
	known := b.append(t, worklog.Draft{Title: "known", Key: "k", Conversation: "known"}, worklog.Draft{Title: "x", Conversation: "other"})[0].Row.ConversationID
	batch := store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond)}
	for _, d := range []worklog.Draft{{Title: "known", Key: "k", Conversation: "known"}, {Title: "a", Conversation: "new"}, {Title: "b", Conversation: "new"}, {Title: "unfiled"}} {
		w := b.write(d)
		w.Keep = true
		batch.Writes = append(batch.Writes, w)
	}
	results, _, err := b.Append(b.ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, results[0], worklog.OutcomeUnchanged)
	for id, want := range map[string]bool{known: true, results[1].Row.ConversationID: true} {
		if c, err := b.Conversation(b.ctx, b.user.ID, id); err != nil || c.Keep != want {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if n := one[int](t, b, "SELECT count(*) FROM conversations WHERE keep"); n != 2 {
		t.Errorf("%d conversations are kept", n)
	}
}
