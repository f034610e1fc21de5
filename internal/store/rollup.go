package store

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// rollupLock is the advisory lock that lets one process count at a time.
	rollupLock = 0x776c7275 // "wlru"
	// rollupOwners and rollupEntries bound one transaction of the worker.
	rollupOwners  = 200
	rollupEntries = 10_000
	// rollupTimeout ends a step that hangs.
	rollupTimeout = 20 * time.Second
)

// RollUp counts what was committed since the last call, up to a bound, in one transaction that also moves the
// watermarks: killed at any point it leaves nothing half counted. It reads entries and their owners' stats and locks
// neither. Limit bounds the entries of a step; 0: the usual.
func (s *Store) RollUp(ctx context.Context, at time.Time, limit int) (p rollup.Progress, err error) {
	ctx, cancel := context.WithTimeout(ctx, rollupTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return p, mapError(err)
	}
	defer conn.Release()
	st := &rollupStep{now: at.UTC(), limit: cmp.Or(limit, rollupEntries), tally: rollup.NewTally(at), counted: map[int64]int64{}}
	if p, err = st.run(ctx, conn); err != nil {
		rollback(ctx, conn)
	}
	return p, mapError(err)
}

// rollupStep is one transaction of the worker.
type rollupStep struct {
	now     time.Time
	limit   int
	tally   *rollup.Tally
	marks   []rollupMark
	counted map[int64]int64 // up to which rev, by owner
	seen    []rolledEntry   // as they are now
	before  map[ownerSeq]*rollup.Entry
	ledger  worklog.Counts
	// redacted is what was taken out since.
	redacted int64
}

type ownerSeq struct{ owner, seq int64 }

// rollupMark is where the counting of an owner stands.
type rollupMark struct {
	owner, rev, head int64
	counts           worklog.Counts // as they are now
	redacted         int64
	more             bool
}

// rolledEntry is an entry that has changed.
type rolledEntry struct {
	rollup.Entry
	rev   int64
	facts rollup.Facts
}

func (st *rollupStep) run(ctx context.Context, conn *pgxpool.Conn) (p rollup.Progress, err error) {
	leads, err := st.begin(ctx, conn)
	if err != nil {
		return p, err
	}
	if !leads || len(st.marks) == 0 {
		_, err := conn.Exec(ctx, "COMMIT")
		return rollup.Progress{Idle: !leads}, err
	}
	if err := st.read(ctx, conn); err != nil {
		return p, err
	}
	for i := range st.seen {
		e := &st.seen[i]
		before, known := st.before[ownerSeq{e.Owner, e.Seq}]
		if !known && !st.isNew(e) {
			continue // nothing that is counted can have changed
		}
		st.tally.Move(before, &e.Entry)
	}
	p.Entries, p.More = len(st.seen), len(st.marks) == rollupOwners
	for i := range st.marks {
		p.More = p.More || st.marks[i].more
	}
	tools, err := st.nameTools(ctx, conn)
	if err != nil {
		return p, err
	}
	return p, st.write(ctx, conn, tools)
}

const sqlRollupNews = `SELECT st.owner_id, COALESCE(m.rev, 0), st.last_rev, st.stored, st.updated, st.unchanged, st.merged, st.limited, st.invalid, st.redacted,
		st.stored - COALESCE(m.stored, 0), st.updated - COALESCE(m.updated, 0), st.unchanged - COALESCE(m.unchanged, 0), st.merged - COALESCE(m.merged, 0),
		st.limited - COALESCE(m.limited, 0), st.invalid - COALESCE(m.invalid, 0), st.redacted - COALESCE(m.redacted, 0)
	FROM work_log_stats st LEFT JOIN rollup_marks m USING (owner_id)
	WHERE st.last_rev > COALESCE(m.rev, 0)
		OR st.stored + st.updated + st.unchanged + st.merged + st.limited + st.invalid
			> COALESCE(m.stored + m.updated + m.unchanged + m.merged + m.limited + m.invalid, 0)
	ORDER BY random() LIMIT $1`

// begin takes the lock and finds the owners with news. When there are more than one step takes, chance decides: a busy
// owner must not starve the others.
func (st *rollupStep) begin(ctx context.Context, conn *pgxpool.Conn) (leads bool, err error) {
	var b pgx.Batch
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	b.Queue("SELECT pg_try_advisory_xact_lock($1)", int64(rollupLock)).QueryRow(func(row pgx.Row) error { return row.Scan(&leads) })
	b.Queue(sqlRollupNews, rollupOwners).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var m rollupMark
			var d worklog.Counts
			var redacted int64
			c := &m.counts
			err := rows.Scan(&m.owner, &m.rev, &m.head, &c.Stored, &c.Updated, &c.Unchanged, &c.Merged, &c.Limited, &c.Invalid, &m.redacted,
				&d.Stored, &d.Updated, &d.Unchanged, &d.Merged, &d.Limited, &d.Invalid, &redacted)
			if err != nil {
				return err
			}
			st.marks = append(st.marks, m)
			st.counted[m.owner] = m.rev
			st.count(d)
			st.redacted += max(redacted, 0)
		}
		return rows.Err()
	})
	return leads, conn.SendBatch(ctx, &b).Close()
}

