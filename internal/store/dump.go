package store

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/worklog"
)

// What a dump holds: the shared tables in one snapshot, then each owner's in a snapshot of its own. Sessions, links and
// readings are not in it: a restored installation knows nobody who is signed in.
//
// Decision: rows travel in PostgreSQL's own COPY text. Every version from 15 on reads it, it needs no pg_dump, and a
// column of tomorrow is in it without a line of code here.

const (
	// snapshotLimit is when a snapshot of an owner ends even if the owner's entries do not: a longer one keeps
	// PostgreSQL from pruning the stats rows, and writers slow down with every version that stays.
	snapshotLimit = 20 * time.Second
	// dumpStep is how many entries one COPY reads, and so how often the clock is looked at.
	dumpStep = 5_000
	// dumpStatementTimeout bounds one COPY.
	dumpStatementTimeout = "60s"
)

// sharedTables are dumped in this order: users come before what refers to them.
func sharedTables() []string {
	return []string{"users", "tokens", "audit", "sweeps", "rollup_marks", "rollup_open", "rollup_entries", "rollup_owners", "rollup_tools", "rollup_ledger"}
}

// ownerTables are dumped for each owner in the snapshot that ends the owner's dump.
func ownerTables() []string {
	return []string{"conversations", "work_log_stats", "tool_times", "archive_objects"}
}

const entriesTable = "work_logs"

// DumpHead says what a dump is of.
type DumpHead struct {
	Installation string
	Epoch        string
	Migrations   []string // applied ones, oldest first
	Owners       []int64
}

// DumpTable is some rows of a table.
type DumpTable struct {
	Name    string
	Columns []string
	Owner   int64 // 0: of all
	// Again: entries that had changed when the owner's dump ended. They replace what came before.
	Again bool
}

// Dumper takes rows: each Write to what it returns is whole lines of COPY text. A writer is done with when the next one
// is asked for.
type Dumper func(DumpTable) (io.Writer, error)

// DumpShared dumps what belongs to no single owner.
func (s *Store) DumpShared(ctx context.Context, to Dumper) (head DumpHead, err error) {
	steps, err := s.MigrationStatus(ctx)
	if err != nil {
		return head, err
	}
	for _, m := range steps {
		if !m.AppliedAt.IsZero() {
			head.Migrations = append(head.Migrations, m.Name)
		}
	}
	err = s.inDumpSnapshot(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT id::text, epoch::text FROM installation").Scan(&head.Installation, &head.Epoch); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT id FROM users ORDER BY id")
		if err != nil {
			return err
		}
		if head.Owners, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
			return err
		}
		for _, name := range sharedTables() {
			if err := dumpTable(ctx, tx, to, DumpTable{Name: name}, "true"); err != nil {
				return err
			}
		}
		return nil
	})
	return head, err
}

// Snapshots says how the data of an owner was held still.
type Snapshots struct {
	N       int
	Longest time.Duration
}

// DumpOwner dumps everything of an owner. The caller holds the lock of retention, so that whatever changes meanwhile
// gets a rev. Objects of the archive are only named.
func (s *Store) DumpOwner(ctx context.Context, owner int64, to Dumper) (held Snapshots, err error) {
	d := ownerDump{owner: owner, to: to, limit: snapshotLimit, step: dumpStep}
	if s.dumpStep > 0 { // a test: every step a snapshot
		d.limit, d.step = 0, s.dumpStep
	}
	for !d.done && err == nil {
		began := time.Now()
		err = s.inDumpSnapshot(ctx, func(tx pgx.Tx) error { return d.snapshot(ctx, tx, held.N == 0) })
		held.N++
		held.Longest = max(held.Longest, time.Since(began))
	}
	return held, err
}

// ownerDump is how far the dump of an owner is.
type ownerDump struct {
	owner int64
	to    Dumper
	limit time.Duration
	step  int
	began int64 // the owner's rev when it began
	after int64 // the seq up to which entries are dumped
	done  bool
}

// snapshot dumps entries until there are no more or the time is up. When there are no more it ends the dump.
func (d *ownerDump) snapshot(ctx context.Context, tx pgx.Tx, first bool) error {
	if first {
		err := tx.QueryRow(ctx, "SELECT COALESCE(max(last_rev), 0) FROM work_log_stats WHERE owner_id = $1", d.owner).Scan(&d.began)
		if err != nil {
			return err
		}
	}
	dumped := d.after
	for began := time.Now(); ; {
		var last int64
		err := tx.QueryRow(ctx, "SELECT COALESCE(max(seq), 0) FROM (SELECT seq FROM work_logs WHERE owner_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) w",
			d.owner, d.after, d.step).Scan(&last)
		if err != nil {
			return err
		}
		if last == 0 {
			d.done = true
			return d.end(ctx, tx, first, dumped)
		}
		where := fmt.Sprintf("owner_id = %d AND seq > %d AND seq <= %d ORDER BY seq", d.owner, d.after, last)
		if err := dumpTable(ctx, tx, d.to, DumpTable{Name: entriesTable, Owner: d.owner}, where); err != nil {
			return err
		}
		d.after = last
		if time.Since(began) > d.limit {
			return nil
		}
	}
}

// end dumps what says how things stand now: the small tables, and the entries of earlier snapshots that changed since.
func (d *ownerDump) end(ctx context.Context, tx pgx.Tx, first bool, dumped int64) error {
	if !first { // a kept entry whose conversation goes takes keep over, and no rev
		where := fmt.Sprintf("owner_id = %d AND (rev > %d OR keep AND conversation_id IS NULL) AND seq <= %d ORDER BY seq", d.owner, d.began, dumped)
		if err := dumpTable(ctx, tx, d.to, DumpTable{Name: entriesTable, Owner: d.owner, Again: true}, where); err != nil {
			return err
		}
	}
	for _, name := range ownerTables() {
		if err := dumpTable(ctx, tx, d.to, DumpTable{Name: name, Owner: d.owner}, fmt.Sprintf("owner_id = %d", d.owner)); err != nil {
			return err
		}
	}
	return nil
}

func dumpTable(ctx context.Context, tx pgx.Tx, to Dumper, t DumpTable, where string) (err error) {
	if t.Columns, err = columnsOf(ctx, tx, t.Name); err != nil {
		return err
	}
	w, err := to(t)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("COPY (SELECT %s FROM %s WHERE %s) TO STDOUT", quoted(t.Columns), quoted([]string{t.Name}), where)
	_, err = tx.Conn().PgConn().CopyTo(ctx, w, sql)
	return err
}

// columnsOf lists a table's columns that hold something of their own.
func columnsOf(ctx context.Context, tx pgx.Tx, table string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
		ORDER BY attnum`, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, name := range names {
		q[i] = pgx.Identifier{name}.Sanitize()
	}
	return strings.Join(q, ", ")
}

// inDumpSnapshot runs f in one read-only snapshot on a connection of pgx, which can COPY.
func (s *Store) inDumpSnapshot(ctx context.Context, f func(pgx.Tx) error) error {
	return mapError(pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = '"+dumpStatementTimeout+"'"); err != nil {
			return err
		}
		return f(tx)
	}))
}

// dumped says whether rows of a table can be in a dump.
func dumped(table string) bool {
	return table == entriesTable || slices.Contains(sharedTables(), table) || slices.Contains(ownerTables(), table)
}

func errNotDumped(table string) error {
	return worklog.Errorf(worklog.CodeInvalid, "a backup has no table %q", table)
}
