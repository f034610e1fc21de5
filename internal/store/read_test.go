package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func (b *bundle) other(t *testing.T, email string) account.User {
	t.Helper()
	u, err := b.CreateUser(b.ctx, email, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func titles(rows []store.Row) (list []string) {
	for _, r := range rows {
		list = append(list, r.Title)
	}
	return list
}

func TestPagesGoBackWithoutGapOrOverlap(t *testing.T) {
	b := setup(t)
	var drafts []worklog.Draft
	for i := range 7 {
		drafts = append(drafts, worklog.Draft{Title: fmt.Sprint(i), Conversation: "c"})
	}
	b.append(t, drafts...)
	var got []string
	q := store.EntryQuery{Owner: b.user.ID, Limit: 3}
	for {
		page, err := b.Entries(b.ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, titles(page.Rows)...)
		if page.Cursor != 7 || page.Epoch == "" {
			t.Errorf("cursor %d epoch %q", page.Cursor, page.Epoch)
		}
		if page.Next == 0 {
			break
		}
		q.Before = page.Next
	}
	if fmt.Sprint(got) != "[6 5 4 3 2 1 0]" {
		t.Errorf("pages hold %v", got)
	}
}

func TestFiltersMatchAndChangesSayWhoLeft(t *testing.T) {
	b := setup(t)
	b.append(t,
		worklog.Draft{Title: "Bash: npm test", Type: worklog.TypeToolCall, Status: worklog.StatusWorking, Key: "k", Conversation: "c"},
		worklog.Draft{Title: "100% sure", Details: "needle in the details"}, worklog.Draft{Title: "a_b"})
	working := store.EntryFilter{Status: worklog.StatusWorking}
	for query, want := range map[store.EntryFilter]string{
		working: "[Bash: npm test]", {Query: "NEEDLE"}: "[100% sure]", {Query: "%"}: "[100% sure]", {Query: "_"}: "[a_b]",
		{Type: worklog.TypeToolCall, Query: "npm"}: "[Bash: npm test]", {Type: worklog.TypeError}: "[]",
	} {
		page, err := b.Entries(b.ctx, store.EntryQuery{Owner: b.user.ID, Filter: query})
		if err != nil || fmt.Sprint(titles(page.Rows)) != want {
			t.Errorf("%+v: %v, want %s (%v)", query, titles(page.Rows), want, err)
		}
	}
	b.append(t, worklog.Draft{Title: "Bash: npm test", Status: worklog.StatusSuccess, Key: "k"})
	changes, err := b.FilteredChanges(b.ctx, b.user.ID, 3, "", false, working, 10)
	if err != nil || len(changes) != 1 || changes[0].Matches {
		t.Errorf("changes %+v, %v", changes, err)
	}
}

func TestListsCarryAPreviewAndTheEntryEverything(t *testing.T) {
	b := setup(t)
	long := fmt.Sprintf("%05000d", 7)
	id := b.append(t, worklog.Draft{Title: "long", Details: long})[0].Row.ID
	page, err := b.Entries(b.ctx, store.EntryQuery{Owner: b.user.ID})
	if err != nil {
		t.Fatal(err)
	}
	if r := page.Rows[0]; len(r.Details) != store.PreviewBytes || r.DetailsBytes != 5000 {
		t.Errorf("list carries %d of %d bytes", len(r.Details), r.DetailsBytes)
	}
	r, err := b.Entry(b.ctx, b.user.ID, id)
	if err != nil || r.Details != long {
		t.Errorf("entry carries %d bytes, %v", len(r.Details), err)
	}
}

// S-05: what is not yours does not exist, until it is shared with the team.
func TestS05OnlyTeamConversationsAreReadableByOthers(t *testing.T) {
	b := setup(t)
	bob := b.other(t, "bob@example.org")
	r := b.append(t, worklog.Draft{Title: "mine", Conversation: "c"})[0].Row
	if _, err := b.Entry(b.ctx, bob.ID, r.ID); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("private entry: %v", err)
	}
	if _, err := b.Conversation(b.ctx, bob.ID, r.ConversationID); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("private conversation: %v", err)
	}
	team := worklog.VisibilityTeam
	if _, err := b.UpdateConversation(b.ctx, b.user.ID, r.ConversationID, worklog.ConversationPatch{Visibility: &team}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Entry(b.ctx, bob.ID, r.ID); err != nil || got.Owner != b.user.ID {
		t.Errorf("team entry: %+v, %v", got, err)
	}
	c, err := b.Conversation(b.ctx, bob.ID, r.ConversationID)
	if err != nil || c.Owner != "ann@example.org" || c.EntryCount != 1 {
		t.Errorf("team conversation: %+v, %v", c, err)
	}
	list, _, err := b.Conversations(b.ctx, store.ConversationQuery{Viewer: bob.ID, Team: true})
	if err != nil || len(list) != 1 {
		t.Errorf("team list: %+v, %v", list, err)
	}
	title := "stolen"
	if _, err := b.UpdateConversation(b.ctx, bob.ID, r.ConversationID, worklog.ConversationPatch{Title: &title}); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("another user renamed it: %v", err)
	}
	if err := b.DeleteConversation(b.ctx, bob.ID, r.ConversationID); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("another user deleted it: %v", err)
	}
}