// count adds to the ledger. A counter that went back, after the restore of a backup, takes nothing away.
func (st *rollupStep) count(d worklog.Counts) {
	l := &st.ledger
	l.Stored += max(d.Stored, 0)
	l.Updated += max(d.Updated, 0)
	l.Unchanged += max(d.Unchanged, 0)
	l.Merged += max(d.Merged, 0)
	l.Limited += max(d.Limited, 0)
	l.Invalid += max(d.Invalid, 0)
}

const (
	rolledColumns = `w.owner_id, w.seq, w.rev, w.type, w.status, w.tool, w.inferred, w.key IS NOT NULL, w.started_at, w.ended_at, w.created_at`

	sqlRollupChanges = `SELECT ` + rolledColumns + ` FROM unnest($1::bigint[], $2::bigint[]) AS o (owner, rev)
		CROSS JOIN LATERAL (SELECT * FROM work_logs w WHERE w.owner_id = o.owner AND w.rev > o.rev ORDER BY w.rev LIMIT $3) w`

	// sqlRollupAhead finds what a page that is full has left out below its new watermark: entries that are new, and
	// changed again behind it. Later they would pass for counted.
	sqlRollupAhead = `SELECT ` + rolledColumns + ` FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS o (owner, low, high)
		JOIN work_logs w ON w.owner_id = o.owner AND w.seq > o.low AND w.seq <= o.high AND w.rev > o.high`

	sqlRollupBefore = `SELECT r.owner_id, r.seq, r.type, r.status, r.tool, r.took, r.created_at FROM unnest($1::bigint[], $2::bigint[]) AS k (owner, seq)
		JOIN rollup_open r ON r.owner_id = k.owner AND r.seq = k.seq`
)

// read fetches the changes of every owner with news, and what was counted of those that are not new.
func (st *rollupStep) read(ctx context.Context, conn *pgxpool.Conn) error {
	owners, revs := make([]int64, len(st.marks)), make([]int64, len(st.marks))
	for i, m := range st.marks {
		owners[i], revs[i] = m.owner, m.rev
	}
	page := max(st.limit/len(st.marks), 1)
	if err := st.scan(ctx, conn, sqlRollupChanges, owners, revs, page); err != nil {
		return err
	}
	if err := st.advance(ctx, conn, page); err != nil {
		return err
	}
	var seqs []int64
	owners = owners[:0]
	for i := range st.seen {
		if e := &st.seen[i]; !st.isNew(e) {
			owners, seqs = append(owners, e.Owner), append(seqs, e.Seq)
		}
	}
	st.before = make(map[ownerSeq]*rollup.Entry, len(seqs))
	if len(seqs) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, sqlRollupBefore, owners, seqs)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e := &rollup.Entry{}
		if err := rows.Scan(&e.Owner, &e.Seq, &e.Type, &e.Status, &e.Tool, &e.Took, &e.At); err != nil {
			return err
		}
		st.before[ownerSeq{e.Owner, e.Seq}] = e
	}
	return rows.Err()
}

// advance finds where each owner's watermark is to stand after the page. Of an owner whose page is full it is the page's
// last rev, of the others their head.
func (st *rollupStep) advance(ctx context.Context, conn *pgxpool.Conn, page int) error {
	read, last := map[int64]int{}, map[int64]int64{}
	for i := range st.seen {
		e := &st.seen[i]
		read[e.Owner]++
		last[e.Owner] = max(last[e.Owner], e.rev)
	}
	var owners, low, high []int64
	for i := range st.marks {
		m := &st.marks[i]
		if m.more = read[m.owner] == page; !m.more {
			m.head = max(m.head, last[m.owner])
			continue
		}
		m.head = last[m.owner]
		owners, low, high = append(owners, m.owner), append(low, m.rev), append(high, m.head)
	}
	if len(owners) == 0 {
		return nil
	}
	counted := len(st.seen)
	if err := st.scan(ctx, conn, sqlRollupAhead, owners, low, high); err != nil {
		return err
	}
	st.dropTwins(counted)
	return nil
}

// dropTwins leaves out of the first n entries those that were read again since, with a later rev.
func (st *rollupStep) dropTwins(n int) {
	again := map[ownerSeq]bool{}
	for _, e := range st.seen[n:] {
		again[ownerSeq{e.Owner, e.Seq}] = true
	}
	kept := st.seen[:0]
	for i, e := range st.seen {
		if i >= n || !again[ownerSeq{e.Owner, e.Seq}] {
			kept = append(kept, e)
		}
	}
	st.seen = kept
}

func (st *rollupStep) scan(ctx context.Context, conn *pgxpool.Conn, sql string, args ...any) error {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e rolledEntry
		var start, end *time.Time
		err := rows.Scan(&e.Owner, &e.Seq, &e.rev, &e.Type, &e.Status, &e.Tool, &e.facts.Inferred, &e.facts.Keyed, &start, &end, &e.At)
		if err != nil {
			return err
		}
		e.facts.Started, e.facts.Ended = start != nil, end != nil
		e.Took = rollup.Took(deref(start), deref(end))
		st.seen = append(st.seen, e)
	}
	return rows.Err()
}

// isNew reports whether the entry has not been counted.
func (st *rollupStep) isNew(e *rolledEntry) bool { return e.Seq > st.counted[e.Owner] }
