package faulttest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { apptest.Main(m) }

const (
	writerCount = 8
	// tryTimeout bounds one call of a writer, so that a kill costs it little time.
	tryTimeout = 3 * time.Second
	// unlimited is a limit that no test reaches.
	unlimited = "1000000"
)

// writers post entries with keys, one after the other, and repeat each until it is acknowledged.
type writers struct {
	acknowledged atomic.Int64
	cancel       context.CancelFunc
	wg           sync.WaitGroup

	mu     sync.Mutex
	keys   map[string]bool // acknowledged
	strays []string        // answers that must not happen
}

// startWriters starts writers for the app's user. They end with the test at the latest.
func startWriters(t *testing.T, app *apptest.App) *writers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &writers{cancel: cancel, keys: make(map[string]bool)}
	token := app.User(apptest.Email)
	for i := range writerCount {
		client := worklog.New(app.URL, token, worklog.WithTimeout(tryTimeout))
		w.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				w.write(ctx, client, i, n)
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

// write posts one entry until it is acknowledged. Every third is a running step that the next draft completes.
func (w *writers) write(ctx context.Context, client *worklog.Client, writer, n int) {
	key := fmt.Sprintf("writer-%d/%06d", writer, n)
	d := worklog.Draft{Title: "step " + key, Key: key, Conversation: fmt.Sprintf("kills-%d", writer), Details: "something was done"}
	states := []worklog.Status{worklog.StatusSuccess}
	if n%3 == 0 {
		states = []worklog.Status{worklog.StatusWorking, worklog.StatusSuccess}
	}
	for _, d.Status = range states {
		for ctx.Err() == nil {
			receipts, err := client.Append(ctx, d)
			if err == nil {
				w.note(key, receipts[0])
				break
			}
			if worklog.CodeOf(err) != worklog.CodeUnavailable && ctx.Err() == nil {
				w.stray(key, err)
				break
			}
		}
	}
}

func (w *writers) note(key string, r worklog.Receipt) {
	switch r.Outcome {
	case worklog.OutcomeStored, worklog.OutcomeUpdated, worklog.OutcomeUnchanged:
		w.acknowledged.Add(1)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.keys[key] = true
	default:
		w.stray(key, fmt.Errorf("outcome %s: %s", r.Outcome, r.Reason))
	}
}

func (w *writers) stray(key string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strays = append(w.strays, fmt.Sprintf("%s: %v", key, err))
}

// stop waits for the last writer.
func (w *writers) stop() {
	w.cancel()
	w.wg.Wait()
}

// progress waits until so many more drafts are acknowledged.
func (w *writers) progress(t *testing.T, n int64) {
	t.Helper()
	want := w.acknowledged.Load() + n
	apptest.Eventually(t, fmt.Sprintf("%d more drafts are acknowledged", n), func() bool { return w.acknowledged.Load() >= want })
}

// check stops the writers and compares what they were told with what the database holds.
func (w *writers) check(t *testing.T, dsn string) {
	t.Helper()
	w.stop()
	for _, s := range w.strays {
		t.Error("unexpected answer:", s)
	}
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	stored := storedKeys(t, db)
	for key := range w.keys {
		if stored[key] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", key, stored[key])
		}
	}
	for key, n := range stored {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	t.Logf("%d entries acknowledged, %d stored", len(w.keys), len(stored))
	checkCounters(t, db)
}

func storedKeys(t *testing.T, db *pgx.Conn) map[string]int {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT key FROM work_logs WHERE key IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, k := range keys {
		count[k]++
	}
	return count
}

// checkCounters compares every counter with the rows that it counts.
func checkCounters(t *testing.T, db *pgx.Conn) {
	t.Helper()
	for claim, query := range map[string]string{
		"owners whose counters of entries differ from their rows": `
			SELECT count(*) FROM work_log_stats s WHERE (s.stored, s.hot, s.bytes) <>
				(SELECT count(*), count(*), coalesce(sum(octet_length(title) + octet_length(details) + octet_length(metadata::text)), 0)
				FROM work_logs w WHERE w.owner_id = s.owner_id)`,
		"owners whose last rev is not that of a row": `
			SELECT count(*) FROM work_log_stats s WHERE s.last_rev <> (SELECT coalesce(max(rev), 0) FROM work_logs w WHERE w.owner_id = s.owner_id)`,
		"revs that two rows share": `
			SELECT count(*) FROM (SELECT FROM work_logs GROUP BY owner_id, rev HAVING count(*) > 1) twice`,
		"conversations whose counters differ from their rows": `
			SELECT count(*) FROM conversations c WHERE (c.entry_count, c.working_count, c.asking_count) <>
				(SELECT count(*), count(*) FILTER (WHERE status = 'working'), count(asked_at) FROM work_logs w WHERE w.owner_id = c.owner_id AND w.conversation_id = c.id)`,
	} {
		var n int
		if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", claim, err)
		}
		if n != 0 {
			t.Errorf("%d %s", n, claim)
		}
	}
}
