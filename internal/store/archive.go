package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// ArchiveObject is one object of the archive: payloads of one owner.
type ArchiveObject struct {
	Name      string
	Owner     int64
	SHA256    []byte // of the bytes as stored
	Bytes     int64  // as stored
	Entries   int    // written into it
	Rows      int    // that have their payload nowhere else
	CreatedAt time.Time
}

const objectColumns = "name, owner_id, sha256, bytes, entries, rows, created_at"

// Payload is what of an entry moves to the archive and back.
type Payload struct {
	Owner, Seq, Rev int64
	ID              string
	Status          worklog.StorageStatus
	LoggedAt        time.Time
	Details         string
	Metadata        []byte // JSON
	ArchiveName     string // of the object that has it; empty: the row
	Kept            bool   // it, or its conversation
	Bytes           int64  // what details and metadata count as they are in the row
}

// sqlKept says of an entry w whether it, or its conversation, is kept.
const sqlKept = `(w.keep OR EXISTS (SELECT FROM conversations c WHERE c.owner_id = w.owner_id AND c.id = w.conversation_id AND c.keep))`

// payloadColumns fill a Payload by scanPayload.
const payloadColumns = `w.owner_id, w.seq, w.rev, w.id::text, w.storage_status, w.logged_at, w.details, w.details_z, w.metadata::text, w.archive_url, ` + sqlKept

func scanPayload(row pgx.CollectableRow) (p Payload, err error) {
	var z []byte
	var status string
	var archive *string
	if err = row.Scan(&p.Owner, &p.Seq, &p.Rev, &p.ID, &status, &p.LoggedAt, &p.Details, &z, &p.Metadata, &archive, &p.Kept); err != nil {
		return p, err
	}
	p.Status, p.ArchiveName = worklog.StorageStatus(status), deref(archive)
	p.Bytes = int64(len(p.Details) + len(z) + len(p.Metadata))
	p.Details, err = inflate(p.Details, z)
	return p, err
}

// CreateObject makes an object known before it is written, so that a kill leaves nothing that nobody knows.
func (s *Store) CreateObject(ctx context.Context, o ArchiveObject) error {
	_, err := s.pool.Exec(ctx, "INSERT INTO archive_objects ("+objectColumns+") VALUES ($1, $2, $3, $4, $5, 0, $6)",
		o.Name, o.Owner, o.SHA256, o.Bytes, o.Entries, o.CreatedAt)
	return mapError(err)
}

// Object returns what is known of an object.
func (s *Store) Object(ctx context.Context, name string) (ArchiveObject, error) {
	return oneObject(s.pool.Query(ctx, "SELECT "+objectColumns+" FROM archive_objects WHERE name = $1", name))
}

func oneObject(rows pgx.Rows, err error) (ArchiveObject, error) {
	if err != nil {
		return ArchiveObject{}, mapError(err)
	}
	o, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[ArchiveObject])
	return o, mapError(err)
}

// Objects returns objects by name, after the one of that name: of one owner, or with owner 0 of all.
func (s *Store) Objects(ctx context.Context, owner int64, after string, limit int) ([]ArchiveObject, error) {
	return s.objects(ctx, "name > $1 AND ($2 = 0 OR owner_id = $2) ORDER BY name LIMIT $3", after, owner, limit)
}

// EmptyObjects returns objects that no entry points to, oldest first. Only who holds the lock of retention may know
// that nobody is about to fill them.
func (s *Store) EmptyObjects(ctx context.Context, limit int) ([]ArchiveObject, error) {
	return s.objects(ctx, "rows = 0 ORDER BY created_at, name LIMIT $1", limit)
}

func (s *Store) objects(ctx context.Context, where string, args ...any) ([]ArchiveObject, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+objectColumns+" FROM archive_objects WHERE "+where, args...)
	if err != nil {
		return nil, mapError(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ArchiveObject])
	return list, mapError(err)
}

// ArchiveTotals returns how many objects the archive has and their bytes.
func (s *Store) ArchiveTotals(ctx context.Context) (objects, bytes int64, err error) {
	err = s.pool.QueryRow(ctx, "SELECT count(*), COALESCE(sum(bytes), 0)::bigint FROM archive_objects").Scan(&objects, &bytes)
	return objects, bytes, mapError(err)
}

// CondemnObject says that an object is about to be deleted, and reports whether it may be: entries that point to it
// forbid it, and none may point to it any more afterwards. One that nobody knows may go.
func (s *Store) CondemnObject(ctx context.Context, name string) (ok bool, err error) {
	err = s.pool.QueryRow(ctx, `WITH condemned AS (UPDATE archive_objects SET condemned = true WHERE name = $1 AND rows = 0 RETURNING name)
		SELECT EXISTS (SELECT FROM condemned) OR NOT EXISTS (SELECT FROM archive_objects WHERE name = $1)`, name).Scan(&ok)
	return ok, mapError(err)
}

