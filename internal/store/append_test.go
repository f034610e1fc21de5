package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// bundle is a store with one user and a connection that sees what the store wrote.
type bundle struct {
	*store.Store
	ctx  context.Context
	dsn  string
	raw  *pgx.Conn
	user account.User
}

func setup(t *testing.T) *bundle {
	t.Helper()
	t.Parallel()
	dsn := storetest.DSN(t)
	b := &bundle{Store: storetest.Open(t, dsn), ctx: t.Context(), dsn: dsn}
	b.raw = b.connect(t)
	var err error
	if b.user, err = b.CreateUser(b.ctx, "ann@example.org", "", false); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(b.ctx, b.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// write returns a Write of d for the bundle's user.
func (b *bundle) write(d worklog.Draft) store.Write {
	d.Normalize()
	return store.Write{
		Owner: b.user.ID, EntryID: uuid.Must(uuid.NewV7()).String(), Key: d.Key, Conversation: d.Conversation, ConversationID: d.ConversationID,
		ConversationTitle: d.ConversationTitle, Facts: change.Of(&d, time.Now().UTC().Truncate(time.Microsecond)),
	}
}

// append writes drafts in one batch and fails the test if it can not.
func (b *bundle) append(t *testing.T, drafts ...worklog.Draft) []store.Result {
	t.Helper()
	batch := store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond)}
	for _, d := range drafts {
		batch.Writes = append(batch.Writes, b.write(d))
	}
	results, locked, err := b.Append(b.ctx, batch)
	if err != nil || len(locked) > 0 {
		t.Fatalf("append: %v, locked %v", err, locked)
	}
	return results
}

