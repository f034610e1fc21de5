package faulttest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// each is how many entries every step of the sweep has: some dozens of batches, so that a kill meets one at work.
const each = 2000

// aged is a world with entries for each step of a sweep.
type aged struct {
	t      *testing.T
	app    *apptest.App
	client *worklog.Client
	db     *pgx.Conn
}

// ages are the conversations, the age of their entries in days, and what a sweep makes of them.
func ages() map[string]struct {
	days   int
	status worklog.StorageStatus
} {
	return map[string]struct {
		days   int
		status worklog.StorageStatus
	}{
		"fresh": {1, worklog.StorageHot}, "warm": {10, worklog.StorageWarm}, "cold": {40, worklog.StorageCold}, "kept": {100, worklog.StorageArchived}, "gone": {100, ""},
	}
}

func startAged(t *testing.T, options ...apptest.Option) *aged {
	t.Helper()
	app := apptest.Start(t, append(options, apptest.WithEnv("WORKLOG_IMPORT_LIMIT", unlimited), apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))...)
	w := &aged{t: t, app: app, client: worklog.New(app.URL, app.User(apptest.Email), worklog.WithTimeout(time.Minute))}
	var err error
	if w.db, err = pgx.Connect(t.Context(), app.DSN); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close(context.Background()) })
	for name, age := range ages() {
		at := time.Now().Add(-time.Duration(age.days) * 24 * time.Hour)
		for first := 0; first < each; first += 1000 {
			var drafts []worklog.Draft
			for i := first; i < first+1000; i++ {
				drafts = append(drafts, worklog.Draft{
					Title: fmt.Sprintf("%s %d", name, i), Conversation: name, Details: details(name, i), LoggedAt: &at,
					Metadata: worklog.Metadata{"number": i, "text": "a, b: \u2028 <c>", "size": 1e21}, Type: worklog.TypeToolCall, Status: worklog.StatusSuccess,
				})
			}
			if _, err := w.client.Append(t.Context(), drafts...); err != nil {
				t.Fatal(err)
			}
		}
	}
	keep := true
	if _, err := w.client.UpdateConversation(t.Context(), w.conversation("kept"), worklog.ConversationPatch{Keep: &keep}); err != nil {
		t.Fatal(err)
	}
	return w
}

func details(name string, i int) string {
	return fmt.Sprintf("output of %s %d\n", name, i) + strings.Repeat("ok  some/package  0.1s\n", 20)
}

func (w *aged) conversation(key string) (id string) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), "SELECT id::text FROM conversations WHERE key = $1", key).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// count returns how many entries of a conversation have a status; with an empty one, how many are gone.
func (w *aged) count(key string, status worklog.StorageStatus) (n int) {
	w.t.Helper()
	err := w.db.QueryRow(w.t.Context(), `SELECT count(*) FROM work_logs w JOIN conversations c ON c.owner_id = w.owner_id AND c.id = w.conversation_id
		WHERE c.key = $1 AND ($2 = '' OR w.storage_status = $2)`, key, string(status)).Scan(&n)
	if err != nil {
		w.t.Fatal(err)
	}
	if status == "" {
		return each - n
	}
	return n
}

// killIn runs a command and kills it, with SIGKILL, once begun returns a number between none and all. The last entry of
// the conversation is locked meanwhile, so that it can not have come to its end.
func (w *aged) killIn(what, conversation string, begun func() int, args ...string) {
	w.t.Helper()
	release := w.lockLast(conversation)
	defer release()
	ctx, kill := context.WithCancel(w.t.Context())
	defer kill()
	ended := make(chan error, 1)
	go func() {
		_, stderr, err := w.app.CommandUntil(ctx, "", args...)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %s", err, stderr)
		}
		ended <- err
	}()
	for deadline := time.Now().Add(time.Minute); begun() == 0; { // without a pause: a step takes a fifth of a second
		if time.Now().After(deadline) {
			w.t.Fatalf("%s has not begun", what)
		}
	}
	kill()
	<-ended
	release()
	if n := begun(); n >= each {
		w.t.Errorf("%s was over before the kill", what)
	} else {
		w.t.Logf("killed in %s after %d of %d", what, n, each)
	}
	w.checkRows()
}

// lockLast locks the last entry of a conversation until release, and lets release wait for whoever waits for it.
func (w *aged) lockLast(conversation string) (release func()) {
	w.t.Helper()
	db := connect(w.t, w.app.DSN)
	tx, err := db.Begin(w.t.Context())
	if err == nil {
		_, err = tx.Exec(w.t.Context(), "SELECT FROM work_logs WHERE conversation_id = $1 ORDER BY seq DESC LIMIT 1 FOR UPDATE", w.conversation(conversation))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := tx.Rollback(context.Background()); err != nil {
			w.t.Error(err)
		}
		const waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%work_logs%' AND pid <> pg_backend_pid()"
		apptest.Eventually(w.t, "what was killed is gone", func() bool { return count(w.t, w.db, waiting) == 0 })
	})
}

