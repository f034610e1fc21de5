package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// manyEntries are enough for PostgreSQL to choose as it does on a large installation.
	manyEntries = 2_000_000
	manyOwners  = 50
	threads     = 40 // of each owner
)

// fillMany makes a database of two million entries over a hundred days, one in a hundred of them due for the sweep.
func fillMany(t *testing.T, b *bundle) {
	t.Helper()
	for _, sql := range []string{
		"SET session_replication_role = replica",                                   // foreign keys hold as it is, and checking them takes longer than writing
		"ALTER TABLE work_logs SET UNLOGGED", "SET maintenance_work_mem = '512MB'", // only to be done sooner
		fmt.Sprintf("INSERT INTO users (email, created_at) SELECT 'user' || n || '@example.org', now() FROM generate_series(2, %d) n", manyOwners),
		fmt.Sprintf(`INSERT INTO conversations (owner_id, id, key, entry_count, last_entry_at, created_at) SELECT owner, md5(owner || '/' || thread)::uuid, 'thread ' || thread, 1000,
			now(), now() FROM generate_series(1, %d) owner, generate_series(0, %d) thread`, manyOwners, threads-1),
		fmt.Sprintf("INSERT INTO work_log_stats (owner_id, last_rev) SELECT id, %d FROM users", manyEntries/manyOwners),
	} {
		if _, err := b.raw.Exec(b.ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	rows, err := b.raw.Query(b.ctx, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'work_logs' AND indexname <> 'work_logs_pkey'")
	if err != nil {
		t.Fatal(err)
	}
	type index struct{ Name, Definition string }
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil || len(indexes) < 5 {
		t.Fatalf("indexes %v, %v", indexes, err)
	}
	var statements []string
	for _, i := range indexes {
		statements = append(statements, "DROP INDEX "+i.Name)
	}
	statements = append(statements, fmt.Sprintf(`INSERT INTO work_logs (owner_id, seq, rev, id, conversation_id, key, type, status, title, storage_status, logged_at, created_at, updated_at)
		SELECT owner, seq, seq, md5(owner || '-' || seq)::uuid, CASE WHEN seq %% 100 > 0 THEN md5(owner || '/' || seq %% %[3]d)::uuid END, CASE WHEN seq %% 4 = 0 THEN 'key ' || seq END,
			'tool_call', CASE WHEN seq %% 50 = 0 THEN 'error' ELSE 'success' END, 'entry ' || seq,
			CASE WHEN age < 7.05 THEN 'hot' WHEN age < 30.2 THEN 'warm' ELSE 'cold' END, now() - age * interval '1 day', now(), now()
		FROM generate_series(1, %[1]d) owner, generate_series(1, %[2]d) seq, LATERAL (SELECT 90.3 * (1 - seq::float8 / %[2]d) AS age) a`,
		manyOwners, manyEntries/manyOwners, threads))
	for _, i := range indexes {
		statements = append(statements, i.Definition)
	}
	statements = append(statements, "ANALYZE")
	for _, sql := range statements {
		began := time.Now()
		if _, err := b.raw.Exec(b.ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		t.Logf("%.60s %v", sql, time.Since(began))
	}
}

// access is how a statement may reach a table.
type access struct {
	what string
	// do runs what is looked at.
	do func() error
	// index must be used, and no other way to work_logs but also.
	index string
	also  string
}

func TestTwoMillionEntriesAreReachedByTheIntendedIndexes(t *testing.T) {
	b := setup(t)
	fillMany(t, b)
	explained, plans := storetest.OpenExplained(t, b.dsn)
	if err := explained.Ping(b.ctx); err != nil {
		t.Fatal(err)
	}
	for _, a := range slices.Concat(pageAccess(t, b, explained), sweepAccess(b, explained), repackAccess(b, explained), personAccess(t, b, explained)) {
		plans.Take()
		if err := a.do(); err != nil {
			t.Errorf("%s: %v", a.what, err)
			continue
		}
		checkAccess(t, a, plans.Take())
	}
}

// checkAccess fails unless every statement that touches work_logs finds its rows by the index.
func checkAccess(t *testing.T, a access, list []storetest.Plan) {
	t.Helper()
	used := false
	for _, plan := range list {
		var ways []string
		plan.Node.Walk(func(n storetest.Node) {
			used = used || n.Index == a.index || n.Index == a.also
			if strings.HasPrefix(n.Type, "Seq Scan") && n.Table != "users" && n.Table != "installation" && n.Table != "archive_objects" {
				t.Errorf("%s reads all of %s:\n%s", a.what, n.Table, plan.SQL)
			}
			if n.Index != "" && strings.HasPrefix(n.Index, "work_logs") && n.Index != a.index && n.Index != a.also {
				ways = append(ways, n.Index)
			}
		})
		if len(ways) > 0 {
			t.Errorf("%s uses %v, want %s:\n%s", a.what, ways, a.index, plan.SQL)
		}
	}
	if !used {
		t.Errorf("%s does not use %s: %+v", a.what, a.index, list)
	}
}

func pageAccess(t *testing.T, b *bundle, s *store.Store) []access {
	t.Helper()
	owner := b.user.ID
	id := one[string](t, b, "SELECT id::text FROM work_logs WHERE owner_id = $1 AND seq = 777", owner)
	thread := one[string](t, b, "SELECT id::text FROM conversations WHERE owner_id = $1 ORDER BY id LIMIT 1", owner)
	page := func(q store.EntryQuery) func() error {
		q.Owner = owner
		return func() error { _, err := s.Entries(b.ctx, q); return err }
	}
	conversations := func(q store.ConversationQuery) func() error {
		return func() error {
			list, _, err := s.Conversations(b.ctx, q)
			if err == nil && len(list) == 0 {
				err = fmt.Errorf("no conversations")
			}
			return err
		}
	}
	head := int64(manyEntries / manyOwners)
	return []access{
		{"the activity page", page(store.EntryQuery{}), "work_logs_pkey", ""},
		{"an older activity page", page(store.EntryQuery{Before: head / 2}), "work_logs_pkey", ""},
		{"a filtered activity page", page(store.EntryQuery{Filter: store.EntryFilter{Status: worklog.StatusError, Query: "entry 7"}}), "work_logs_pkey", ""},
		{"a conversation's page", page(store.EntryQuery{Conversation: thread}), "work_logs_conversation", ""},
		{"a filtered conversation's page", page(store.EntryQuery{Conversation: thread, Filter: store.EntryFilter{Query: "nothing"}}), "work_logs_conversation", ""},
		{"the page of entries without a conversation", page(store.EntryQuery{Unfiled: true}), "work_logs_conversation", ""},
		{"changes", func() error { _, err := s.Changes(b.ctx, owner, head-10, "", 100); return err }, "work_logs_rev", ""},
		{"changes of a conversation", func() error { _, err := s.Changes(b.ctx, owner, head-10, thread, 100); return err }, "work_logs_rev", "work_logs_conversation"},
		{"one entry", func() error { _, err := s.Entry(b.ctx, owner, id); return err }, "work_logs_id", ""},
		{"the list of conversations", conversations(store.ConversationQuery{Viewer: owner}), "conversations_pkey", "work_logs_running"},
		{"the conversations beside a page", conversations(store.ConversationQuery{Viewer: owner, PressingSince: time.Now().Add(-24 * time.Hour)}), "conversations_pkey", "work_logs_running"},
	}
}

// personAccess is what is done with everything of one person.
func personAccess(t *testing.T, b *bundle, s *store.Store) []access {
	t.Helper()
	const leaving = manyOwners
	_, by := b.admin(t, "root@example.org")
	if err := by.BeginErasure(b.ctx, leaving, "asked"); err != nil {
		t.Fatal(err)
	}
	erase := func(after int64) func() error {
		return func() error {
			n, _, err := s.EraseSome(b.ctx, leaving, after)
			if err == nil && n == 0 {
				err = fmt.Errorf("nothing was erased after %d", after)
			}
			return err
		}
	}
	export := func(after int64) func() error {
		return func() error { _, err := s.ExportEntries(b.ctx, b.user.ID, after, 500); return err }
	}
	return []access{
		{"the beginning of an export", export(0), "work_logs_pkey", ""},
		{"the middle of an export", export(manyEntries / manyOwners / 2), "work_logs_pkey", ""},
		{"the first batch of an erasure", erase(0), "work_logs_pkey", ""},
		{"a batch of an erasure", erase(manyEntries / manyOwners / 2), "work_logs_pkey", ""},
		{"whether somebody has entries in the archive", func() error { _, err := s.NeedsArchive(b.ctx, b.user.ID); return err }, "work_logs_archived", ""},
		{"the objects of somebody without such entries", func() error { return s.ForgetObjectsOf(b.ctx, b.user.ID, []string{"x"}) }, "work_logs_archived", ""},
	}
}

func sweepAccess(b *bundle, s *store.Store) []access {
	now := time.Now().UTC()
	age := func(days float64) time.Time { return now.Add(-time.Duration(days * 24 * float64(time.Hour))) }
	drop := false
	hot := store.Due{From: []worklog.StorageStatus{worklog.StorageHot}, Since: age(30), Until: age(7), Now: now}
	warm := store.Due{From: []worklog.StorageStatus{worklog.StorageWarm}, Since: age(90), Until: age(30), Now: now}
	cold := store.Due{From: []worklog.StorageStatus{worklog.StorageCold}, Until: age(90), Keep: &drop, Now: now}
	var due []store.DueEntry
	list := func(d store.Due) func() error {
		return func() (err error) {
			due, err = s.DueEntries(b.ctx, d.From[0], d, store.DueEntry{}, 5000)
			if err == nil && len(due) < 100 {
				err = fmt.Errorf("only %d entries are due", len(due))
			}
			return err
		}
	}
	batch := func(f func(owner int64, seqs []int64) (store.Moved, error)) func() error {
		return func() error {
			var seqs []int64
			for _, e := range due {
				if e.Owner == due[0].Owner && len(seqs) < 100 {
					seqs = append(seqs, e.Seq)
				}
			}
			moved, err := f(due[0].Owner, seqs)
			if err == nil && moved.Entries != int64(len(seqs)) {
				err = fmt.Errorf("%d of %d entries moved", moved.Entries, len(seqs))
			}
			return err
		}
	}
	return []access{
		{"a dry run", func() error { _, err := s.CountDue(b.ctx, warm); return err }, "work_logs_retention", ""},
		{"what is due to be warm", list(hot), "work_logs_retention", ""},
		{"a batch that becomes warm", batch(func(o int64, seqs []int64) (store.Moved, error) { return s.WarmEntries(b.ctx, o, seqs, hot) }), "work_logs_pkey", ""},
		{"what is due to be cold", list(warm), "work_logs_retention", ""},
		{"payloads for the archive", func() error { _, err := s.Payloads(b.ctx, due[0].Owner, []int64{due[0].Seq}, warm); return err }, "work_logs_pkey", ""},
		{"a batch that becomes cold", batch(func(o int64, seqs []int64) (store.Moved, error) {
			return s.AgeEntries(b.ctx, o, seqs, worklog.StorageCold, warm)
		}), "work_logs_pkey", ""},
		{"what is due to be deleted", list(cold), "work_logs_retention", ""},
		{"a batch that is deleted", batch(func(o int64, seqs []int64) (store.Moved, error) {
			moved, _, err := s.DeleteEntries(b.ctx, o, seqs, cold)
			return moved, err
		}), "work_logs_pkey", ""},
		{"what is restored of a time", func() error {
			_, err := s.Restorable(b.ctx, worklog.StorageCold, store.RestoreQuery{Since: age(40), Until: age(39)}, store.Payload{}, 40, 4<<20)
			return err
		}, "work_logs_retention", ""},
	}
}

func repackAccess(b *bundle, s *store.Store) []access {
	from, to := store.ArchiveObject{Name: "x", Owner: b.user.ID}, store.ArchiveObject{Name: "y", Owner: b.user.ID}
	seqs := []int64{1, 2, 3}
	return []access{
		{"what stays of an object", func() error { _, err := s.Staying(b.ctx, from, seqs, time.Now()); return err }, "work_logs_pkey", "conversations_pkey"},
		{"a batch that is packed anew", func() error { _, _, err := s.RepackEntries(b.ctx, from, to, seqs); return err }, "work_logs_pkey", ""},
	}
}
