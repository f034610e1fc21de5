package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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

func TestEveryTableIsDumpedOrLeftOutOnPurpose(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	u, err := s.CreateUser(t.Context(), "ann@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.By(account.Program()).BeginSweep(t.Context(), &store.Sweep{StartedBy: "command", StartedAt: time.Now(), UpdatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	var got []string
	dumper := func(d store.DumpTable) (io.Writer, error) {
		got = append(got, d.Name)
		return io.Discard, nil
	}
	if _, err := s.DumpShared(t.Context(), dumper); err != nil {
		t.Fatal(err)
	}
	b := store.Batch{Now: time.Now().UTC(), Writes: []store.Write{writeOf(u.ID, worklog.Draft{Title: "one"})}}
	if _, _, err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DumpOwner(t.Context(), u.ID, dumper); err != nil {
		t.Fatal(err)
	}
	left := []string{"bun_migration_locks", "bun_migrations", "installation", "links", "readings", "sessions"}
	want, err := s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, left...)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("dumped or left out:\n%v\nin the schema:\n%v", got, want)
	}
}

func writeOf(owner int64, d worklog.Draft) store.Write {
	d.Normalize()
	return store.Write{
		Owner: owner, EntryID: uuid.Must(uuid.NewV7()).String(), Key: d.Key, Conversation: d.Conversation, Facts: change.Of(&d, time.Now().UTC().Truncate(time.Microsecond)),
	}
}

// The owner writes on, a step ends, a conversation goes: all in between two snapshots.
func TestDumpInManySnapshotsIsAsItsOwnerStoodAtTheEnd(t *testing.T) {
	t.Parallel()
	s, to := storetest.New(t), storetest.Open(t, storetest.Empty(t))
	s.SetDumpStep(3)
	u, err := s.CreateUser(t.Context(), "ann@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	add := func(drafts ...worklog.Draft) {
		t.Helper()
		b := store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond)}
		for _, d := range drafts {
			b.Writes = append(b.Writes, writeOf(u.ID, d))
		}
		if _, _, err := s.Append(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
	for i := range 10 {
		add(worklog.Draft{Title: fmt.Sprint("entry ", i), Conversation: fmt.Sprint("c", i%2), Key: fmt.Sprint("k", i), Status: worklog.StatusWorking})
	}
	doomed, err := s.ConversationByKey(t.Context(), u.ID, "c0")
	if err != nil {
		t.Fatal(err)
	}
	keep := true
	if _, err := s.UpdateConversation(t.Context(), u.ID, doomed.ID, worklog.ConversationPatch{Keep: &keep}); err != nil {
		t.Fatal(err)
	}
	dumpedAs(t, s, to, u.ID, func(between int) {
		switch between {
		case 2:
			add(worklog.Draft{Title: "entry 0", Key: "k0", Status: worklog.StatusSuccess, Details: "done\twith\\tabs\nand \\N"}, worklog.Draft{Title: "new", Conversation: "c2"})
		case 3:
			if err := errors.Join(s.DeleteConversation(t.Context(), u.ID, doomed.ID), s.FinishDeletions(t.Context())); err != nil {
				t.Error(err)
			}
		}
	})
}

// dumpedAs dumps an owner, loads that into another database and compares. Between is called at each part of the entries.
func dumpedAs(t *testing.T, s, to *store.Store, owner int64, between func(part int)) {
	t.Helper()
	d, part := newDump(), 0
	head, err := s.DumpShared(t.Context(), d.table)
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.DumpOwner(t.Context(), owner, func(x store.DumpTable) (io.Writer, error) {
		if x.Name == "work_logs" {
			part++
			between(part)
		}
		return d.table(x)
	})
	if err != nil {
		t.Fatal(err)
	}
	if held.N < 4 {
		t.Fatalf("the dump took %d snapshots", held.N)
	}
	if err := to.Load(t.Context(), head, d.load(t)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"users", "work_logs", "conversations", "work_log_stats"} {
		if got, want := rowsOf(t, to, table), rowsOf(t, s, table); got != want {
			t.Errorf("%s after the restore:\n%s\nbefore:\n%s", table, got, want)
		}
	}
}

