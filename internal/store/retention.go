package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/worklog"
)

// countTimeout bounds a statement that reads every row.
const countTimeout = 10 * time.Minute

// Due says which entries a step of retention is for: those with one of the statuses From whose age has reached Until
// and not yet Since. What an admin holds and what was restored lately is never due.
type Due struct {
	From         []worklog.StorageStatus
	Since, Until time.Time // of logged_at: later than Since (zero: any), not later than Until
	Keep         *bool     // only entries that are kept, or only those that are not; nil: both
	Now          time.Time
}

// conditions is a condition on w with its arguments, which begin with the number next.
type conditions struct {
	list []string
	args []any
	next int
}

// add adds a condition whose only argument is written as %s.
func (c *conditions) add(cond string, v any) {
	c.list, c.args = append(c.list, fmt.Sprintf(cond, fmt.Sprintf("$%d", c.next))), append(c.args, v)
	c.next++
}

// roughly returns what the index on (storage_status, logged_at) and the rows alone say. Some entries are not due after
// all, because of their conversation.
func (d Due) roughly(first int) (string, []any) {
	c := conditions{next: first}
	c.add("w.logged_at <= %s::timestamptz", d.Until)
	if !d.Since.IsZero() {
		c.add("w.logged_at > %s::timestamptz", d.Since)
	}
	c.add("(w.expires_at IS NULL OR w.expires_at <= %s::timestamptz)", d.Now)
	if d.Keep != nil && !*d.Keep {
		c.list = append(c.list, "NOT w.keep")
	}
	return strings.Join(c.list, " AND "), c.args
}

// exactly returns the condition that holds for due entries. Hold and keep of the conversation count at once, before the
// latter has reached all of its entries.
func (d Due) exactly(first int) (string, []any) {
	const conversation = " AND %s EXISTS (SELECT FROM conversations c WHERE c.owner_id = w.owner_id AND c.id = w.conversation_id AND %s)"
	cond, args := d.roughly(first)
	cond += fmt.Sprintf(conversation, "NOT", "c.hold")
	switch {
	case d.Keep == nil:
	case *d.Keep:
		cond += fmt.Sprintf(conversation, "(w.keep OR", "c.keep") + ")"
	default:
		cond += fmt.Sprintf(conversation, "NOT", "c.keep")
	}
	return cond, args
}

// stays returns what holds, among entries that are roughly due, for those that are not exactly. It asks for one
// conversation after the other: a page has few of them.
func (d Due) stays() string {
	const conversation = "COALESCE((SELECT %s FROM conversations c WHERE c.owner_id = w.owner_id AND c.id = w.conversation_id), %s)"
	switch {
	case d.Keep == nil:
		return fmt.Sprintf(conversation, "c.hold", "false")
	case *d.Keep:
		return fmt.Sprintf(conversation, "c.hold OR NOT (w.keep OR c.keep)", "NOT w.keep")
	}
	return fmt.Sprintf(conversation, "c.hold OR c.keep", "false")
}

// ofBatch is exactly for statements that name their rows: these must not go through all that is due to find them.
func (d Due) ofBatch(first int) (string, []any) {
	cond, args := d.exactly(first)
	args = append(args, statusNames(d.From))
	cond = strings.ReplaceAll(cond, "w.logged_at ", "w.logged_at + interval '0' ")
	return cond + fmt.Sprintf(" AND w.storage_status || '' = ANY($%d::text[])", first+len(args)-1), args
}

// DueEntry is an entry that a step is for.
type DueEntry struct {
	Owner, Seq int64
	LoggedAt   time.Time
	Bytes      int64 // of details and metadata when they are in memory, roughly
	Stays      bool  // because of its conversation: it only marks how far the page goes
}

// dueEntries reads in the order of the index on (storage_status, logged_at). What the conversation says decides about no
// row of the page: however many stay as they are, a page is so many rows of the index and no more.
const dueEntries = `SELECT w.owner_id, w.seq, w.logged_at, w.bytes, %s FROM (
		SELECT w.owner_id, w.seq, w.logged_at, w.conversation_id, w.keep,
			CASE WHEN w.archive_url IS NULL THEN COALESCE(w.details_bytes, octet_length(w.details)) + pg_column_size(w.metadata) ELSE 0 END AS bytes
		FROM work_logs w WHERE w.storage_status = $1 AND w.logged_at >= $2::timestamptz AND (w.logged_at, w.owner_id, w.seq) > ($2::timestamptz, $3, $4)
		AND %s ORDER BY w.logged_at, w.owner_id, w.seq LIMIT $5
	) w ORDER BY w.logged_at, w.owner_id, w.seq`

