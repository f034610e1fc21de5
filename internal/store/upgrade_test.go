package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// oldData is an installation as the first released schema held it.
const oldData = `
	INSERT INTO users (email, created_at) VALUES ('ann@example.org', now());
	INSERT INTO conversations (owner_id, id, key, title, entry_count, working_count, created_at, last_entry_at)
		SELECT id, '11111111-1111-4111-8111-111111111111', 'old', 'Old work', 2, 1, now(), now() FROM users;
	INSERT INTO work_log_stats (owner_id, last_rev, stored, hot, bytes) SELECT id, 2, 2, 2, 20 FROM users;
	INSERT INTO work_logs (owner_id, seq, rev, id, conversation_id, key, type, status, tool, title, details, started_at, logged_at, created_at, updated_at)
		SELECT id, 1, 1, '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'step', 'tool_call', 'working', 'Bash', 'npm test', '', now(), now(), now(), now() FROM users;
	INSERT INTO work_logs (owner_id, seq, rev, id, conversation_id, type, status, title, details, logged_at, created_at, updated_at)
		SELECT id, 2, 2, '33333333-3333-4333-8333-333333333333', '11111111-1111-4111-8111-111111111111', 'info', 'info', 'note', 'some text', now(), now(), now() FROM users;
	INSERT INTO sessions (token_hash, user_id, data, expires_at) SELECT '\x01', id, '{}', now() + interval '1 day' FROM users`

func TestInstallationOfTheFirstReleaseGoesOnWhereItWas_S25(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Empty(t))
	ctx := t.Context()
	for _, err := range []error{s.MigrateTo(ctx, "0001_init"), s.Exec(ctx, oldData), s.Migrate(ctx)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if d, err := s.Dashboard(ctx, rangeNamed(t, "1h"), time.Now(), 0); err != nil || d.Totals.Bytes != 25 || d.TierBytes[worklog.StorageHot] != 25 {
		t.Errorf("bytes after the upgrade: %+v, %v, want those of the rows, not the 20 that were noted", d, err)
	}
	u, _, err := s.UserByEmail(ctx, "ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Entries(ctx, store.EntryQuery{Owner: u.ID})
	if err != nil || len(page.Rows) != 2 || page.Rows[0].Title != "note" || page.Rows[0].Details != "some text" {
		t.Fatalf("entries after the upgrade: %+v, %v", page.Rows, err)
	}
	end := writeOf(u.ID, worklog.Draft{Title: "npm test", Key: "step", Conversation: "old", Status: worklog.StatusSuccess})
	results, _, err := s.Append(ctx, store.Batch{Now: time.Now().UTC(), Writes: []store.Write{end, writeOf(u.ID, worklog.Draft{Title: "new", Conversation: "old"})}})
	if err != nil || results[0].Outcome != worklog.OutcomeUpdated || results[1].Outcome != worklog.OutcomeStored {
		t.Fatalf("writes after the upgrade: %+v, %v", results, err)
	}
	c, err := s.ConversationByKey(ctx, u.ID, "old")
	if err != nil || c.EntryCount != 3 || c.WorkingCount != 0 {
		t.Errorf("conversation after the upgrade: %+v, %v", c, err)
	}
	stats, err := s.Stats(ctx, u.ID)
	if err != nil || stats.Stored != 3 || stats.Entries[worklog.StorageHot] != 3 {
		t.Errorf("stats after the upgrade: %+v, %v", stats, err)
	}
}

// What is done and noted must be so together: a process may be killed at any moment.
func TestAMigrationThatCanNotBeNotedIsNotDone(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Empty(t))
	ctx := t.Context()
	for _, err := range []error{
		s.MigrateTo(ctx, "0001_init"),
		s.Exec(ctx, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$"),
		s.Exec(ctx, "CREATE TRIGGER refuse BEFORE INSERT OR DELETE ON bun_migrations FOR EACH ROW EXECUTE FUNCTION refuse()"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Migrate(ctx); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("error %v", err)
	}
	noting := func(how string) {
		if err := s.Exec(ctx, "ALTER TABLE bun_migrations "+how+" TRIGGER refuse"); err != nil {
			t.Fatal(err)
		}
	}
	noting("DISABLE")
	if err := s.Migrate(ctx); err != nil {
		t.Fatalf("up again: %v", err)
	}
	noting("ENABLE")
	if err := s.MigrateDown(ctx); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("error %v", err)
	}
	noting("DISABLE")
	if err := s.MigrateDown(ctx); err != nil {
		t.Errorf("down again: %v", err)
	}
}
