package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/worklogdev/worklog/internal/rollup"
)

const (
	sqlRollupEntries = `INSERT INTO rollup_entries AS r (grain, bucket, type, status, n)
		SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::integer[])
		ON CONFLICT (grain, bucket, type, status) DO UPDATE SET n = r.n + EXCLUDED.n`

	sqlRollupOwners = `INSERT INTO rollup_owners AS r (grain, bucket, owner_id, n, failed)
		SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::integer[], $5::integer[])
		ON CONFLICT (grain, bucket, owner_id) DO UPDATE SET n = r.n + EXCLUDED.n, failed = r.failed + EXCLUDED.failed`

	sqlRollupTools = `INSERT INTO rollup_tools AS r (grain, bucket, tool, n, failed, durations)
		SELECT grain, bucket, tool, n, failed, durations::integer[]
		FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::integer[], $5::integer[], $6::text[]) AS v (grain, bucket, tool, n, failed, durations)
		ON CONFLICT (grain, bucket, tool) DO UPDATE SET n = r.n + EXCLUDED.n, failed = r.failed + EXCLUDED.failed,
			durations = rollup_add(r.durations, EXCLUDED.durations)`

	sqlRollupToolNames = `SELECT v.grain, v.bucket,
			(SELECT count(*) FROM rollup_tools r WHERE r.grain = v.grain AND r.bucket = v.bucket AND r.tool <> ''),
			ARRAY(SELECT r.tool FROM rollup_tools r WHERE r.grain = v.grain AND r.bucket = v.bucket AND r.tool = ANY($3::text[]))
		FROM unnest($1::text[], $2::timestamptz[]) AS v (grain, bucket)`

	sqlRollupForget = `DELETE FROM rollup_open r USING unnest($1::bigint[], $2::bigint[]) AS k (owner, seq) WHERE r.owner_id = k.owner AND r.seq = k.seq`

	sqlRollupRemember = `INSERT INTO rollup_open (owner_id, seq, open, type, status, tool, took, created_at)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::timestamptz[])
		ON CONFLICT (owner_id, seq) DO UPDATE SET open = EXCLUDED.open, type = EXCLUDED.type, status = EXCLUDED.status, tool = EXCLUDED.tool, took = EXCLUDED.took`

	sqlRollupMarks = `INSERT INTO rollup_marks (owner_id, rev, stored, updated, unchanged, merged, limited, invalid, redacted)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
		ON CONFLICT (owner_id) DO UPDATE SET rev = EXCLUDED.rev, stored = EXCLUDED.stored, updated = EXCLUDED.updated, unchanged = EXCLUDED.unchanged,
			merged = EXCLUDED.merged, limited = EXCLUDED.limited, invalid = EXCLUDED.invalid, redacted = EXCLUDED.redacted`

	sqlRollupLedger = `INSERT INTO rollup_ledger AS r (grain, bucket, stored, updated, unchanged, merged, limited, invalid, redacted)
		SELECT grain, bucket, $3, $4, $5, $6, $7, $8, $9 FROM unnest($1::text[], $2::timestamptz[]) AS v (grain, bucket)
		ON CONFLICT (grain, bucket) DO UPDATE SET stored = r.stored + EXCLUDED.stored, updated = r.updated + EXCLUDED.updated,
			unchanged = r.unchanged + EXCLUDED.unchanged, merged = r.merged + EXCLUDED.merged, limited = r.limited + EXCLUDED.limited,
			invalid = r.invalid + EXCLUDED.invalid, redacted = r.redacted + EXCLUDED.redacted`
)

// bucketKey is a bucket of any table.
type bucketKey struct {
	grain rollup.Grain
	at    time.Time
}