// DueEntries returns the next entries of one status, oldest first, and those between them that stay as they are. After is
// the last one of the page before; the zero value begins.
func (s *Store) DueEntries(ctx context.Context, from worklog.StorageStatus, d Due, after DueEntry, limit int) ([]DueEntry, error) {
	cond, args := d.roughly(6)
	if after.LoggedAt.IsZero() { // year 1 is a time that PostgreSQL knows
		after.LoggedAt = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	rows, err := s.pool.Query(ctx, fmt.Sprintf(dueEntries, d.stays(), cond), append([]any{string(from), after.LoggedAt, after.Owner, after.Seq, limit}, args...)...)
	if err != nil {
		return nil, mapError(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[DueEntry])
	return list, mapError(err)
}

// OwnerCount is how many entries of an owner a step is for, and how many bytes they have in the database.
type OwnerCount struct {
	Owner   int64  `json:"-"`
	Email   string `json:"owner"`
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
}

// CountDue counts what is due, per owner, most entries first. It changes nothing.
func (s *Store) CountDue(ctx context.Context, d Due) (list []OwnerCount, err error) {
	cond, args := d.exactly(2)
	sql := fmt.Sprintf(`SELECT w.owner_id, u.email, count(*), sum(%s)::bigint FROM work_logs w JOIN users u ON u.id = w.owner_id
		WHERE w.storage_status = ANY($1::text[]) AND %s GROUP BY w.owner_id, u.email ORDER BY count(*) DESC, w.owner_id`, sqlBytes, cond)
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setCountTimeout()); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql, append([]any{statusNames(d.From)}, args...)...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[OwnerCount])
		return err
	})
	return list, mapError(err)
}

// sqlBytes is what an entry counts towards its owner's bytes.
const sqlBytes = `octet_length(w.title) + octet_length(w.details) + COALESCE(octet_length(w.details_z), 0) + octet_length(w.metadata::text)`

func statusNames(list []worklog.StorageStatus) []string {
	names := make([]string, len(list))
	for i, st := range list {
		names[i] = string(st)
	}
	return names
}

// Moved is what one batch of retention did.
type Moved struct {
	Entries int64
	Freed   int64 // bytes that the database holds less; negative after a restore
}

// settled is what came of a batch: nothing, where it was rolled back.
func settled(moved Moved, empty []ArchiveObject, err error) (Moved, []ArchiveObject, error) {
	if err != nil {
		return Moved{}, nil, err
	}
	return moved, empty, nil
}

// packed is the compressed form of one entry's details.
type packed struct {
	seq, rev int64
	details  int // their length as they were
	z        []byte
}

// pack compresses the details of an owner's hot entries. Nothing is changed yet.
func (s *Store) pack(ctx context.Context, owner int64, seqs []int64) ([]packed, error) {
	rows, err := s.pool.Query(ctx, "SELECT seq, rev, details FROM work_logs WHERE owner_id = $1 AND seq = ANY($2::bigint[]) AND storage_status || '' = 'hot'", owner, seqs)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p packed, err error) {
		var details string
		err = row.Scan(&p.seq, &p.rev, &details)
		p.details, p.z = len(details), deflate(details)
		return p, err
	})
}

const sqlWarm = `UPDATE work_logs w SET storage_status = 'warm', expires_at = NULL, compression_level = v.level, details_z = v.z,
	details = CASE WHEN v.z IS NULL THEN w.details ELSE '' END, details_bytes = CASE WHEN v.z IS NULL THEN NULL ELSE octet_length(w.details) END
	FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::smallint[]) AS v (seq, rev, z, level)
	WHERE w.owner_id = $1 AND w.seq = v.seq AND w.rev + 0 = v.rev AND %s RETURNING w.seq, ` + sqlBytes