// checkRows compares every counter with the rows that it counts.
func (w *aged) checkRows() {
	w.t.Helper()
	for claim, query := range map[string]string{
		"owners whose counters differ from their rows": `SELECT count(*) FROM work_log_stats s WHERE (hot, warm, cold, archived, bytes) <>
			(SELECT count(*) FILTER (WHERE storage_status = 'hot'), count(*) FILTER (WHERE storage_status = 'warm'), count(*) FILTER (WHERE storage_status = 'cold'),
			count(*) FILTER (WHERE storage_status = 'archived'), coalesce(sum(octet_length(title) + octet_length(details) + coalesce(octet_length(details_z), 0) +
			octet_length(metadata::text)), 0) FROM work_logs w WHERE w.owner_id = s.owner_id)`,
		"conversations whose counters differ from their rows": `SELECT count(*) FROM conversations c WHERE entry_count <>
			(SELECT count(*) FROM work_logs w WHERE w.owner_id = c.owner_id AND w.conversation_id = c.id)`,
		"objects whose counter differs from their rows": `SELECT count(*) FROM archive_objects o WHERE rows <> (SELECT count(*) FROM work_logs w WHERE w.archive_url = o.name)`,
		"rows that have two payloads or none":           `SELECT count(*) FROM work_logs WHERE num_nonnulls(details_z, archive_url, nullif(details, '')) <> 1`,
	} {
		var n int
		if err := w.db.QueryRow(w.t.Context(), query).Scan(&n); err != nil {
			w.t.Fatalf("%s: %v", claim, err)
		}
		if n != 0 {
			w.t.Errorf("%d %s", n, claim)
		}
	}
}

// checkPayloads reads some entries of each conversation as programs do.
func (w *aged) checkPayloads() {
	w.t.Helper()
	for name, age := range ages() {
		if age.status == "" {
			continue
		}
		for i := 7; i < each; i += each / 10 {
			var id string
			if err := w.db.QueryRow(w.t.Context(), "SELECT id::text FROM work_logs WHERE title = $1", fmt.Sprintf("%s %d", name, i)).Scan(&id); err != nil {
				w.t.Fatalf("%s %d: %v", name, i, err)
			}
			e, err := w.client.Entry(w.t.Context(), id)
			if err != nil || e.Details != details(name, i) || fmt.Sprint(e.Metadata["number"]) != fmt.Sprint(i) || e.Metadata["text"] != "a, b: \u2028 <c>" {
				w.t.Errorf("%s %d: %d bytes of details, metadata %v, %v", name, i, len(e.Details), e.Metadata, err)
			}
		}
	}
}

func TestASweepAndARestoreThatAreKilledInEveryStepAreFinishedByTheNext(t *testing.T) {
	t.Parallel()
	w := startAged(t)
	w.checkRows()
	for _, step := range []struct{ name, conversation string }{{"deleted", "gone"}, {"archived", "kept"}, {"cold", "cold"}, {"warm", "warm"}} {
		status := ages()[step.conversation].status
		w.killIn("the step "+step.name, step.conversation, func() int { return w.count(step.conversation, status) }, "cleanup")
	}
	w.app.Command("", "cleanup")
	w.checkRows()
	for name, age := range ages() {
		if n := w.count(name, age.status); n != each {
			t.Errorf("%s: %d of %d entries are %q", name, n, each, age.status)
		}
	}
	w.checkPayloads()
	if out := w.app.Command("", "archive", "verify"); strings.Contains(out, "orphan") {
		t.Errorf("the last sweep left something behind:\n%s", out)
	}
	for _, name := range []string{"kept", "cold", "warm"} {
		w.killIn("the restore of "+name, name, func() int { return w.count(name, worklog.StorageHot) }, "restore", "--conversation", name)
		w.app.Command("", "restore", "--conversation", name)
		w.checkRows()
		if n := w.count(name, worklog.StorageHot); n != each {
			t.Errorf("%s: %d of %d entries are hot after the restore", name, n, each)
		}
	}
	w.checkPayloads()
	w.app.Command("", "archive", "verify", "--prune")
	if out := w.app.Command("", "archive", "verify"); !strings.HasPrefix(out, "0 objects, 0 bytes") || strings.Contains(out, "orphan") {
		t.Errorf("everything is hot, and the archive has:\n%s", out)
	}
	wantReady(t, w.app)
}
