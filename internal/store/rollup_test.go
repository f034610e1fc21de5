package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// rollAll counts in steps of limit until nothing is left.
func (b *bundle) rollAll(t rapid.TB, at time.Time, limit int) {
	t.Helper()
	for {
		p, err := b.RollUp(b.ctx, at, limit)
		if err != nil {
			t.Fatal(err)
		}
		if !p.More && !p.Idle { // idle: the server has not noticed yet that a step was killed
			return
		}
	}
}

// table returns the rows of a query as text, sorted.
func (b *bundle) table(t rapid.TB, sql string, args ...any) []string {
	t.Helper()
	rows, err := b.raw.Query(b.ctx, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintln(values...)))
	}
	slices.Sort(out)
	return out
}

// sameCounts compares the rollups of a grain with what the entries say.
func (b *bundle) sameCounts(t rapid.TB) {
	t.Helper()
	for _, g := range rollup.Grains() {
		for name, pair := range map[string][2]string{
			"entries": {
				"SELECT bucket, type, status, n FROM rollup_entries WHERE grain = $1 AND n <> 0",
				"SELECT date_trunc($1, created_at), type, status, count(*) FROM work_logs GROUP BY 1, 2, 3",
			},
			"owners": {
				"SELECT bucket, owner_id, n, failed FROM rollup_owners WHERE grain = $1 AND n <> 0",
				"SELECT date_trunc($1, created_at), owner_id, count(*), count(*) FILTER (WHERE status = 'error') FROM work_logs GROUP BY 1, 2",
			},
			"tools": {
				"SELECT bucket, tool, n, failed, (SELECT COALESCE(sum(d), 0) FROM unnest(durations) d) FROM rollup_tools WHERE grain = $1 AND n <> 0",
				"SELECT date_trunc($1, created_at), tool, count(*), count(*) FILTER (WHERE status = 'error'), count(ended_at - started_at) FROM work_logs WHERE tool <> '' GROUP BY 1, 2",
			},
			"durations": {
				"SELECT bucket, tool, i - 1, d FROM rollup_tools, unnest(durations) WITH ORDINALITY AS u (d, i) WHERE grain = $1 AND d <> 0",
				`SELECT date_trunc($1, created_at), tool, CASE WHEN ms < 1 THEN 0 ELSE LEAST(128, 1 + floor(4 * log(2, ms))) END::bigint, count(*)
					FROM work_logs, LATERAL (SELECT extract(epoch FROM ended_at - started_at) * 1000 AS ms) d WHERE tool <> '' AND ms IS NOT NULL GROUP BY 1, 2, 3`,
			},
		} {
			if got, want := b.table(t, pair[0], string(g)), b.table(t, pair[1], string(g)); !slices.Equal(got, want) {
				t.Fatalf("%s by %s:\n%s\nthe entries say:\n%s", name, g, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		const counters = "COALESCE(sum(stored), 0)::bigint, COALESCE(sum(updated), 0)::bigint, COALESCE(sum(unchanged), 0)::bigint, COALESCE(sum(merged), 0)::bigint, COALESCE(sum(limited), 0)::bigint, COALESCE(sum(invalid), 0)::bigint"
		got := b.table(t, "SELECT "+counters+" FROM rollup_ledger WHERE grain = $1", string(g))
		if want := b.table(t, "SELECT "+counters+" FROM work_log_stats"); !slices.Equal(got, want) {
			t.Fatalf("ledger by %s: %v, the stats say %v", g, got, want)
		}
	}
}

// workload writes at random, as agents do: steps that begin and end, ends that are inferred and corrected, late facts.
type workload struct {
	*bundle
	owners []int64
	now    time.Time
	keys   int
}

func (w *workload) draft(r *rapid.T) (worklog.Draft, change.Facts, string) {
	d := worklog.Draft{
		Title:  "step",
		Type:   rapid.SampledFrom([]worklog.Type{worklog.TypeInfo, worklog.TypeToolCall, worklog.TypeAIResponse, worklog.TypeError}).Draw(r, "type"),
		Status: rapid.SampledFrom([]worklog.Status{worklog.StatusWorking, worklog.StatusWorking, worklog.StatusSuccess, worklog.StatusError, worklog.StatusInfo}).Draw(r, "status"),
		Tool:   rapid.SampledFrom([]string{"", "Bash", "Read", change.UnnamedTool}).Draw(r, "tool"),
	}
	if rapid.IntRange(0, 3).Draw(r, "keyed") > 0 {
		d.Key = fmt.Sprint("k", rapid.IntRange(1, w.keys).Draw(r, "key"))
	}
	at := w.now.Add(-time.Duration(rapid.IntRange(0, 90_000).Draw(r, "ms")) * time.Millisecond)
	if rapid.Bool().Draw(r, "started") {
		d.StartedAt = &at
	}
	if d.Status.Final() && rapid.Bool().Draw(r, "ended") {
		end := w.now
		d.EndedAt = &end
	}
	d.Normalize()
	f := change.Of(&d, w.now)
	f.Inferred = d.Status.Final() && rapid.IntRange(0, 2).Draw(r, "inferred") == 0
	return d, f, d.Key
}

// write appends a batch of several owners.
func (w *workload) write(r *rapid.T) {
	b := store.Batch{Now: w.now, Counts: map[int64]worklog.Counts{w.owners[0]: {Merged: 1, Limited: 2, Invalid: 3}}}
	for range rapid.IntRange(1, 12).Draw(r, "drafts") {
		_, f, key := w.draft(r)
		b.Writes = append(b.Writes, store.Write{Owner: rapid.SampledFrom(w.owners).Draw(r, "owner"), EntryID: uuid.Must(uuid.NewV7()).String(), Key: key, Facts: f})
	}
	if _, locked, err := w.Append(w.ctx, b); err != nil || len(locked) > 0 {
		r.Fatalf("append: %v, locked %v", err, locked)
	}
}

// patch ends an entry by its id.
func (w *workload) patch(r *rapid.T) {
	ids := w.table(r, "SELECT owner_id || ' ' || id FROM work_logs")
	if len(ids) == 0 {
		return
	}
	owner, id, _ := strings.Cut(rapid.SampledFrom(ids).Draw(r, "entry"), " ")
	f := change.Facts{Status: worklog.StatusError, LoggedAt: w.now, EndedAt: w.now}
	i := slices.IndexFunc(w.owners, func(o int64) bool { return fmt.Sprint(o) == owner })
	if _, _, err := w.Append(w.ctx, store.Batch{Now: w.now, Writes: []store.Write{{Owner: w.owners[i], EntryID: id, Patch: true, Facts: f}}}); err != nil {
		r.Fatal(err)
	}
}

// killed begins a step of the worker and takes the connection away at a random point.
func (w *workload) killed(r *rapid.T) {
	ctx, cancel := context.WithTimeout(w.ctx, time.Duration(rapid.IntRange(0, 4000).Draw(r, "us"))*time.Microsecond)
	defer cancel()
	_, _ = w.RollUp(ctx, w.now, 3) // whether it was in time is what must not matter
}

func TestRollupsSayWhatTheEntriesSay(t *testing.T) {
	b := setup(t)
	b.exec(t, "SET timezone TO 'UTC'")
	owners := b.owners(t, 3)
	rapid.Check(t, func(r *rapid.T) {
		for _, table := range []string{"work_logs", "rollup_marks", "rollup_open", "rollup_entries", "rollup_owners", "rollup_tools", "rollup_ledger"} {
			b.exec(t, "DELETE FROM "+table)
		}
		b.exec(t, "UPDATE work_log_stats SET last_rev = 0, stored = 0, updated = 0, unchanged = 0, merged = 0, limited = 0, invalid = 0")
		w := &workload{bundle: b, owners: owners, now: time.Date(2026, 11, 20, 23, 50, 0, 0, time.UTC), keys: 8}
		r.Repeat(map[string]func(*rapid.T){
			"write": w.write, "write more": w.write, "patch": w.patch, "count": w.step, "be killed": w.killed,
			"wait": func(r *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(r, "seconds")) * time.Second)
			},
		})
		w.rollAll(t, w.now, rapid.IntRange(1, 7).Draw(r, "page"))
		w.sameCounts(t)
	})
}

// step counts once, a few entries at a time.
func (w *workload) step(r *rapid.T) {
	if _, err := w.RollUp(w.ctx, w.now, rapid.IntRange(1, 9).Draw(r, "page")); err != nil {
		r.Fatal(err)
	}
}

func (b *bundle) exec(t rapid.TB, sql string, args ...any) {
	t.Helper()
	if _, err := b.raw.Exec(b.ctx, sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// owners makes users.
func (b *bundle) owners(t rapid.TB, n int) (ids []int64) {
	t.Helper()
	for i := range n {
		u, err := b.CreateUser(b.ctx, fmt.Sprintf("user%d@example.org", i), "", false)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	return ids
}

// now2026 is a moment in the middle of every bucket.
func now2026() time.Time { return time.Date(2026, 11, 22, 12, 30, 30, 0, time.UTC) }

// appendAt writes drafts at a moment.
func (b *bundle) appendAt(t *testing.T, at time.Time, drafts ...worklog.Draft) []store.Result {
	t.Helper()
	batch := store.Batch{Now: at}
	for _, d := range drafts {
		batch.Writes = append(batch.Writes, b.write(d))
	}
	results, locked, err := b.Append(b.ctx, batch)
	if err != nil || len(locked) > 0 {
		t.Fatalf("append: %v, locked %v", err, locked)
	}
	return results
}

func TestDeletedEntriesStayInHistory(t *testing.T) {
	b := setup(t)
	b.appendAt(t, now2026(), worklog.Draft{Title: "a", Status: worklog.StatusWorking, Key: "k"}, worklog.Draft{Title: "b", Status: worklog.StatusError})
	b.rollAll(t, now2026(), 0)
	before := b.table(t, "SELECT * FROM rollup_entries")
	b.exec(t, "DELETE FROM work_logs")
	b.appendAt(t, now2026().Add(time.Minute), worklog.Draft{Title: "c"})
	b.rollAll(t, now2026().Add(time.Minute), 0)
	after := b.table(t, "SELECT * FROM rollup_entries")
	for _, row := range before {
		if !slices.Contains(after, row) {
			t.Errorf("%s is gone from %v", row, after)
		}
	}
	if n := one[int](t, b, "SELECT sum(n)::int FROM rollup_entries WHERE grain = 'day'"); n != 3 {
		t.Errorf("%d entries in history, want 3", n)
	}
}

func TestBeyondTwoHundredToolsABucketSaysOther(t *testing.T) {
	b := setup(t)
	var drafts []worklog.Draft
	for i := range rollup.MaxTools + 30 {
		drafts = append(drafts, worklog.Draft{Title: "x", Tool: fmt.Sprintf("tool-%03d", i), Key: fmt.Sprint(i), Status: worklog.StatusWorking, Type: worklog.TypeToolCall})
	}
	b.appendAt(t, now2026(), drafts[:150]...)
	b.rollAll(t, now2026(), 0)
	b.appendAt(t, now2026(), drafts[150:]...)
	b.rollAll(t, now2026(), 0)
	for i := range drafts {
		drafts[i].Status = worklog.StatusError
	}
	b.appendAt(t, now2026().Add(time.Second), drafts...)
	b.rollAll(t, now2026().Add(time.Second), 0)
	for _, g := range rollup.Grains() {
		if got := one[string](t, b, "SELECT count(*) || ' ' || sum(n) || ' ' || sum(failed) || ' ' || min(n) FROM rollup_tools WHERE grain = $1 AND tool <> ''", string(g)); got != "200 200 200 1" {
			t.Errorf("%s: %s", g, got)
		}
		if got := one[string](t, b, "SELECT n || ' ' || failed FROM rollup_tools WHERE grain = $1 AND tool = ''", string(g)); got != "30 30" {
			t.Errorf("%s: other is %s", g, got)
		}
	}
}

func TestOneProcessCountsAtATime(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "x"})
	other := b.connect(t)
	tx, err := other.Begin(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(b.ctx, "SELECT pg_advisory_xact_lock($1)", 0x776c7275); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p, err := b.RollUp(b.ctx, time.Now(), 0)
		if err != nil || !p.Idle || p.Entries != 0 {
			t.Fatalf("while another process counts: %+v, %v", p, err)
		}
	}
	if err := tx.Rollback(b.ctx); err != nil {
		t.Fatal(err)
	}
	if p, err := b.RollUp(b.ctx, time.Now(), 0); err != nil || p.Idle || p.Entries != 1 {
		t.Fatalf("afterwards: %+v, %v", p, err)
	}
}

// Writers hold their owner's stats row. The worker neither waits for them nor makes them wait.
func TestCountingTakesNoLockOfTheWritePath(t *testing.T) {
	b := setup(t)
	b.append(t, worklog.Draft{Title: "x"})
	tx, err := b.raw.Begin(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(b.ctx) }()
	if _, err := tx.Exec(b.ctx, "SELECT 1 FROM work_log_stats FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(b.ctx, "UPDATE work_logs SET title = 'y'"); err != nil {
		t.Fatal(err)
	}
	if p, err := b.RollUp(b.ctx, time.Now(), 0); err != nil || p.Entries != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestOldBucketsAndMemoriesAreDropped(t *testing.T) {
	b := setup(t)
	start := now2026()
	b.appendAt(t, start, worklog.Draft{Title: "late", Key: "late", Status: worklog.StatusSuccess}, worklog.Draft{Title: "open", Key: "open", Status: worklog.StatusWorking, Tool: "Bash"})
	b.rollAll(t, start, 0)
	for _, step := range []struct {
		age                           time.Duration
		minutes, hours, days, remains int
	}{
		{0, 3, 3, 3, 2}, {25 * time.Hour, 3, 3, 3, 1}, {51 * time.Hour, 0, 3, 3, 1}, {16 * 24 * time.Hour, 0, 0, 3, 1}, {101 * 24 * time.Hour, 0, 0, 3, 0}, {408 * 24 * time.Hour, 0, 0, 0, 0},
	} {
		if err := b.PruneRollups(b.ctx, start.Add(step.age)); err != nil {
			t.Fatal(err)
		}
		for grain, want := range map[string]int{"minute": step.minutes, "hour": step.hours, "day": step.days} {
			got := one[int](t, b, "SELECT (SELECT count(*) FROM rollup_entries WHERE grain = $1) + (SELECT count(*) FROM rollup_tools WHERE grain = $1)", grain)
			if got != want {
				t.Errorf("after %v: %d rows by %s, want %d", step.age, got, grain, want)
			}
		}
		if got := one[int](t, b, "SELECT count(*) FROM rollup_open"); got != step.remains {
			t.Errorf("after %v: %d entries remembered, want %d", step.age, got, step.remains)
		}
	}
}

// An end that comes when its minute is history moves in the buckets that remain, and makes no row with less than nothing.
func TestALateEndChangesTheBucketsThatRemain(t *testing.T) {
	b := setup(t)
	b.appendAt(t, now2026(), worklog.Draft{Title: "long", Key: "k", Status: worklog.StatusWorking, Tool: "Bash"})
	b.rollAll(t, now2026(), 0)
	later := now2026().Add(60 * time.Hour)
	if err := b.PruneRollups(b.ctx, later); err != nil {
		t.Fatal(err)
	}
	b.appendAt(t, later, worklog.Draft{Title: "long", Key: "k", Status: worklog.StatusError})
	b.rollAll(t, later, 0)
	if n := one[int](t, b, "SELECT count(*) FROM rollup_entries WHERE n < 0 OR grain = 'minute'"); n != 0 {
		t.Errorf("%d rows that should not be", n)
	}
	if got := b.table(t, "SELECT grain, status, n FROM rollup_entries WHERE n <> 0"); !slices.Equal(got, []string{"day error 1", "hour error 1", "week error 1"}) {
		t.Errorf("counts %v", got)
	}
}
