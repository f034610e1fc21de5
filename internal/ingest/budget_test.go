package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

func TestATokenThatWritesForOthersChangesOnlyItsOwnEntriesThere(t *testing.T) {
	b := setup(t)
	bob := b.user(t, "bob@example.org")
	p := b.token(t, "01890000-0000-7000-8000-000000000006", account.ScopeWriteAny, account.ScopeRead)
	run := worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusWorking}
	end := worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusSuccess, User: "bob@example.org"}
	wantOutcomes(t, b.append(t, bob, run), "stored")
	wantOutcomes(t, b.append(t, p, end), "invalid")
	end.Key = "own"
	wantOutcomes(t, b.append(t, p, end), "stored")
	end.Details = "late"
	wantOutcomes(t, b.append(t, p, end), "updated")
	wantOutcomes(t, b.append(t, b.me, run), "stored")
	end.Key, end.User = "k", ""
	wantOutcomes(t, b.append(t, p, end), "updated")
}

func TestATokenHasOneImportBudgetWhoeverItWritesFor(t *testing.T) {
	b := setup(t)
	b.user(t, "bob@example.org")
	p := b.token(t, "01890000-0000-7000-8000-000000000007", account.ScopeWriteAny)
	old := b.clock.now().Add(-time.Hour)
	list := func(user string) (list []worklog.Draft) {
		for i := range 8 {
			list = append(list, worklog.Draft{Title: fmt.Sprint(i), LoggedAt: &old, User: user})
		}
		return list
	}
	wantOutcomes(t, b.append(t, p, list("")...), strings.TrimSpace(strings.Repeat("stored ", 8)))
	if _, err := b.Append(b.ctx, p, list("bob@example.org")); worklog.CodeOf(err) != worklog.CodeRateLimited {
		t.Errorf("error %v", err)
	}
}

// A list of 60 KB is one key.
func TestTheQueueCountsMetadataAsItIs(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	b.store.hang = make(chan struct{})
	defer close(b.store.hang)
	big := worklog.Metadata{"l": []any{strings.Repeat("x", 60<<10)}}
	list := make([]worklog.Draft, 1000)
	for i := range list {
		list[i] = worklog.Draft{Title: "x", Key: fmt.Sprint(i), Metadata: big}
	}
	refused := make(chan error, 3)
	for range 3 { // one is under way, one waits, and 60 MB more do not
		go func() {
			_, err := b.Append(b.ctx, b.me, slices.Clone(list)) // it normalizes them in place
			refused <- err
		}()
	}
	if err := <-refused; worklog.CodeOf(err) != worklog.CodeUnavailable || !strings.Contains(err.Error(), "too many drafts are waiting") {
		t.Errorf("error %v", err)
	}
}