// The longer a snapshot is held, the slower writers become: what piles up while an owner is dumped must not make the last
// one long.
func TestNoSnapshotOfADumpHasMoreThanAFewRows(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.SetDumpStep(3)
	u, err := s.CreateUser(t.Context(), "ann@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	write := func(status worklog.Status) {
		t.Helper()
		b := store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond)}
		for i := range 10 {
			b.Writes = append(b.Writes, writeOf(u.ID, worklog.Draft{Title: "entry", Key: fmt.Sprint("k", i), Status: status}))
		}
		if _, _, err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	write(worklog.StatusWorking)
	for range 10 {
		if err := s.By(account.Program()).Record(t.Context(), account.Act{Action: account.ActSweep}); err != nil {
			t.Fatal(err)
		}
	}
	d, steps := newDump(), 0
	_, err = s.DumpShared(t.Context(), d.table)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DumpOwner(t.Context(), u.ID, func(x store.DumpTable) (io.Writer, error) {
		if steps++; steps == 4 {
			write(worklog.StatusSuccess)
		}
		return d.table(x)
	}); err != nil {
		t.Fatal(err)
	}
	sums := map[string]int{}
	for i, table := range d.tables {
		n := bytes.Count(d.rows[i].Bytes(), []byte("\n"))
		if sums[fmt.Sprint(table.Name, table.Again)] += n; n > 3 {
			t.Errorf("%d rows of %s (again: %v) in one step of 3", n, table.Name, table.Again)
		}
	}
	if sums["work_logsfalse"] != 10 || sums["work_logstrue"] < 9 || sums["auditfalse"] != 10 {
		t.Errorf("dumped were %v", sums)
	}
}

func TestAStepOfADumpHasFewBytes(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	u, err := s.CreateUser(t.Context(), "ann@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	b := store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond)}
	for i := range 80 {
		b.Writes = append(b.Writes, writeOf(u.ID, worklog.Draft{Title: fmt.Sprint(i), Details: strings.Repeat("x", worklog.MaxDetailsBytes)}))
	}
	if _, _, err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	d := newDump()
	if _, err := s.DumpOwner(t.Context(), u.ID, d.table); err != nil {
		t.Fatal(err)
	}
	for i, table := range d.tables {
		if n := d.rows[i].Len(); n > 17<<20 {
			t.Errorf("a step of %s has %d MB", table.Name, n>>20)
		}
	}
}

func TestASnapshotThatLastsTooLongEndsTheDump(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	s.SetDumpTimeout(100 * time.Millisecond)
	other, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.WithoutCancel(t.Context())) }()
	if _, err := other.Exec(t.Context(), "BEGIN; LOCK rollup_tools"); err != nil {
		t.Fatal(err)
	}
	_, err = s.DumpShared(t.Context(), newDump().table)
	if worklog.CodeOf(err) != worklog.CodeUnavailable || !strings.Contains(err.Error(), "the backup was ended") {
		t.Errorf("while a table can not be read: %v", err)
	}
	if _, err := other.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	s.SetDumpTimeout(0)
	if _, err := s.DumpShared(t.Context(), newDump().table); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestLoadRefusesAnInstallationThatIsInUse(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	head, err := s.DumpShared(t.Context(), newDump().table)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser(t.Context(), "ann@example.org", "", false); err != nil {
		t.Fatal(err)
	}
	err = s.Load(t.Context(), head, func(*store.Loader) error { t.Error("rows were loaded"); return nil })
	if worklog.CodeOf(err) != worklog.CodeConflict || !strings.Contains(err.Error(), "users already") {
		t.Errorf("got %v", err)
	}
}

func TestLoadRefusesASchemaOfTomorrow(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Empty(t))
	err := s.Load(t.Context(), store.DumpHead{Installation: uuid.NewString(), Migrations: []string{"0001_init", "9999_tomorrow"}}, func(*store.Loader) error { return nil })
	if worklog.CodeOf(err) != worklog.CodeConflict || !strings.Contains(err.Error(), "9999_tomorrow") {
		t.Errorf("got %v", err)
	}
}

// A forged file must not reach what is not its own.
func TestLoaderKnowsNoOtherTables(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	head, err := s.DumpShared(t.Context(), newDump().table)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Load(t.Context(), head, func(l *store.Loader) error {
		_, err := l.Copy(t.Context(), store.DumpTable{Name: "sessions", Columns: []string{"id"}}, strings.NewReader(""))
		return err
	})
	if worklog.CodeOf(err) != worklog.CodeInvalid {
		t.Errorf("got %v", err)
	}
}

// dump keeps what was dumped.
type dump struct {
	tables []store.DumpTable
	rows   []*bytes.Buffer
}

func newDump() *dump { return &dump{} }

func (d *dump) table(t store.DumpTable) (io.Writer, error) {
	d.tables, d.rows = append(d.tables, t), append(d.rows, &bytes.Buffer{})
	return d.rows[len(d.rows)-1], nil
}

func (d *dump) load(t *testing.T) func(*store.Loader) error {
	return func(l *store.Loader) error {
		for i, table := range d.tables {
			if _, err := l.Copy(t.Context(), table, d.rows[i]); err != nil {
				return fmt.Errorf("%s: %w", table.Name, err)
			}
		}
		return nil
	}
}

// rowsOf is a table as text, in an order that its rows decide.
func rowsOf(t *testing.T, s *store.Store, table string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var text string
	if err := conn.QueryRow(t.Context(), "SELECT COALESCE(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM "+table+" t").Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}