func TestConversationsListPinnedFirstThenByActivity(t *testing.T) {
	b := setup(t)
	old := time.Now().Add(-48 * time.Hour)
	b.append(t, worklog.Draft{Title: "x", Conversation: "old", LoggedAt: &old})
	b.append(t, worklog.Draft{Title: "x", Conversation: "new"})
	pinned := b.append(t, worklog.Draft{Title: "x", Conversation: "pinned", LoggedAt: &old})[0].Row.ConversationID
	yes := true
	if _, err := b.UpdateConversation(b.ctx, b.user.ID, pinned, worklog.ConversationPatch{Pinned: &yes}); err != nil {
		t.Fatal(err)
	}
	var got []string
	q := store.ConversationQuery{Viewer: b.user.ID, Limit: 1}
	for {
		list, next, err := b.Conversations(b.ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			got = append(got, c.Key)
		}
		if next == "" {
			break
		}
		q.Before = next
	}
	if fmt.Sprint(got) != "[pinned new old]" {
		t.Errorf("order %v", got)
	}
	q.Before = "1.2.nonsense"
	if _, _, err := b.Conversations(b.ctx, q); worklog.CodeOf(err) != worklog.CodeMalformed {
		t.Errorf("forged cursor: %v", err)
	}
}

func TestADeletedConversationLeavesItsEntriesAndSaysSo(t *testing.T) {
	b := setup(t)
	r := b.append(t, worklog.Draft{Title: "stays", Key: "k", Status: worklog.StatusWorking, Conversation: "c", ConversationTitle: "Fix the build"}, worklog.Draft{Title: "too", Conversation: "c"})
	id := r[0].Row.ConversationID
	if err := b.DeleteConversation(b.ctx, b.user.ID, id); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Conversation(b.ctx, b.user.ID, id); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("hidden conversation: %v", err)
	}
	if err := b.FinishDeletions(b.ctx); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, b, "SELECT count(*) FROM conversations"); n != 0 {
		t.Errorf("%d conversations left", n)
	}
	page, err := b.Entries(b.ctx, store.EntryQuery{Owner: b.user.ID, Unfiled: true})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(titles(page.Rows)) != `[Conversation “Fix the build” deleted, its 2 entries stay too stays]` {
		t.Errorf("unfiled: %v", titles(page.Rows))
	}
	if _, err := b.Entry(b.ctx, b.user.ID, r[1].Row.ID); err != nil {
		t.Errorf("permalink: %v", err)
	}
	done := b.append(t, worklog.Draft{Title: "stays", Key: "k", Status: worklog.StatusSuccess, Conversation: "c"})[0]
	wantOutcome(t, done, worklog.OutcomeUpdated)
	if done.Row.ConversationID != "" {
		t.Errorf("the entry joined conversation %s", done.Row.ConversationID)
	}
	stats, err := b.Stats(b.ctx, b.user.ID)
	if err != nil || stats.Stored != 3 || stats.Entries[worklog.StorageHot] != 3 {
		t.Errorf("stats %+v, %v", stats, err)
	}
}

func TestForeignKeySetsTheConversationNull(t *testing.T) {
	b := setup(t)
	r := b.append(t, worklog.Draft{Title: "x", Conversation: "c"})[0].Row
	if _, err := b.raw.Exec(b.ctx, "DELETE FROM conversations WHERE id = $1", r.ConversationID); err != nil {
		t.Fatal(err)
	}
	got, err := b.Entry(b.ctx, b.user.ID, r.ID)
	if err != nil || got.ConversationID != "" || got.Owner != b.user.ID {
		t.Errorf("entry %+v, %v", got, err)
	}
	bob := b.other(t, "bob@example.org")
	his := b.append(t, worklog.Draft{Title: "x", Conversation: "d"})[0].Row.ConversationID
	if _, err := b.raw.Exec(b.ctx, "UPDATE work_logs SET owner_id = $1, conversation_id = $2", bob.ID, his); err == nil {
		t.Error("an entry can point into another owner's conversation")
	}
}

func TestMigrationsGoUpDownUpAndTwoMayStartAtOnce(t *testing.T) {
	t.Parallel()
	dsn := storetest.Empty(t)
	s, second := storetest.Open(t, dsn), storetest.Open(t, dsn)
	failed := make(chan error, 1)
	go func() { failed <- second.Migrate(context.WithoutCancel(t.Context())) }()
	for _, step := range []func(context.Context) error{s.Migrate, func(context.Context) error { return <-failed }, s.MigrateDown, s.Migrate, s.Migrate} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.MigrationStatus(t.Context())
	if err != nil || len(list) == 0 || list[0].AppliedAt.IsZero() {
		t.Errorf("status %+v, %v", list, err)
	}
	if _, err := s.CreateUser(t.Context(), "ann@example.org", "", true); err != nil {
		t.Error(err)
	}
}

func TestListenHearsWhatWasNotified(t *testing.T) {
	b := setup(t)
	ctx, cancel := context.WithCancel(b.ctx)
	heard := make(chan store.Control, 8)
	done := make(chan error, 1)
	go func() { done <- b.Listen(ctx, func(c store.Control) { heard <- c }) }()
	want := store.Control{Kind: store.ControlToken, ID: "x"}
	tick := time.NewTicker(20 * time.Millisecond) // the listener needs a moment to begin
	defer tick.Stop()
	for got := (store.Control{}); got != want; {
		select {
		case got = <-heard:
		case <-tick.C:
			if err := b.NotifyControl(b.ctx, want); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
