package store

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/worklog"
)

// What a dump holds: the shared tables, then each owner's, in snapshots that are all short. Sessions, links and
// readings are not in it: a restored installation knows nobody who is signed in.
//
// Decision: rows travel in PostgreSQL's own COPY text. Every version from 15 on reads it, it needs no pg_dump, and a
// column of tomorrow is in it without a line of code here.

const (
	// snapshotLimit is the age at which a snapshot of an owner begins nothing more, even if the owner's entries do not end:
	// a longer one keeps PostgreSQL from pruning the stats rows, and writers slow down with every version that stays.
	snapshotLimit = 15 * time.Second
	// snapshotTimeout ends a snapshot, and with it the dump: what it had begun when its time was up took too long.
	snapshotTimeout = 30 * time.Second
	// dumpStep entries and dumpStepBytes, roughly, are what one COPY reads, and so how often the clock is looked at.
	dumpStep      = 5_000
	dumpStepBytes = 16 << 20
)

// sharedTables are dumped in this order: users come before what refers to them.
func sharedTables() []string {
	return []string{"users", "tokens", "rollup_marks", "rollup_open", "rollup_entries", "rollup_owners", "rollup_tools", "rollup_ledger"}
}

// histories are dumped after them, line by line.
func histories() []string { return []string{"audit", "sweeps"} }

// usersIn are the columns of a history that name users.
func usersIn(history string) []string {
	if history == "audit" {
		return []string{"actor_id", "subject_id"}
	}
	return []string{"user_id"}
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

// DumpShared dumps what belongs to no single owner: users with their rights and the rollups, which have to agree, in one
// snapshot, then the histories as far as they went then.
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
	ends := map[string]int64{}
	err = s.inDumpSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := head.read(ctx, tx); err != nil {
			return err
		}
		for _, name := range histories() { // what follows is of a later time
			var last int64
			if err := tx.QueryRow(ctx, "SELECT COALESCE(max(id), 0) FROM "+quoted([]string{name})).Scan(&last); err != nil {
				return err
			}
			ends[name] = last
		}
		for _, name := range sharedTables() {
			if err := dumpTable(ctx, tx, to, DumpTable{Name: name}, "true"); err != nil {
				return err
			}
		}
		return nil
	})
	for _, name := range histories() {
		if err == nil {
			err = s.dumpHistory(ctx, to, name, ends[name], head.Owners)
		}
	}
	return head, err
}

func (h *DumpHead) read(ctx context.Context, tx pgx.Tx) error {
	if err := tx.QueryRow(ctx, "SELECT id::text, epoch::text FROM installation").Scan(&h.Installation, &h.Epoch); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT id FROM users ORDER BY id")
	if err != nil {
		return err
	}
	h.Owners, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	return err
}

// dumpHistory dumps the lines of a table up to an id, each step in a snapshot of its own: they do not change. A line whose
// transaction was under way in the first snapshot may name a user who is not in that one, and is left out.
func (s *Store) dumpHistory(ctx context.Context, to Dumper, name string, end int64, users []int64) error {
	table, step := quoted([]string{name}), s.stepOfDump()
	for after, last := int64(0), int64(0); after < end; after = last {
		err := s.inDumpSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error {
			err := tx.QueryRow(ctx, "SELECT COALESCE(max(id), $2) FROM (SELECT id FROM "+table+" WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3) t", after, end, step).Scan(&last)
			if err != nil {
				return err
			}
			known, err := namesOnly(ctx, tx, usersIn(name), users)
			if err != nil {
				return err
			}
			return dumpTable(ctx, tx, to, DumpTable{Name: name}, fmt.Sprintf("id > %d AND id <= %d%s ORDER BY id", after, last, known))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// namesOnly returns the condition that columns name none but the users of a dump. Hardly ever is there anybody else.
func namesOnly(ctx context.Context, tx pgx.Tx, columns []string, users []int64) (cond string, err error) {
	rows, err := tx.Query(ctx, "SELECT id::text FROM users WHERE id <> ALL($1::bigint[])", users)
	if err != nil {
		return "", err
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(others) == 0 {
		return "", err
	}
	for _, column := range columns {
		cond += fmt.Sprintf(" AND (%[1]s IS NULL OR %[1]s NOT IN (%[2]s))", column, strings.Join(others, ", "))
	}
	return cond, nil
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

// stepOfDump is how many rows one COPY reads.
func (s *Store) stepOfDump() int {
	return cmp.Or(s.dumpStep, dumpStep)
}

// inDumpSnapshot runs f in one short read-only snapshot on a connection of pgx, which can COPY.
func (s *Store) inDumpSnapshot(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	limit := cmp.Or(s.dumpTimeout, snapshotTimeout)
	short, cancel := context.WithTimeoutCause(ctx, limit, errSlowDump(limit))
	defer cancel()
	err := pgx.BeginTxFunc(short, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(short, "SET LOCAL statement_timeout = 0"); err != nil { // the snapshot's is the one that counts
			return err
		}
		return f(short, tx)
	})
	if err != nil && ctx.Err() == nil && short.Err() != nil {
		return context.Cause(short)
	}
	return mapError(err)
}

func errSlowDump(limit time.Duration) error {
	return worklog.Errorf(worklog.CodeUnavailable, "the backup was ended: rows could not be read and written away within %s, while their snapshot slows writers down; use a faster disk, or a quieter time", limit)
}

// dumped says whether rows of a table can be in a dump.
func dumped(table string) bool {
	return table == entriesTable || slices.Contains(sharedTables(), table) || slices.Contains(histories(), table) || slices.Contains(ownerTables(), table)
}

func errNotDumped(table string) error {
	return worklog.Errorf(worklog.CodeInvalid, "a backup has no table %q", table)
}