// nameTools gives every tool of the tally the name that its bucket counts it by: its own, or the common one when the
// bucket has as many names as it may. A bucket that is full stays full, so a tool keeps its name there.
func (st *rollupStep) nameTools(ctx context.Context, conn *pgxpool.Conn) (map[rollup.ToolKey]*rollup.ToolCount, error) {
	if len(st.tally.Tools) == 0 {
		return nil, nil
	}
	wanted := map[bucketKey][]string{}
	names := map[string]bool{}
	for k := range st.tally.Tools {
		b := bucketKey{k.Grain, k.Bucket}
		wanted[b] = append(wanted[b], k.Tool)
		names[k.Tool] = true
	}
	var grains, tools []string
	var buckets []time.Time
	for b := range wanted {
		grains, buckets = append(grains, string(b.grain)), append(buckets, b.at)
	}
	for name := range names {
		tools = append(tools, name)
	}
	rows, err := conn.Query(ctx, sqlRollupToolNames, grains, buckets, tools)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	named := make(map[rollup.ToolKey]*rollup.ToolCount, len(st.tally.Tools))
	for rows.Next() {
		var b bucketKey
		var count int
		var known []string
		if err := rows.Scan(&b.grain, &b.at, &count, &known); err != nil {
			return nil, err
		}
		b.at = b.at.UTC()
		st.nameInBucket(named, b, wanted[b], known, count)
	}
	return named, rows.Err()
}

func (st *rollupStep) nameInBucket(named map[rollup.ToolKey]*rollup.ToolCount, b bucketKey, tools, known []string, count int) {
	slices.Sort(tools)
	for _, tool := range tools {
		k := rollup.ToolKey{Grain: b.grain, Bucket: b.at, Tool: tool}
		c := st.tally.Tools[k]
		switch {
		case slices.Contains(known, tool):
		case count < rollup.MaxTools:
			count++
		default:
			k.Tool = rollup.OtherTools
		}
		if sum := named[k]; sum != nil {
			sum.Merge(c)
			continue
		}
		named[k] = c
	}
}

// write sends everything that was counted, and commits.
func (st *rollupStep) write(ctx context.Context, conn *pgxpool.Conn, tools map[rollup.ToolKey]*rollup.ToolCount) error {
	var b pgx.Batch
	st.queueEntries(&b)
	st.queueOwners(&b)
	queueTools(&b, tools)
	st.queueOpen(&b)
	st.queueMarks(&b)
	b.Queue("COMMIT")
	return conn.SendBatch(ctx, &b).Close()
}

func (st *rollupStep) queueEntries(b *pgx.Batch) {
	var grain, kind, status []string
	var bucket []time.Time
	var n []int64
	for k, count := range st.tally.Statuses {
		if count == 0 {
			continue
		}
		grain, bucket = append(grain, string(k.Grain)), append(bucket, k.Bucket)
		kind, status, n = append(kind, string(k.Type)), append(status, string(k.Status)), append(n, count)
	}
	if len(n) > 0 {
		b.Queue(sqlRollupEntries, grain, bucket, kind, status, n)
	}
}

func (st *rollupStep) queueOwners(b *pgx.Batch) {
	var grain []string
	var bucket []time.Time
	var owner, n, failed []int64
	for k, count := range st.tally.Owners {
		if count == (rollup.Count{}) {
			continue
		}
		grain, bucket, owner = append(grain, string(k.Grain)), append(bucket, k.Bucket), append(owner, k.Owner)
		n, failed = append(n, count.Entries), append(failed, count.Failed)
	}
	if len(n) > 0 {
		b.Queue(sqlRollupOwners, grain, bucket, owner, n, failed)
	}
}

func queueTools(b *pgx.Batch, tools map[rollup.ToolKey]*rollup.ToolCount) {
	var grain, tool, durations []string
	var bucket []time.Time
	var n, failed []int64
	for k, count := range tools {
		grain, bucket, tool = append(grain, string(k.Grain)), append(bucket, k.Bucket), append(tool, k.Tool)
		n, failed = append(n, count.Entries), append(failed, count.Failed)
		durations = append(durations, arrayLiteral(count.Array()))
	}
	if len(n) > 0 {
		b.Queue(sqlRollupTools, grain, bucket, tool, n, failed, durations)
	}
}

// arrayLiteral writes numbers as PostgreSQL reads an array: a column of arrays of different lengths is no array.
func arrayLiteral(numbers []int64) string {
	var s strings.Builder
	s.WriteByte('{')
	for i, n := range numbers {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(strconv.FormatInt(n, 10))
	}
	s.WriteByte('}')
	return s.String()
}