// ForgetObject forgets an object that is deleted. One that entries point to is remembered, whatever the caller thinks.
func (s *Store) ForgetObject(ctx context.Context, name string) error {
	_, err := s.pool.Exec(ctx, "DELETE FROM archive_objects WHERE name = $1 AND rows = 0", name)
	return mapError(err)
}

// NotePrune writes down that objects are deleted which nobody needs.
func (a Admin) NotePrune(ctx context.Context) error {
	return a.Record(ctx, account.Act{Action: account.ActPrune})
}

// NeedsArchive reports whether entries of an owner have their payload in the archive.
func (s *Store) NeedsArchive(ctx context.Context, owner int64) (needs bool, err error) {
	err = s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM work_logs w WHERE w.owner_id = $1 AND w.archive_url IS NOT NULL)", owner).Scan(&needs)
	return needs, mapError(err)
}

// ForgetObjectsOf forgets objects of an owner who has no entries there any more, whatever was counted.
func (s *Store) ForgetObjectsOf(ctx context.Context, owner int64, names []string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM archive_objects WHERE owner_id = $1 AND name = ANY($2::text[])
		AND NOT EXISTS (SELECT FROM work_logs w WHERE w.owner_id = $1 AND w.archive_url IS NOT NULL)`, owner, names)
	return mapError(err)
}

// KnownObjects returns those of names that are known.
func (s *Store) KnownObjects(ctx context.Context, names []string) (map[string]bool, error) {
	rows, err := s.pool.Query(ctx, "SELECT name FROM archive_objects WHERE name = ANY($1::text[])", names)
	if err != nil {
		return nil, mapError(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	known := make(map[string]bool, len(list))
	for _, name := range list {
		known[name] = true
	}
	return known, mapError(err)
}

// Miscounted returns objects whose number of rows is not what work_logs says, or that it names and nobody knows. It
// reads every row.
func (s *Store) Miscounted(ctx context.Context, limit int) (names []string, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setCountTimeout()); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT COALESCE(o.name, w.archive_url) FROM archive_objects o
			FULL JOIN (SELECT archive_url, count(*) AS n FROM work_logs WHERE archive_url IS NOT NULL GROUP BY archive_url) w ON w.archive_url = o.name
			WHERE COALESCE(o.rows, -1) <> COALESCE(w.n, 0) ORDER BY 1 LIMIT $1`, limit)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return names, mapError(err)
}

// releaseObjects takes rows off their objects and returns those that are empty now. The caller is about to delete them:
// the transaction then waits for the disk, and with it all that were before.
func releaseObjects(ctx context.Context, tx pgx.Tx, gone map[string]int64) (empty []ArchiveObject, err error) {
	if len(gone) == 0 {
		return nil, nil
	}
	var names []string
	var counts []int64
	for name, n := range gone {
		names, counts = append(names, name), append(counts, n)
	}
	rows, err := prepared(ctx, tx, `UPDATE archive_objects o SET rows = o.rows - v.n FROM unnest($1::text[], $2::int[]) AS v (name, n)
		WHERE o.name = v.name RETURNING `+prefixed("o.", objectColumns), names, counts)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ArchiveObject])
	if err != nil {
		return nil, err
	}
	empty = slices.DeleteFunc(list, func(o ArchiveObject) bool { return o.Rows > 0 })
	if len(empty) > 0 {
		_, err = tx.Exec(ctx, sqlWaitForDisk)
	}
	return empty, err
}

// sqlWaitForDisk undoes for a transaction what ownerTx begins with. A server that is set to wait for more than its disk
// does so, one that is set to wait for nothing does not.
const sqlWaitForDisk = `SELECT set_config('synchronous_commit', CASE reset_val WHEN 'off' THEN 'on' ELSE reset_val END, true)
	FROM pg_settings WHERE name = 'synchronous_commit'`

func prefixed(prefix, columns string) string {
	return prefix + strings.ReplaceAll(columns, ", ", ", "+prefix)
}

