package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/worklog"
)

// refuseTitles lets PostgreSQL refuse entries by their titles. No draft that is valid is known to be refused.
func (b *bundle) refuseTitles(t *testing.T, pattern string) {
	t.Helper()
	conn, err := pgx.Connect(b.ctx, b.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(b.ctx, "ALTER TABLE work_logs ADD CONSTRAINT odd CHECK (title NOT LIKE '"+pattern+"')"); err != nil {
		t.Fatal(err)
	}
}

func TestAValueThatOnlyPostgreSQLRefusesFailsAlone(t *testing.T) {
	b := setup(t)
	b.refuseTitles(t, "odd")
	odd := worklog.Draft{Title: "odd"}
	receipts := b.append(t, b.me, worklog.Draft{Title: "one"}, odd, odd, worklog.Draft{Title: "two"}, worklog.Draft{Title: "one"})
	wantOutcomes(t, receipts, "stored invalid invalid stored merged")
	stats, rows := b.flushed(t)
	if stats.Stored != 2 || stats.Invalid != 2 || stats.Merged != 1 || len(rows) != 2 {
		t.Errorf("stats %+v, %d rows", stats, len(rows))
	}
	if state := b.limiter.State(limit.Window{Owner: b.me.User.ID}); state.Remaining != perMinute-2 {
		t.Errorf("%d places left", state.Remaining)
	}
}

// One transaction for each neighbour held everybody up for seconds.
func TestAValueThatOnlyPostgreSQLRefusesIsFoundByHalving(t *testing.T) {
	b := setup(t)
	b.refuseTitles(t, "odd%")
	p := b.token(t, "01890000-0000-7000-8000-000000000005", account.ScopeWrite)
	p.Token.Limit = 1_000_000
	list := drafts(500, "c")
	list[100].Title, list[499].Title = "odd 1", "odd 2"
	receipts := b.append(t, p, list...)
	for i, r := range receipts {
		if want := list[i].Title[:3] != "odd"; (r.Outcome == worklog.OutcomeStored) != want {
			t.Fatalf("draft %d %q: %+v", i, list[i].Title, r)
		}
	}
	if n := b.store.batches.Load(); n > 40 {
		t.Errorf("%d transactions", n)
	}
	stats, _ := b.flushed(t)
	if stats.Stored != 498 || stats.Invalid != 2 {
		t.Errorf("stats %+v", stats)
	}
}

// Two requests say the same, and a third draft is refused; while that is looked for the database goes away.
func TestARepeatOfAnotherRequestIsNotAnsweredWhenTheDatabaseGoesAway(t *testing.T) {
	b := setup(t)
	b.refuseTitles(t, "odd")
	release := make(chan struct{})
	b.store.mu.Lock()
	b.store.hang = release
	b.store.errs = []error{nil, nil, &worklog.Error{Code: worklog.CodeUnavailable, Message: "away"}}
	b.store.mu.Unlock()
	answers := make(chan error, 3)
	for i, list := range [][]worklog.Draft{{{Title: "under way"}}, {{Title: "same"}, {Title: "odd"}}, {{Title: "same"}}} {
		go func() {
			receipts, err := b.Append(b.ctx, b.me, list)
			if err == nil && strings.Contains(outcomes(receipts)+" ", "  ") || outcomes(receipts) == "" && err == nil {
				err = fmt.Errorf("request %d is answered with %+v", i, receipts)
			}
			answers <- err
		}()
		for b.store.batches.Load() == 0 || b.Snapshot().Queued < []int{0, 2, 3}[i] {
			<-time.After(time.Millisecond)
		}
	}
	close(release)
	away := 0
	for range 3 {
		switch err := <-answers; {
		case err == nil:
		case worklog.CodeOf(err) == worklog.CodeUnavailable:
			away++
		default:
			t.Error(err)
		}
	}
	if away != 2 {
		t.Errorf("%d requests were told to try again, want 2", away)
	}
}
