package store_test

import (
	"errors"
	"testing"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// What was on its way when the user was shut out must leave no words behind, however late it comes.
func TestAnOwnerWhoIsErasedGetsNoConversationAndNoEntryOfOurs(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	b.append(t, worklog.Draft{Title: "a", Conversation: "c", ConversationTitle: "words"})
	c, err := b.ConversationByKey(b.ctx, b.user.ID, "c")
	if err != nil {
		t.Fatal(err)
	}
	if err := by.BeginErasure(b.ctx, b.user.ID, "asked"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CreateConversation(b.ctx, b.user.ID, store.NewConversation{Title: "words"}); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("a conversation: %v", err)
	}
	if err := b.DeleteConversation(b.ctx, b.user.ID, c.ID); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("a deletion, which appends an entry: %v", err)
	}
	if n := one[int](t, b, "SELECT (SELECT count(*) FROM conversations) + (SELECT count(*) FROM work_logs)"); n != 2 {
		t.Errorf("%d conversations and entries, want 2", n)
	}
}

// A step of the rollups that has read the entries before they went writes after they went.
func TestWhatTheRollupsRememberOfAnErasedUserIsForgottenOnceMore(t *testing.T) {
	b := setup(t)
	_, by := b.admin(t, "root@example.org")
	b.append(t, worklog.Draft{Title: "a", Tool: "anntool", Status: worklog.StatusWorking})
	if err := by.BeginErasure(b.ctx, b.user.ID, "asked"); err != nil {
		t.Fatal(err)
	}
	step, err := b.raw.Begin(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := step.Exec(b.ctx, "SELECT pg_advisory_xact_lock($1)", 0x776c7275); err != nil { // as the worker does
		t.Fatal(err)
	}
	for after := int64(0); ; {
		n, last, err := b.EraseSome(b.ctx, b.user.ID, after)
		if err != nil {
			t.Fatal(err)
		}
		if after = last; n == 0 {
			break
		}
	}
	finished := make(chan error, 1)
	go func() { finished <- b.FinishErasure(b.ctx, b.user.ID) }()
	_, err = step.Exec(b.ctx, `INSERT INTO rollup_open (owner_id, seq, open, type, status, tool, took, created_at)
		VALUES ($1, 1, true, 'info', 'working', 'anntool', 0, now())`, b.user.ID)
	if err := errors.Join(err, step.Commit(b.ctx), <-finished); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, b, "SELECT count(*) FROM rollup_open"); n != 0 {
		t.Errorf("%d steps of the user are remembered", n)
	}
}
