package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// RestoreQuery says which entries are to be hot again. Zero fields do not limit.
type RestoreQuery struct {
	Owner        int64
	Conversation string    // id
	Since, Until time.Time // of logged_at, Since included
}

// NoteRestore writes down that a restore begins.
func (a Admin) NoteRestore(ctx context.Context, q RestoreQuery) error {
	return a.Record(ctx, account.Act{Action: account.ActRestore, Subject: q.Owner, Object: q.Conversation})
}

// sqlRestorable reads no more rows than fit into the bytes $5, and at least one: what metadata unpack to is known only
// then.
const sqlRestorable = "SELECT " + payloadColumns + ` FROM (
		SELECT w.*, sum(CASE WHEN w.archive_url IS NULL THEN COALESCE(w.details_bytes, octet_length(w.details)) + octet_length(w.metadata::text) ELSE 0 END)
			OVER (ORDER BY w.logged_at, w.owner_id, w.seq) AS bytes, row_number() OVER (ORDER BY w.logged_at, w.owner_id, w.seq) AS place
		FROM (SELECT * FROM work_logs w WHERE w.storage_status = $1 AND w.logged_at >= $2::timestamptz
			AND (w.logged_at, w.owner_id, w.seq) > ($2::timestamptz, $3, $4)%s ORDER BY w.logged_at, w.owner_id, w.seq LIMIT %d) w
	) w WHERE w.bytes <= $5 OR w.place = 1 ORDER BY w.place`

// Restorable returns the next entries of one status that the query names, oldest first, with what their rows have: at
// most so many, and of so many bytes unless the first alone has more. After is the last one of the page before; none
// are left when none is returned.
func (s *Store) Restorable(ctx context.Context, from worklog.StorageStatus, q RestoreQuery, after Payload, limit, bytes int) ([]Payload, error) {
	if q.Conversation != "" && uuid.Validate(q.Conversation) != nil {
		return nil, errNoConversation()
	}
	if after.LoggedAt.IsZero() {
		after.LoggedAt = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	conditions, args := "", []any{string(from), after.LoggedAt, after.Owner, after.Seq, bytes}
	add := func(cond string, v any) {
		args = append(args, v)
		conditions += fmt.Sprintf(" AND "+cond, len(args))
	}
	if q.Owner != 0 {
		add("w.owner_id = $%d", q.Owner)
	}
	if q.Conversation != "" {
		add("w.conversation_id = $%d::uuid", q.Conversation)
	}
	if !q.Since.IsZero() {
		add("w.logged_at >= $%d::timestamptz", q.Since)
	}
	if !q.Until.IsZero() {
		add("w.logged_at < $%d::timestamptz", q.Until)
	}
	rows, err := s.pool.Query(ctx, fmt.Sprintf(sqlRestorable, conditions, limit), args...)
	if err != nil {
		return nil, mapError(err)
	}
	list, err := pgx.CollectRows(rows, scanPayload)
	return list, mapError(err)
}

const sqlRestore = `UPDATE work_logs w SET storage_status = 'hot', details = v.details, metadata = v.metadata::jsonb, details_z = NULL, details_bytes = NULL,
	compression_level = 0, archive_url = NULL, archived_at = NULL, expires_at = $8::timestamptz
	FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[]) AS v (seq, rev, was, archive, details, metadata)
	WHERE w.owner_id = $1 AND w.seq = v.seq AND w.rev + 0 = v.rev AND w.storage_status || '' = v.was AND COALESCE(w.archive_url, '') = v.archive
	RETURNING w.seq, octet_length(w.details) + octet_length(w.metadata::text), octet_length(w.title)`

// RestoreEntries puts payloads of one owner back into their rows, which are hot until a time whatever their age. Rows
// that have changed since they were read stay as they are. Archive objects that no entry points to afterwards are
// returned, as by DeleteEntries.
func (s *Store) RestoreEntries(ctx context.Context, owner int64, payloads []Payload, until time.Time) (moved Moved, empty []ArchiveObject, err error) {
	var seqs, revs []int64
	var was, names, details, metadata []string
	bySeq := make(map[int64]*Payload, len(payloads))
	for i := range payloads {
		p := &payloads[i]
		seqs, revs, was, names = append(seqs, p.Seq), append(revs, p.Rev), append(was, string(p.Status)), append(names, p.ArchiveName)
		details, metadata = append(details, p.Details), append(metadata, string(p.Metadata))
		bySeq[p.Seq] = p
	}
	err = s.ownerTx(ctx, owner, func(tx pgx.Tx, delta *statsRow) error {
		moved, empty = Moved{}, nil
		rows, err := prepared(ctx, tx, sqlRestore, owner, seqs, revs, was, names, details, metadata, until)
		if err != nil {
			return err
		}
		objects := map[string]int64{}
		var seq, size, title int64
		_, err = pgx.ForEachRow(rows, []any{&seq, &size, &title}, func() error {
			p := bySeq[seq]
			moved.Entries++
			moved.Freed -= size - p.Bytes
			delta.count(p.Status, -1)
			delta.weigh(p.Status, -p.Bytes-title)
			delta.weigh(worklog.StorageHot, size+title)
			if p.ArchiveName != "" {
				objects[p.ArchiveName]++
			}
			return nil
		})
		if err != nil {
			return err
		}
		delta.count(worklog.StorageHot, moved.Entries)
		empty, err = releaseObjects(ctx, tx, objects)
		return err
	})
	return settled(moved, empty, err)
}

// FindConversation finds a conversation by its key or id: of one owner, or with owner 0 of anybody, if there is only one.
func (s *Store) FindConversation(ctx context.Context, owner int64, name string) (Conversation, error) {
	q := selectConversations(s.db).Where("c.deleted_at IS NULL").Limit(2)
	if uuid.Validate(name) == nil {
		q = q.Where("(c.id = ? OR c.key = ?)", name, name)
	} else {
		q = q.Where("c.key = ?", name)
	}
	if owner != 0 {
		q = q.Where("c.owner_id = ?", owner)
	}
	var list []conversation
	if err := q.Scan(ctx, &list); err != nil {
		return Conversation{}, mapError(err)
	}
	switch len(list) {
	case 0:
		return Conversation{}, errNoConversation()
	case 1:
		return list[0].public(), nil
	}
	return Conversation{}, worklog.Errorf(worklog.CodeConflict, "several users have a conversation of this name")
}