// WarmEntries compresses the details of an owner's hot entries in place. Those that have changed since, or are not due
// any more, stay as they are.
func (s *Store) WarmEntries(ctx context.Context, owner int64, seqs []int64, d Due) (moved Moved, err error) {
	found, err := s.pack(ctx, owner, seqs)
	if err != nil || len(found) == 0 {
		return moved, mapError(err)
	}
	var numbers, revs []int64
	var zs [][]byte
	var levels []int16
	saved := make(map[int64]int64, len(found))
	for _, p := range found {
		level := int16(0)
		if p.z != nil {
			level, saved[p.seq] = compressionLevel, int64(p.details-len(p.z))
		}
		numbers, revs, zs, levels = append(numbers, p.seq), append(revs, p.rev), append(zs, p.z), append(levels, level)
	}
	cond, args := d.ofBatch(6)
	err = s.ownerTx(ctx, owner, func(tx pgx.Tx, delta *statsRow) error {
		moved = Moved{}
		rows, err := prepared(ctx, tx, fmt.Sprintf(sqlWarm, cond), append([]any{owner, numbers, revs, zs, levels}, args...)...)
		if err != nil {
			return err
		}
		var seq, size int64
		_, err = pgx.ForEachRow(rows, []any{&seq, &size}, func() error {
			moved.Entries++
			moved.Freed += saved[seq]
			delta.weigh(worklog.StorageHot, -size-saved[seq])
			delta.weigh(worklog.StorageWarm, size)
			return nil
		})
		delta.count(worklog.StorageHot, -moved.Entries)
		delta.count(worklog.StorageWarm, moved.Entries)
		return err
	})
	if err != nil {
		return Moved{}, err
	}
	return moved, nil
}

const sqlDelete = `DELETE FROM work_logs w WHERE w.owner_id = $1 AND w.seq = ANY($2::bigint[]) AND %s
	RETURNING w.storage_status, w.conversation_id, w.status, w.asked_at IS NOT NULL, w.archive_url, ` + sqlBytes

// removed adds up what a batch of deletions takes away.
type removed struct {
	entries, working, asking, errors map[string]int64 // per conversation
	objects                          map[string]int64 // rows per archive object
}

// DeleteEntries deletes those of an owner's entries that are due. Archive objects that no entry points to afterwards
// are returned: the caller deletes them and calls ForgetObject.
func (s *Store) DeleteEntries(ctx context.Context, owner int64, seqs []int64, d Due) (moved Moved, empty []ArchiveObject, err error) {
	cond, args := d.ofBatch(3)
	err = s.ownerTx(ctx, owner, func(tx pgx.Tx, delta *statsRow) error {
		moved, empty = Moved{}, nil
		rows, err := prepared(ctx, tx, fmt.Sprintf(sqlDelete, cond), append([]any{owner, seqs}, args...)...)
		if err != nil {
			return err
		}
		gone := removed{entries: map[string]int64{}, working: map[string]int64{}, asking: map[string]int64{}, errors: map[string]int64{}, objects: map[string]int64{}}
		var storage, status string
		var conversation, object *string
		var bytes int64
		var asks bool
		_, err = pgx.ForEachRow(rows, []any{&storage, &conversation, &status, &asks, &object, &bytes}, func() error {
			moved.Entries++
			moved.Freed += bytes
			delta.count(worklog.StorageStatus(storage), -1)
			delta.weigh(worklog.StorageStatus(storage), -bytes)
			gone.add(conversation, worklog.Status(status), asks, object)
			return nil
		})
		if err != nil {
			return err
		}
		if err := gone.count(ctx, tx, owner); err != nil {
			return err
		}
		empty, err = releaseObjects(ctx, tx, gone.objects)
		return err
	})
	return settled(moved, empty, err)
}

func (r *removed) add(conversation *string, status worklog.Status, asks bool, object *string) {
	if object != nil {
		r.objects[*object]++
	}
	if conversation == nil {
		return
	}
	r.entries[*conversation]++
	if asks {
		r.asking[*conversation]++
	}
	switch status {
	case worklog.StatusWorking:
		r.working[*conversation]++
	case worklog.StatusError:
		r.errors[*conversation]++
	}
}

// count takes what was removed off the conversations' counters.
func (r *removed) count(ctx context.Context, tx pgx.Tx, owner int64) error {
	if len(r.entries) == 0 {
		return nil
	}
	var ids []string
	var entries, working, errors, asking []int64
	for id, n := range r.entries {
		ids, entries, working, errors = append(ids, id), append(entries, n), append(working, r.working[id]), append(errors, r.errors[id])
		asking = append(asking, r.asking[id])
	}
	_, err := tx.Exec(ctx, `UPDATE conversations c SET entry_count = c.entry_count - v.entries, working_count = c.working_count - v.working,
		error_count = c.error_count - v.errors, asking_count = c.asking_count - v.asking
		FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS v (id, entries, working, errors, asking)
		WHERE c.owner_id = $1 AND c.id = v.id`, owner, ids, entries, working, errors, asking)
	return err
}
