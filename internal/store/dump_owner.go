package store

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Snapshots says how the data of an owner was held still.
type Snapshots struct {
	N       int
	Longest time.Duration
}

// DumpOwner dumps everything of an owner. The caller holds the lock of retention, so that whatever changes meanwhile
// gets a rev. Objects of the archive are only named.
func (s *Store) DumpOwner(ctx context.Context, owner int64, to Dumper) (held Snapshots, err error) {
	d := ownerDump{owner: owner, to: to, limit: snapshotLimit, step: s.stepOfDump()}
	if s.dumpStep > 0 { // a test: every step a snapshot
		d.limit = 0
	}
	for !d.done && err == nil {
		began := time.Now()
		err = s.inDumpSnapshot(ctx, func(ctx context.Context, tx pgx.Tx) error { return d.snapshot(ctx, tx, held.N == 0) })
		held.N++
		held.Longest = max(held.Longest, time.Since(began))
	}
	return held, err
}

// ownerDump is how far the dump of an owner is. Each snapshot goes on where the one before ended: with the entries, then
// with those of earlier snapshots that have changed since. One that finds nothing more of either ends the dump with what
// says how things stand.
type ownerDump struct {
	owner int64
	to    Dumper
	limit time.Duration // of a snapshot: afterwards it begins nothing more
	step  int

	seq    int64             // up to which entries are dumped
	rev    int64             // up to which changes are
	loose  int64             // up to which kept entries without a conversation are
	filed  map[[16]byte]bool // the owner's conversations in any snapshot since such entries were last looked for
	dumped int64             // seq when this snapshot began: what it dumps itself is as it stands
	began  time.Time         // of this snapshot
	done   bool
}

func (d *ownerDump) snapshot(ctx context.Context, tx pgx.Tx, first bool) (err error) {
	d.began, d.dumped = time.Now(), d.seq
	if err := d.begin(ctx, tx, first); err != nil {
		return err
	}
	parts := []func(context.Context, pgx.Tx) (bool, error){d.entries}
	if d.dumped > 0 {
		parts = append(parts, d.changes, d.departures)
	}
	for _, part := range parts {
		for more := true; more; {
			if more, err = part(ctx, tx); err != nil {
				return err
			}
			if more && time.Since(d.began) >= d.limit {
				return nil
			}
		}
	}
	return d.end(ctx, tx)
}

// begin notes what this snapshot is compared with later. A conversation that it sees may be gone in the last one.
func (d *ownerDump) begin(ctx context.Context, tx pgx.Tx, first bool) (err error) {
	if first {
		err := tx.QueryRow(ctx, "SELECT COALESCE(max(last_rev), 0) FROM work_log_stats WHERE owner_id = $1", d.owner).Scan(&d.rev)
		if err != nil {
			return err
		}
	}
	now, err := d.conversations(ctx, tx)
	if d.filed == nil {
		d.filed = now
	}
	maps.Copy(d.filed, now)
	return err
}

// entries dumps the next ones that were not dumped yet, and reports whether there were any.
func (d *ownerDump) entries(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	return d.rows(ctx, tx, &d.seq, "seq", "", DumpTable{Name: entriesTable, Owner: d.owner})
}

// changes dumps the next entries that have changed since an earlier snapshot.
func (d *ownerDump) changes(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	return d.rows(ctx, tx, &d.rev, "rev", fmt.Sprintf(" AND seq <= %d", d.dumped), d.again())
}

// departures dumps the next entries that have left a conversation and taken keep over, which takes no rev. They are
// looked for only when a conversation has gone.
func (d *ownerDump) departures(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	if d.loose == 0 {
		now, err := d.conversations(ctx, tx)
		if err != nil || haveAll(now, d.filed) {
			return false, err
		}
		d.filed = now
	}
	cond := fmt.Sprintf(" AND conversation_id IS NULL AND keep AND seq <= %d", d.dumped)
	if more, err = d.rows(ctx, tx, &d.loose, "seq", cond, d.again()); err == nil && !more {
		d.loose = 0
		return true, nil // one may have gone since this began
	}
	return more, err
}

func haveAll(now, before map[[16]byte]bool) bool {
	for id := range before {
		if !now[id] {
			return false
		}
	}
	return true
}

func (d *ownerDump) again() DumpTable {
	return DumpTable{Name: entriesTable, Owner: d.owner, Again: true}
}

// conversations lists those that the owner has, hidden ones as well: whoever restores the dump finishes their deletion.
func (d *ownerDump) conversations(ctx context.Context, tx pgx.Tx) (map[[16]byte]bool, error) {
	rows, err := tx.Query(ctx, "SELECT id FROM conversations WHERE owner_id = $1", d.owner)
	if err != nil {
		return nil, err
	}
	ids := map[[16]byte]bool{}
	var id pgtype.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { ids[id.Bytes] = true; return nil })
	return ids, err
}

// sqlDumpStep finds where the next rows end that are few enough and not too large, but one at least.
const sqlDumpStep = `SELECT COALESCE(max(at), 0) FROM (
		SELECT at, sum(size) OVER (ORDER BY at) AS bytes, row_number() OVER (ORDER BY at) AS n FROM (
			SELECT %[1]s AS at, octet_length(details) + COALESCE(octet_length(details_z), 0) + pg_column_size(metadata) AS size FROM work_logs
			WHERE owner_id = $1 AND %[1]s > $2%[2]s ORDER BY %[1]s LIMIT $3
		) w
	) w WHERE bytes <= $4 OR n = 1`

// rows dumps the next entries in the order of a column, and reports whether there were any. At is how far they are.
func (d *ownerDump) rows(ctx context.Context, tx pgx.Tx, at *int64, column, cond string, t DumpTable) (more bool, err error) {
	var last int64
	err = tx.QueryRow(ctx, fmt.Sprintf(sqlDumpStep, column, cond), d.owner, *at, d.step, dumpStepBytes).Scan(&last)
	if err != nil || last == 0 {
		return false, err
	}
	where := fmt.Sprintf("owner_id = %d AND %[2]s > %[3]d AND %[2]s <= %[4]d%[5]s ORDER BY %[2]s", d.owner, column, *at, last, cond)
	*at = last
	return true, dumpTable(ctx, tx, d.to, t, where)
}

// end dumps the small tables, which say how things stand now.
func (d *ownerDump) end(ctx context.Context, tx pgx.Tx) error {
	for _, name := range ownerTables() {
		if err := dumpTable(ctx, tx, d.to, DumpTable{Name: name, Owner: d.owner}, fmt.Sprintf("owner_id = %d", d.owner)); err != nil {
			return err
		}
	}
	d.done = true
	return nil
}