// Payloads reads what the archive is to hold of an owner's entries. Running steps are left out: they may still complete.
// So are those without details and metadata, for which there is nothing to keep.
func (s *Store) Payloads(ctx context.Context, owner int64, seqs []int64, d Due) ([]Payload, error) {
	cond, args := d.ofBatch(3)
	rows, err := s.pool.Query(ctx, `SELECT `+payloadColumns+` FROM work_logs w
		WHERE w.owner_id = $1 AND w.seq = ANY($2::bigint[]) AND w.archive_url IS NULL AND w.status <> 'working'
		AND (w.details <> '' OR w.details_z IS NOT NULL OR w.metadata <> '{}') AND `+cond+" ORDER BY w.seq",
		append([]any{owner, seqs}, args...)...)
	if err != nil {
		return nil, mapError(err)
	}
	list, err := pgx.CollectRows(rows, scanPayload)
	return list, mapError(err)
}

const sqlArchive = `UPDATE work_logs w SET storage_status = $5, expires_at = NULL, archived_at = $6::timestamptz, archive_url = $7, details = '',
	details_z = NULL, compression_level = 0, details_bytes = COALESCE(w.details_bytes, octet_length(w.details)), metadata = '{}'
	FROM unnest($2::bigint[], $3::bigint[], $4::text[]) AS v (seq, rev, was)
	WHERE w.owner_id = $1 AND w.seq = v.seq AND w.rev + 0 = v.rev AND w.storage_status || '' = v.was AND w.archive_url IS NULL AND %s RETURNING w.seq, ` + sqlBytes

// ArchiveEntries takes the payloads off rows whose object is written and verified, and gives the rows their new status.
// Those that have changed since they were read stay as they are.
func (s *Store) ArchiveEntries(ctx context.Context, o ArchiveObject, payloads []Payload, to worklog.StorageStatus, d Due) (moved Moved, err error) {
	var seqs, revs []int64
	var was []string
	bySeq := make(map[int64]*Payload, len(payloads))
	for i := range payloads {
		p := &payloads[i]
		seqs, revs, was = append(seqs, p.Seq), append(revs, p.Rev), append(was, string(p.Status))
		bySeq[p.Seq] = p
	}
	cond, args := d.ofBatch(8)
	err = s.ownerTx(ctx, o.Owner, func(tx pgx.Tx, delta *statsRow) error {
		moved = Moved{}
		rows, err := prepared(ctx, tx, fmt.Sprintf(sqlArchive, cond), append([]any{o.Owner, seqs, revs, was, string(to), d.Now, o.Name}, args...)...)
		if err != nil {
			return err
		}
		var seq, size int64
		_, err = pgx.ForEachRow(rows, []any{&seq, &size}, func() error {
			was, freed := bySeq[seq].Status, bySeq[seq].Bytes-emptyMetadata
			moved.Entries++
			moved.Freed += freed
			delta.count(was, -1)
			delta.weigh(was, -size-freed)
			delta.weigh(to, size)
			return nil
		})
		if err != nil || moved.Entries == 0 {
			return err
		}
		delta.count(to, moved.Entries)
		return fillObject(ctx, tx, o.Name, moved.Entries)
	})
	if err != nil {
		return Moved{}, err
	}
	return moved, nil
}

// emptyMetadata is what {} counts.
const emptyMetadata = 2

// AgeEntries gives those of an owner's entries a new status that have nothing to move: their payload is in the archive
// already, they have none, or they are running steps, whose payload stays with them until they complete.
func (s *Store) AgeEntries(ctx context.Context, owner int64, seqs []int64, to worklog.StorageStatus, d Due) (moved Moved, err error) {
	cond, args := d.ofBatch(5)
	sql := `UPDATE work_logs w SET storage_status = $3, expires_at = NULL, archived_at = COALESCE(w.archived_at, $4::timestamptz) FROM work_logs old
		WHERE w.owner_id = $1 AND w.seq = ANY($2::bigint[]) AND old.owner_id = w.owner_id AND old.seq = w.seq
		AND (w.archive_url IS NOT NULL OR w.status = 'working' OR (w.details = '' AND w.details_z IS NULL AND w.metadata = '{}'))
		AND ` + cond + " RETURNING old.storage_status, " + sqlBytes
	err = s.ownerTx(ctx, owner, func(tx pgx.Tx, delta *statsRow) error {
		moved = Moved{}
		rows, err := prepared(ctx, tx, sql, append([]any{owner, seqs, string(to), d.Now}, args...)...)
		if err != nil {
			return err
		}
		var was string
		var size int64
		_, err = pgx.ForEachRow(rows, []any{&was, &size}, func() error {
			delta.count(worklog.StorageStatus(was), -1)
			delta.weigh(worklog.StorageStatus(was), -size)
			delta.weigh(to, size)
			moved.Entries++
			return nil
		})
		delta.count(to, moved.Entries)
		return err
	})
	if err != nil {
		return Moved{}, err
	}
	return moved, nil
}
