package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// The plans of the write path are made once per connection, when its tables may be empty. They must be good for good.
func TestWritePathIsWarmFromTheFirstBatchAndPlannedForLargeTables(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "small", Conversation: "small", Key: "small", Status: worklog.StatusWorking, Tool: "Read"})
	if _, err := b.raw.Exec(b.ctx, "ANALYZE"); err != nil { // now it knows that reading all is quickest, today
		t.Fatal(err)
	}
	explained, plans := storetest.OpenExplained(t, b.dsn)
	if err := explained.Warm(b.ctx); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, b, "SELECT count(*) FROM work_logs"); n != 1 {
		t.Errorf("after warming there are %d entries", n)
	}
	connections := explained.WriterConnections()
	b.Store = explained
	b.append(t, worklog.Draft{Title: "first", Key: "k", Conversation: "c", Status: worklog.StatusWorking, Tool: "Bash"})
	b.append(t, worklog.Draft{Title: "first", Key: "k", Conversation: "c", Status: worklog.StatusSuccess, Tool: "Bash"}, worklog.Draft{Title: "second", Conversation: "c"})
	if n := explained.WriterConnections(); n != connections {
		t.Errorf("%d connections were open before the first batch, %d after it", connections, n)
	}
	statements := 0
	for _, plan := range plans.Take() {
		plan.Node.Walk(func(n storetest.Node) {
			statements++
			if strings.HasPrefix(n.Type, "Seq Scan") {
				t.Errorf("reads all of %s:\n%s", n.Table, plan.SQL)
			}
		})
	}
	if statements < 10 {
		t.Errorf("only %d steps of plans were seen", statements)
	}
}

func TestChangesAreTheSamePreparedOrFiltered(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "one", Conversation: "c", Details: strings.Repeat("ä", store.PreviewBytes), Metadata: worklog.Metadata{"k": "v"}, Key: "k", Parent: "p"})
	b.append(t, worklog.Draft{Title: "two", Status: worklog.StatusWorking, Tool: "Bash"}, worklog.Draft{Title: "three"})
	if _, err := b.raw.Exec(b.ctx, "UPDATE work_logs SET silent_after = 60, inferred = true WHERE seq = 2", pgx.QueryExecModeExec); err != nil {
		t.Fatal(err)
	}
	for range 7 { // PostgreSQL plans anew for the first five
		fast, err := b.Changes(b.ctx, b.user.ID, 0, "", 2)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := b.FilteredChanges(b.ctx, b.user.ID, 0, "", false, store.EntryFilter{}, 2)
		if err != nil || len(fast) != 2 || len(slow) != 2 {
			t.Fatalf("%d and %d changes, %v", len(fast), len(slow), err)
		}
		for i := range fast {
			if want, got := fmt.Sprintf("%+v", slow[i].Row), fmt.Sprintf("%+v", fast[i]); got != want {
				t.Errorf("change %d is\n%s, want\n%s", i, got, want)
			}
		}
	}
}