// queueOpen remembers what was counted of entries that may still change, and forgets those that can not any more.
func (st *rollupStep) queueOpen(b *pgx.Batch) {
	var owner, seq, goneOwner, goneSeq []int64
	var open []bool
	var kind, status, tool []string
	var took []int16
	var at []time.Time
	for i := range st.seen {
		e := &st.seen[i]
		_, known := st.before[ownerSeq{e.Owner, e.Seq}]
		if !known && !st.isNew(e) {
			continue
		}
		why := e.Remember(e.facts, st.now)
		if why == rollup.Forget {
			if known {
				goneOwner, goneSeq = append(goneOwner, e.Owner), append(goneSeq, e.Seq)
			}
			continue
		}
		owner, seq, open, at = append(owner, e.Owner), append(seq, e.Seq), append(open, why == rollup.Open), append(at, e.At)
		kind, status, tool, took = append(kind, string(e.Type)), append(status, string(e.Status)), append(tool, e.Tool), append(took, int16(e.Took))
	}
	if len(goneSeq) > 0 {
		b.Queue(sqlRollupForget, goneOwner, goneSeq)
	}
	if len(seq) > 0 {
		b.Queue(sqlRollupRemember, owner, seq, open, kind, status, tool, took, at)
	}
}

// queueMarks moves the watermarks and closes the ledger.
func (st *rollupStep) queueMarks(b *pgx.Batch) {
	var owner, rev []int64
	counts := make([][]int64, 7)
	for _, m := range st.marks {
		owner, rev = append(owner, m.owner), append(rev, m.head)
		c := m.counts
		for i, n := range [7]int64{c.Stored, c.Updated, c.Unchanged, c.Merged, c.Limited, c.Invalid, m.redacted} {
			counts[i] = append(counts[i], n)
		}
	}
	b.Queue(sqlRollupMarks, owner, rev, counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[6])
	var grains []string
	var buckets []time.Time
	for _, g := range rollup.Grains() {
		grains, buckets = append(grains, string(g)), append(buckets, g.Bucket(st.now))
	}
	l := st.ledger
	b.Queue(sqlRollupLedger, grains, buckets, l.Stored, l.Updated, l.Unchanged, l.Merged, l.Limited, l.Invalid, st.redacted)
}

// rollupPrune bounds how many rows one statement of PruneRollups deletes.
const rollupPrune = 20_000

// PruneRollups deletes buckets that are older than their grain is kept, and what is remembered of entries for which no
// change is waited for any more. It deletes a bounded number of rows: whoever calls it every minute keeps up.
func (s *Store) PruneRollups(ctx context.Context, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, rollupTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return mapError(err)
	}
	defer conn.Release()
	var leads bool
	var b pgx.Batch
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	b.Queue("SELECT pg_try_advisory_xact_lock($1)", int64(rollupLock)).QueryRow(func(row pgx.Row) error { return row.Scan(&leads) })
	if err := conn.SendBatch(ctx, &b).Close(); err != nil || !leads {
		rollback(ctx, conn)
		return mapError(err)
	}
	b = pgx.Batch{}
	for _, table := range []string{"rollup_entries", "rollup_owners", "rollup_tools", "rollup_ledger"} {
		for _, g := range rollup.Grains() {
			b.Queue("DELETE FROM "+table+" WHERE ctid = ANY(ARRAY(SELECT ctid FROM "+table+" WHERE grain = $1 AND bucket < $2 LIMIT $3))", string(g), g.Oldest(at), rollupPrune)
		}
	}
	forget := "DELETE FROM rollup_open WHERE ctid = ANY(ARRAY(SELECT ctid FROM rollup_open WHERE open = $1 AND created_at <= $2 LIMIT $3))"
	b.Queue(forget, false, at.Add(-rollup.LateFacts), rollupPrune)
	b.Queue(forget, true, at.Add(-rollup.MaxOpen), rollupPrune)
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		rollback(ctx, conn)
		return mapError(err)
	}
	return nil
}
