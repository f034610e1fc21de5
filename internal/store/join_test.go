package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// conversationsOf returns the owner's conversations by key.
func (b *bundle) conversationsOf(t *testing.T) map[string]store.Conversation {
	t.Helper()
	list, _, err := b.Conversations(b.ctx, store.ConversationQuery{Viewer: b.user.ID})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]store.Conversation{}
	for _, c := range list {
		all[c.Key] = c
	}
	return all
}

func TestAConversationThatIsNamedLateTakesTheName(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Conversation: "trace"})
	before := b.conversationsOf(t)["trace"]
	for range 2 { // again, it is no more there, and nothing happens
		if err := b.JoinConversation(b.ctx, b.user.ID, "", "trace", "session"); err != nil {
			t.Fatal(err)
		}
	}
	b.append(t, worklog.Draft{Title: "b", Conversation: "session"})
	all := b.conversationsOf(t)
	if len(all) != 1 || all["session"].ID != before.ID || all["session"].EntryCount != 2 {
		t.Errorf("%+v", all)
	}
}

func TestJoinedConversationsHaveAllEntriesOnceAndShowThemAsNews(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Conversation: "session"},
		worklog.Draft{Title: "b", Conversation: "trace", Key: "k", Status: worklog.StatusWorking}, worklog.Draft{Title: "c", Conversation: "trace", Status: worklog.StatusError})
	session := b.conversationsOf(t)["session"]
	page, err := b.Entries(b.ctx, store.EntryQuery{Owner: b.user.ID, Conversation: session.ID, Limit: 10})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("%v, %v", titles(page.Rows), err)
	}
	if err := b.JoinConversation(b.ctx, b.user.ID, "", "trace", "session"); err != nil {
		t.Fatal(err)
	}
	all := b.conversationsOf(t)
	if c := all["session"]; len(all) != 1 || c.ID != session.ID || c.EntryCount != 3 || c.WorkingCount != 1 || c.ErrorCount != 1 {
		t.Errorf("%+v", all)
	}
	after, err := b.Entries(b.ctx, store.EntryQuery{Owner: b.user.ID, Conversation: session.ID, Limit: 10})
	if err != nil || fmt.Sprint(titles(after.Rows)) != "[c b a]" || after.Cursor != page.Cursor+2 {
		t.Errorf("%v, cursor %d after %d, %v", titles(after.Rows), after.Cursor, page.Cursor, err)
	}
	for _, r := range after.Rows[:2] {
		if r.Rev <= page.Cursor {
			t.Errorf("%q has rev %d: nobody who watches learns of it", r.Title, r.Rev)
		}
	}
	b.append(t, worklog.Draft{Title: "b", Conversation: "session", Key: "k", Status: worklog.StatusSuccess})
	if c := b.conversationsOf(t)["session"]; c.EntryCount != 3 || c.WorkingCount != 0 {
		t.Errorf("%+v", c)
	}
}

func TestATokenJoinsNothingThatOthersWrote(t *testing.T) {
	b := setup(t)
	mine, other := uuid.NewString(), uuid.NewString()
	for _, token := range []string{mine, other} {
		w := b.write(worklog.Draft{Title: "a", Conversation: "trace"})
		w.TokenID = token
		if err := b.JoinConversation(b.ctx, b.user.ID, other, "trace", "session"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Append(b.ctx, store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond), Writes: []store.Write{w}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range []string{mine, other, ""} {
		if err := b.JoinConversation(b.ctx, b.user.ID, token, "trace", "session"); err != nil {
			t.Fatal(err)
		}
	}
	if all := b.conversationsOf(t); len(all) != 1 || all["trace"].EntryCount != 2 {
		t.Errorf("%+v", all)
	}
}

func TestWhatSomebodyPinnedStaysAsItIs(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Conversation: "session"}, worklog.Draft{Title: "b", Conversation: "trace"})
	pinned := true
	if _, err := b.UpdateConversation(b.ctx, b.user.ID, b.conversationsOf(t)["trace"].ID, worklog.ConversationPatch{Pinned: &pinned}); err != nil {
		t.Fatal(err)
	}
	if err := b.JoinConversation(b.ctx, b.user.ID, "", "trace", "session"); err != nil {
		t.Fatal(err)
	}
	if all := b.conversationsOf(t); len(all) != 2 || all["trace"].EntryCount != 1 {
		t.Errorf("%+v", all)
	}
}