// one returns a single value of the database.
func one[T any](t *testing.T, b *bundle, sql string, args ...any) (v T) {
	t.Helper()
	if err := b.raw.QueryRow(b.ctx, sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func wantOutcome(t *testing.T, r store.Result, want worklog.Outcome) {
	t.Helper()
	if r.Outcome != want {
		t.Fatalf("outcome %q, want %q (%v)", r.Outcome, want, r.Error)
	}
}

func TestFirstEntryOnAnEmptyDatabaseCounts(t *testing.T) {
	b := setup(t)
	r := b.append(t, worklog.Draft{Title: "first", Conversation: "c", Details: "abc", Metadata: worklog.Metadata{"k": 1}})[0]
	wantOutcome(t, r, worklog.OutcomeStored)
	if r.Row.Seq != 1 || r.Row.Rev != 1 || r.Row.ConversationID == "" {
		t.Errorf("row %+v", r.Row)
	}
	stats, err := b.Stats(b.ctx, b.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	if stats.Stored != 1 || stats.Received != 1 || stats.Entries[worklog.StorageHot] != 1 || stats.Bytes != int64(len("first")+len("abc")+len(`{"k": 1}`)) {
		t.Errorf("stats %+v", stats)
	}
}

func TestSameKeyIsTheSameEntry(t *testing.T) {
	b := setup(t)
	first := b.append(t, worklog.Draft{Title: "Bash: npm test", Key: "k", Status: worklog.StatusWorking, Conversation: "c"})[0]
	again := b.append(t, worklog.Draft{Title: "Bash: npm test", Key: "k", Status: worklog.StatusWorking, Conversation: "c", StartedAt: &first.Row.StartedAt})[0]
	wantOutcome(t, again, worklog.OutcomeUnchanged)
	done := b.append(t, worklog.Draft{Title: "Bash: npm test", Key: "k", Status: worklog.StatusSuccess, Details: "ok"})[0]
	wantOutcome(t, done, worklog.OutcomeUpdated)
	if done.Row.ID != first.Row.ID || done.Row.Seq != first.Row.Seq || done.Row.Rev != 2 || done.Row.EndedAt.IsZero() {
		t.Errorf("first %+v, done %+v", first.Row, done.Row)
	}
	if n := one[int](t, b, "SELECT count(*) FROM work_logs"); n != 1 {
		t.Errorf("%d rows", n)
	}
	if n := one[int](t, b, "SELECT working_count FROM conversations"); n != 0 {
		t.Errorf("%d steps still count as running", n)
	}
}

func TestOneBatchStoresCompletesAndMergesOneKey(t *testing.T) {
	b := setup(t)
	r := b.append(t,
		worklog.Draft{Title: "step", Key: "k", Status: worklog.StatusWorking, Conversation: "new"},
		worklog.Draft{Title: "step", Key: "k", Status: worklog.StatusSuccess, Conversation: "new"},
		worklog.Draft{Title: "other", Conversation: "new"})
	wantOutcome(t, r[0], worklog.OutcomeStored)
	wantOutcome(t, r[1], worklog.OutcomeUpdated)
	if r[0].Row.Status != worklog.StatusSuccess || r[0].Row.Rev != 1 || r[2].Row.Seq != 2 {
		t.Errorf("results %+v", r)
	}
	if n := one[int](t, b, "SELECT entry_count FROM conversations WHERE key = 'new'"); n != 2 {
		t.Errorf("conversation counts %d entries", n)
	}
}

func TestAKeyOfAnotherConversationIsRefused(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "a", Key: "k", Conversation: "one"})
	r := b.append(t, worklog.Draft{Title: "a", Key: "k", Conversation: "two"}, worklog.Draft{Title: "good", Conversation: "two"})
	wantOutcome(t, r[0], worklog.OutcomeInvalid)
	if r[0].Error == nil || r[0].Error.Fields[0].Field != "key" {
		t.Errorf("error %v", r[0].Error)
	}
	wantOutcome(t, r[1], worklog.OutcomeStored)
}

// While its entries are taken out of a deleted conversation, and after, an entry still accepts its key, however the
// writer names the conversation.
func TestAnEntryOfADeletedConversationAcceptsItsKey(t *testing.T) {
	b := setup(t)
	start := func(key string) string {
		r := b.append(t, worklog.Draft{Title: "run", Key: key, Status: worklog.StatusWorking, Conversation: "c"})[0]
		return r.Row.ConversationID
	}
	end := func(key string) worklog.Draft {
		return worklog.Draft{Title: "run", Key: key, Status: worklog.StatusSuccess}
	}
	var id string
	for i := range 6 {
		id = start(fmt.Sprint(i))
	}
	if err := b.DeleteConversation(b.ctx, b.user.ID, id); err != nil {
		t.Fatal(err)
	}
	complete := func(key string, byID bool) {
		t.Helper()
		d := end(key)
		if d.Conversation = "c"; byID {
			d.Conversation, d.ConversationID = "", id
		}
		r := b.append(t, d)[0]
		wantOutcome(t, r, worklog.OutcomeUpdated)
		if r.Row.Status != worklog.StatusSuccess {
			t.Errorf("row %+v", r.Row)
		}
	}
	complete("0", false)
	complete("1", true)
	wantOutcome(t, b.append(t, worklog.Draft{Title: "new", ConversationID: id})[0], worklog.OutcomeInvalid)
	b.append(t, worklog.Draft{Title: "new", Conversation: "c"}) // another conversation of that key
	complete("2", false)
	complete("3", true)
	if err := b.FinishDeletions(b.ctx); err != nil {
		t.Fatal(err)
	}
	complete("4", false)
	complete("5", true)
	if n := one[int](t, b, "SELECT entry_count FROM conversations"); n != 1 {
		t.Errorf("the new conversation counts %d entries", n)
	}
}

func TestALockedOwnerDoesNotHoldUpOthers(t *testing.T) {
	b := setup(t)
	bob, err := b.CreateUser(b.ctx, "bob@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	b.append(t, worklog.Draft{Title: "makes the stats row"})
	tx, err := b.raw.Begin(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(b.ctx, "SELECT 1 FROM work_log_stats WHERE owner_id = $1 FOR UPDATE", b.user.ID); err != nil {
		t.Fatal(err)
	}
	mine, his := b.write(worklog.Draft{Title: "mine"}), b.write(worklog.Draft{Title: "his"})
	his.Owner = bob.ID
	results, locked, err := b.Append(b.ctx, store.Batch{Now: time.Now().UTC(), Writes: []store.Write{mine, his}})
	if err != nil {
		t.Fatal(err)
	}
	if len(locked) != 1 || locked[0] != b.user.ID || results[0].Outcome != "" || results[1].Outcome != worklog.OutcomeStored {
		t.Errorf("locked %v, results %+v", locked, results)
	}
	if err := tx.Rollback(b.ctx); err != nil {
		t.Fatal(err)
	}
	if got := b.append(t, worklog.Draft{Title: "mine"})[0].Row.Seq; got != 2 {
		t.Errorf("seq %d after the lock is gone, want 2", got)
	}
}

// A reader that follows rev > last must never miss a row, whatever the order of commits.
func TestAReaderByRevMissesNothing(t *testing.T) {
	b := setup(t)
	const writers, each = 4, 40
	var wg sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				for {
					d := worklog.Draft{Title: fmt.Sprintf("%d/%d", w, i)}
					_, locked, err := b.Append(b.ctx, store.Batch{Now: time.Now().UTC(), Writes: []store.Write{b.write(d)}})
					if err != nil {
						t.Error(err)
						return
					}
					if len(locked) == 0 {
						break
					}
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	seen := map[int64]bool{}
	last := int64(0)
	for finished := false; ; {
		rows, err := b.Changes(b.ctx, b.user.ID, last, "", 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Rev <= last || seen[r.Seq] {
				t.Fatalf("rev %d after %d", r.Rev, last)
			}
			last, seen[r.Seq] = r.Rev, true
		}
		if finished && len(rows) == 0 {
			break
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
	if len(seen) != writers*each {
		t.Errorf("reader saw %d of %d", len(seen), writers*each)
	}
	stats, err := b.Stats(b.ctx, b.user.ID)
	if err != nil || stats.Stored != writers*each {
		t.Errorf("stats %+v, %v", stats, err)
	}
}

func TestS01TextIsStoredByteForByte(t *testing.T) {
	b := setup(t)
	for _, text := range []string{
		`'; DROP TABLE work_logs;--`, `? ?0 ?msg $1 \\`, "-1 before -?", strings.Repeat("'", 1<<16), "\u202e\u200d\x1b[2J\x1b]52;c;x\a", `\u0000`, "{1,2,NULL}", `"quoted",\`,
	} {
		r := b.append(t, worklog.Draft{Title: worklog.Cut(text, 400), Details: text, Key: worklog.Cut(text, 200), Conversation: worklog.Cut(text, 200), Tool: worklog.Cut(text, 60),
			Metadata: worklog.Metadata{worklog.Cut(text, 100): text}})[0]
		wantOutcome(t, r, worklog.OutcomeStored)
		got, err := b.Entry(b.ctx, b.user.ID, r.Row.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Details != text || got.Title != worklog.Cut(text, 400) || got.Metadata[worklog.Cut(text, 100)] != text || got.Tool != worklog.Cut(text, 60) {
			t.Errorf("%.40q came back as %.40q, metadata %.60v", text, got.Details, got.Metadata)
		}
	}
}

func TestRepeatsAndNotesChangeTheirEntryInPlace(t *testing.T) {
	b := setup(t)
	r := b.append(t, worklog.Draft{Title: "again", Conversation: "c"})[0]
	note := b.write(worklog.Draft{Title: "1 entry suppressed", Status: worklog.StatusWarning, Key: "n", Conversation: "c"})
	note.Note = true
	batch := store.Batch{
		Now: time.Now().UTC(), Noted: map[int64]int64{b.user.ID: 1}, Counts: map[int64]worklog.Counts{b.user.ID: {Merged: 2, Limited: 1}},
		Writes: []store.Write{{Owner: b.user.ID, EntryID: r.Row.ID, Repeats: 2}, note},
	}
	if _, _, err := b.Append(b.ctx, batch); err != nil {
		t.Fatal(err)
	}
	note.Facts.Title = "5 entries suppressed"
	if _, _, err := b.Append(b.ctx, store.Batch{Now: time.Now().UTC(), Writes: []store.Write{note}}); err != nil {
		t.Fatal(err)
	}
	page, err := b.Entries(b.ctx, store.EntryQuery{Owner: b.user.ID})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Rows) != 2 || page.Rows[0].Title != "5 entries suppressed" || page.Rows[1].Repeats != 3 || page.Rows[0].ConversationID != r.Row.ConversationID {
		t.Errorf("rows %+v", page.Rows)
	}
	stats, err := b.Stats(b.ctx, b.user.ID)
	if err != nil || stats.Stored != 2 || stats.Merged != 2 || stats.Limited != 1 || stats.Received != 5 {
		t.Errorf("stats %+v, %v", stats, err)
	}
}
