package ingest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

func away() error { return &worklog.Error{Code: worklog.CodeUnavailable, Message: "away"} }

func TestRefusedTwinsHaveTheirOwnErrors(t *testing.T) {
	b := setup(t)
	d := worklog.Draft{Title: "x", ConversationID: "01890000-0000-7000-8000-000000000001"}
	r := b.append(t, b.me, d, d)
	r[0].Errors[0].Field = "0." + r[0].Errors[0].Field
	if got := r[1].Errors[0].Field; got != "conversation_id" {
		t.Errorf("the second one's field is %q", got)
	}
}

// A writer who is told that nothing was stored sends all of it again.
func TestWhatIsSentAgainIsCountedOnce(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	b.append(t, b.me, worklog.Draft{Title: "A"})
	drafts := []worklog.Draft{{Title: "A"}, {Title: "B"}, {}}
	for range 3 {
		b.store.mu.Lock()
		b.store.errs = []error{away()}
		b.store.mu.Unlock()
		if _, err := b.Append(b.ctx, b.me, drafts); worklog.CodeOf(err) != worklog.CodeUnavailable {
			t.Fatalf("while the database is away: %v", err)
		}
	}
	wantOutcomes(t, b.append(t, b.me, drafts...), "merged stored invalid")
	stats, rows := b.flushed(t)
	if stats.Merged != 1 || stats.Invalid != 1 || rows[1].Repeats != 2 {
		t.Errorf("merged %d, invalid %d, repeats %d", stats.Merged, stats.Invalid, rows[1].Repeats)
	}
}

func TestCountsOfOthersSurviveARefusedDraft(t *testing.T) {
	b := setup(t)
	b.refuseTitles(t, "odd")
	b.append(t, b.me, worklog.Draft{Title: "first"})
	b.clock.stop()
	b.Refused(b.me, 3)
	bob := b.user(t, "bob@example.org")
	b.clock.move(2 * time.Second)
	wantOutcomes(t, b.append(t, bob, worklog.Draft{Title: "odd"}), "invalid")
	if stats, _ := b.flushed(t); stats.Invalid != 3 {
		t.Errorf("%d are counted, want 3", stats.Invalid)
	}
}

// A request that only repeats what is stored may meet a batch of counts that the database refuses.
func TestARepeatIsMergedThoughCountsAreRefused(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	b.Refused(b.me, 3)
	b.clock.move(500 * time.Millisecond)
	b.append(t, b.me, worklog.Draft{Title: "A"})
	b.store.mu.Lock()
	b.store.errs = []error{&worklog.Error{Code: worklog.CodeInvalid, Message: "odd"}}
	b.store.mu.Unlock()
	b.clock.move(600 * time.Millisecond) // the counts are due, and A is not a second old
	wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "A"}), "merged")
}

// gone is a database that does not come back.
type gone struct{ asked int }

func (g *gone) Append(context.Context, store.Batch) ([]store.Result, []int64, error) {
	g.asked++
	return nil, nil, away()
}

func (g *gone) Untold(context.Context) (map[int64]store.Untold, error) { return nil, away() }

func (g *gone) UserByEmail(context.Context, string) (account.User, string, error) {
	return account.User{}, "", away()
}

func TestAStopDoesNotHammerADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := new(gone)
		s := ingest.New(db, db, limit.New(limit.Options{Now: time.Now}), func(int64) {}, ingest.Options{})
		s.Refused(&account.Principal{User: account.User{ID: 1}}, 1)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		began := time.Now()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); db.asked < 10 || db.asked > 100 || took > 11*time.Second {
			t.Errorf("asked %d times in %v", db.asked, took)
		}
	})
}
