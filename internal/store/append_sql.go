package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/worklog"
)

// The statements of a group commit. They are prepared once per connection and sent in two pipelined round trips.
const (
	sqlLock = `SELECT owner_id, last_rev, closed, day, day_bytes, pg_current_xact_id()::text FROM work_log_stats WHERE owner_id = ANY($1::bigint[]) ORDER BY owner_id FOR UPDATE SKIP LOCKED`

	// sqlHidden is whether an entry's conversation is being deleted.
	sqlHidden = `EXISTS (SELECT FROM conversations c WHERE c.owner_id = w.owner_id AND c.id = w.conversation_id AND c.deleted_at IS NOT NULL)`

	sqlKnownKeys = `SELECT ` + workLogColumns + `, w.details, w.details_z, ` + sqlHidden + ` FROM unnest($1::bigint[], $2::text[]) AS k (owner, key)
		JOIN work_logs w ON w.owner_id = k.owner AND w.key = k.key`

	sqlKnownIDs = `SELECT ` + workLogColumns + `, w.details, w.details_z, ` + sqlHidden + ` FROM unnest($1::bigint[], $2::uuid[]) AS k (owner, id)
		JOIN work_logs w ON w.owner_id = k.owner AND w.id = k.id`

	sqlKnownConversations = `SELECT c.owner_id, c.id, c.key, c.title, c.keep, c.turn, c.turn_at, c.prompted_at, c.asked_by FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS k (owner, key, id)
		JOIN conversations c ON c.owner_id = k.owner AND (c.key = k.key OR c.id = k.id) WHERE c.deleted_at IS NULL`

	sqlInsertConversations = `INSERT INTO conversations (owner_id, id, key, title, created_at)
		SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])`

	sqlTouchConversations = `UPDATE conversations c SET entry_count = c.entry_count + v.entries, working_count = c.working_count + v.working,
		error_count = c.error_count + v.errors, last_status = v.status, last_entry_at = GREATEST(c.last_entry_at, v.at),
		title = CASE WHEN c.title = '' THEN v.title ELSE c.title END, asking_count = c.asking_count + v.asking,
		turn = CASE WHEN v.turn_at IS NULL THEN c.turn ELSE v.turn END, turn_at = COALESCE(v.turn_at, c.turn_at),
		asked_by = CASE WHEN v.turn_at IS NULL THEN c.asked_by ELSE v.asked_by END, prompted_at = GREATEST(c.prompted_at, v.prompted_at)
		FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::timestamptz[], $8::text[],
			$9::bigint[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[])
			AS v (owner, id, entries, working, errors, status, at, title, asking, turn, turn_at, prompted_at, asked_by)
		WHERE c.owner_id = v.owner AND c.id = v.id`

	sqlInsertEntries = `INSERT INTO work_logs (owner_id, seq, rev, id, conversation_id, key, parent_key, type, status, tool, title, details,
		metadata, source, token_id, repeats, inferred, started_at, ended_at, logged_at, created_at, updated_at, asked_at, silent_after, redacted)
		SELECT owner, seq, rev, id, conversation, key, parent, type, status, tool, title, details, metadata::jsonb, source, token, repeats,
			inferred, started, ended, logged, $21::timestamptz, $21::timestamptz, asked, silent, redacted
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::text[], $13::text[], $14::text[], $15::uuid[], $16::int[], $17::boolean[], $18::timestamptz[],
			$19::timestamptz[], $20::timestamptz[], $22::timestamptz[], $23::int[], $24::int[])
			AS v (owner, seq, rev, id, conversation, key, parent, type, status, tool, title, details, metadata, source, token, repeats,
			inferred, started, ended, logged, asked, silent, redacted)`

	// sqlCloseStats is statsUpsert for many owners at once: as literals, their parsing alone cost a millisecond.
	sqlCloseStats = `INSERT INTO work_log_stats AS st (owner_id, last_rev, last_logged_at, stored, updated, unchanged, merged, limited, limited_noted,
			invalid, hot, warm, cold, archived, bytes, redacted, cut, warm_bytes, cold_bytes, archived_bytes, day, day_bytes)
		SELECT v.*, $21::date, GREATEST(v.bytes, 0) FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[],
			$7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
			$16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[])
			AS v (owner, rev, logged, stored, updated, unchanged, merged, limited, noted, invalid, hot, warm, cold, archived, bytes, redacted, cut,
			warm_bytes, cold_bytes, archived_bytes)
		ON CONFLICT (owner_id) DO UPDATE SET last_rev = EXCLUDED.last_rev, last_logged_at = GREATEST(st.last_logged_at, EXCLUDED.last_logged_at),
			stored = st.stored + EXCLUDED.stored, updated = st.updated + EXCLUDED.updated, unchanged = st.unchanged + EXCLUDED.unchanged,
			merged = st.merged + EXCLUDED.merged, limited = st.limited + EXCLUDED.limited, limited_noted = st.limited_noted + EXCLUDED.limited_noted,
			invalid = st.invalid + EXCLUDED.invalid, hot = st.hot + EXCLUDED.hot, warm = st.warm + EXCLUDED.warm, cold = st.cold + EXCLUDED.cold,
			archived = st.archived + EXCLUDED.archived, bytes = st.bytes + EXCLUDED.bytes, redacted = st.redacted + EXCLUDED.redacted,
			cut = st.cut + EXCLUDED.cut, warm_bytes = st.warm_bytes + EXCLUDED.warm_bytes, cold_bytes = st.cold_bytes + EXCLUDED.cold_bytes,
			archived_bytes = st.archived_bytes + EXCLUDED.archived_bytes, day = EXCLUDED.day,
			day_bytes = EXCLUDED.day_bytes + CASE WHEN st.day = EXCLUDED.day THEN st.day_bytes ELSE 0 END`

	sqlUpdateEntries = `UPDATE work_logs w SET rev = v.rev, status = v.status, type = v.type, tool = v.tool, title = v.title, details = v.details,
		metadata = v.metadata::jsonb, details_z = NULL, compression_level = 0,
		details_bytes = CASE WHEN w.archive_url IS NULL THEN NULL ELSE w.details_bytes END,
		storage_status = CASE WHEN w.archive_url IS NULL THEN 'hot' ELSE w.storage_status END,
		parent_key = v.parent, source = v.source, repeats = v.repeats, inferred = v.inferred,
		started_at = v.started, ended_at = v.ended, asked_at = v.asked, redacted = v.redacted, updated_at = $16::timestamptz
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::int[], $13::boolean[], $14::timestamptz[], $15::timestamptz[], $17::timestamptz[], $18::int[])
			AS v (owner, seq, rev, status, type, tool, title, details, metadata, parent, source, repeats, inferred, started, ended, asked, redacted)
		WHERE w.owner_id = v.owner AND w.seq = v.seq`
)

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// lookup begins the transaction, locks the owners that nobody else holds and reads what the writes name, in one round trip.
func (p *plan) lookup(ctx context.Context, conn *pgxpool.Conn) error {
	var keyOwners, idOwners, convOwners []int64
	var keys []string
	var ids, convIDs []pgtype.UUID
	var convKeys []*string
	seen := map[conversationKey]bool{}
	for i := range p.batch.Writes {
		w := &p.batch.Writes[i]
		if (w.Patch && w.EntryID != "") || w.Repeats > 0 {
			idOwners, ids = append(idOwners, w.Owner), append(ids, uuidOf(w.EntryID))
			continue
		}
		if w.Key != "" {
			keyOwners, keys = append(keyOwners, w.Owner), append(keys, w.Key)
		}
		k := conversationKey{owner: w.Owner, key: w.Conversation, id: w.ConversationID}
		if (k.key != "" || k.id != "") && !seen[k] {
			seen[k] = true
			convOwners, convKeys, convIDs = append(convOwners, k.owner), append(convKeys, nullable(k.key)), append(convIDs, uuidOf(k.id))
		}
	}
	var b pgx.Batch
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	b.Queue(sqlLock, p.owners).Query(p.readLocks)
	if len(keys) > 0 {
		b.Queue(sqlKnownKeys, keyOwners, keys).Query(p.readEntries)
	}
	if len(ids) > 0 {
		b.Queue(sqlKnownIDs, idOwners, ids).Query(p.readEntries)
	}
	if len(convOwners) > 0 {
		b.Queue(sqlKnownConversations, convOwners, convKeys, convIDs).Query(p.readConversations)
	}
	p.queueTools(&b)
	return conn.SendBatch(ctx, &b).Close()
}

func (p *plan) readLocks(rows pgx.Rows) error {
	for rows.Next() {
		st := &statsRow{}
		var closed bool
		var today written
		if err := rows.Scan(&st.OwnerID, &st.LastRev, &closed, &today.day, &today.bytes, &p.transaction); err != nil {
			return err
		}
		p.stats[st.OwnerID] = st
		p.room[st.OwnerID] = p.left(today)
		if closed {
			p.closed[st.OwnerID] = true
		}
	}
	return rows.Err()
}

func (p *plan) readEntries(rows pgx.Rows) error {
	for rows.Next() {
		var w workLog
		var hidden bool
		err := rows.Scan(append(w.columns(), &w.Details, &w.DetailsZ, &hidden)...)
		if err != nil {
			return err
		}
		packed := len(w.DetailsZ)
		w.unpack(0)
		st := &state{row: w.row(), before: worklog.Status(w.Status), hidden: hidden}
		st.size = st.encode()
		if packed > 0 {
			st.size += int64(packed - len(w.Details))
		}
		byID := entryKey{owner: w.OwnerID, id: w.ID}
		if known := p.entries[byID]; known != nil { // found by key and by id: one state
			st = known
		}
		p.entries[byID] = st
		if st.row.Key != "" {
			p.entries[entryKey{owner: w.OwnerID, key: st.row.Key}] = st
		}
	}
	return rows.Err()
}

func (p *plan) readConversations(rows pgx.Rows) error {
	for rows.Next() {
		c := &conversationState{}
		var key *string
		var turnAt, promptedAt *time.Time
		if err := rows.Scan(&c.owner, &c.id, &key, &c.title, &c.keep, &c.turn, &turnAt, &promptedAt, &c.askedBy); err != nil {
			return err
		}
		c.key, c.turnAt, c.promptedAt = deref(key), deref(turnAt), deref(promptedAt)
		byID := conversationKey{owner: c.owner, id: c.id}
		if known := p.conversations[byID]; known != nil {
			c = known
		}
		p.conversations[byID] = c
		if c.key != "" {
			p.conversations[conversationKey{owner: c.owner, key: c.key}] = c
		}
	}
	return rows.Err()
}

// write sends everything that was decided and commits, in one round trip.
func (p *plan) write(ctx context.Context, conn *pgxpool.Conn) error {
	var b pgx.Batch
	p.queueConversations(&b)
	p.queueKept(&b)
	if len(p.inserts) > 0 {
		p.queueInserts(&b)
	}
	if len(p.updates) > 0 {
		p.queueUpdates(&b)
	}
	if len(p.deltas) == 0 { // every owner is locked
		rollback(ctx, conn)
		return nil
	}
	p.tools.queue(&b)
	p.queueStats(&b)
	b.Queue("COMMIT")
	return conn.SendBatch(ctx, &b).Close()
}

// queueStats closes the batch: last_rev is the new one, everything else is added.
func (p *plan) queueStats(b *pgx.Batch) {
	var owner, rev []int64
	var logged []*time.Time
	counts := make([][]int64, 17)
	for _, id := range p.owners { // ascending, as the locks were taken
		d := p.deltas[id]
		if d == nil {
			continue
		}
		owner, rev, logged = append(owner, d.OwnerID), append(rev, d.LastRev), append(logged, d.LastLoggedAt)
		for i, n := range d.counters() {
			counts[i] = append(counts[i], n)
		}
	}
	args := []any{owner, rev, logged}
	for _, column := range counts {
		args = append(args, column)
	}
	args = append(args, today(p.batch.Now))
	b.Queue(sqlCloseStats, args...)
}

// statsUpsert renders the closing upsert of a transaction that Bun runs, with the same meaning.
func (s *Store) statsUpsert(deltas []*statsRow) string {
	slices.SortFunc(deltas, func(a, b *statsRow) int { return int(a.OwnerID - b.OwnerID) })
	q := s.db.NewInsert().Model(&deltas).On("CONFLICT (owner_id) DO UPDATE").Set("last_rev = EXCLUDED.last_rev").
		Set("last_logged_at = GREATEST(st.last_logged_at, EXCLUDED.last_logged_at)")
	for _, counter := range counters() {
		q = q.Set("?0 = st.?0 + EXCLUDED.?0", counter)
	}
	return q.String()
}

// counters are the columns of work_log_stats that only grow by addition.
func counters() []bun.Ident {
	return []bun.Ident{
		"stored", "updated", "unchanged", "merged", "limited", "limited_noted", "invalid", "hot", "warm", "cold", "archived", "bytes", "redacted", "cut",
		"warm_bytes", "cold_bytes", "archived_bytes",
	}
}

func (p *plan) queueConversations(b *pgx.Batch) {
	var made, touched conversationColumns
	for _, c := range p.touched {
		if c.isNew {
			made.add(c)
		}
		touched.add(c)
	}
	if len(made.id) > 0 {
		b.Queue(sqlInsertConversations, made.owner, made.id, made.key, made.title, made.created)
	}
	if len(touched.id) > 0 {
		b.Queue(sqlTouchConversations, touched.owner, touched.id, touched.entries, touched.working, touched.errors, touched.status, touched.at, touched.title,
			touched.asking, touched.turn, touched.turnAt, touched.promptedAt, touched.askedBy)
	}
}

type conversationColumns struct {
	owner, entries, working, errors, asking []int64
	id                                      []pgtype.UUID
	key, title, status, turn, askedBy       []string
	at, created                             []time.Time
	turnAt, promptedAt                      []*time.Time
}

func (v *conversationColumns) add(c *conversationState) {
	v.owner, v.id, v.key, v.title = append(v.owner, c.owner), append(v.id, uuidOf(c.id)), append(v.key, c.key), append(v.title, c.title)
	v.entries, v.working, v.errors = append(v.entries, c.entries), append(v.working, c.working), append(v.errors, c.errors)
	v.status, v.at, v.created = append(v.status, string(c.lastStatus)), append(v.at, c.lastAt), append(v.created, c.createdAt)
	v.asking, v.turn, v.askedBy = append(v.asking, c.asking), append(v.turn, string(c.turn)), append(v.askedBy, c.askedBy)
	v.turnAt, v.promptedAt = append(v.turnAt, nullable(c.turnAt)), append(v.promptedAt, nullable(c.promptedAt))
}

// entryColumns are the entries of a batch as arrays, one per column.
type entryColumns struct {
	owner, seq, rev                          []int64
	id, conversation, token                  []pgtype.UUID
	key, parent                              []*string
	kind, status, tool, title, details, meta []string
	source                                   []string
	repeats                                  []int32
	inferred                                 []bool
	started, ended, asked                    []*time.Time
	silent                                   []*int32
	redacted                                 []int32
	logged                                   []time.Time
}

func (v *entryColumns) add(st *state) {
	r := &st.row
	v.owner, v.seq, v.rev = append(v.owner, r.Owner), append(v.seq, r.Seq), append(v.rev, r.Rev)
	v.id, v.conversation, v.token = append(v.id, uuidOf(r.ID)), append(v.conversation, uuidOf(r.ConversationID)), append(v.token, uuidOf(r.TokenID))
	v.key, v.parent = append(v.key, nullable(r.Key)), append(v.parent, nullable(r.Parent))
	v.kind, v.status, v.tool = append(v.kind, string(r.Type)), append(v.status, string(r.Status)), append(v.tool, r.Tool)
	v.title, v.details, v.meta = append(v.title, r.Title), append(v.details, r.Details), append(v.meta, st.meta)
	v.source, v.repeats = append(v.source, r.Source), append(v.repeats, int32(r.Repeats))
	v.inferred = append(v.inferred, r.Inferred)
	v.started, v.ended, v.logged = append(v.started, nullable(r.StartedAt)), append(v.ended, nullable(r.EndedAt)), append(v.logged, r.LoggedAt)
	v.asked, v.silent = append(v.asked, nullable(r.AskedAt)), append(v.silent, nullable(int32(r.SilentAfter/time.Second)))
	v.redacted = append(v.redacted, int32(r.Redacted))
}

func (p *plan) queueInserts(b *pgx.Batch) {
	var v entryColumns
	for _, st := range p.inserts {
		p.deltas[st.row.Owner].Bytes += st.encode()
		v.add(st)
	}
	b.Queue(sqlInsertEntries, v.owner, v.seq, v.rev, v.id, v.conversation, v.key, v.parent, v.kind, v.status, v.tool, v.title, v.details, v.meta,
		v.source, v.token, v.repeats, v.inferred, v.started, v.ended, v.logged, p.batch.Now, v.asked, v.silent, v.redacted)
}

func (p *plan) queueUpdates(b *pgx.Batch) {
	var v entryColumns
	for _, st := range p.updates {
		v.add(st)
	}
	b.Queue(sqlUpdateEntries, v.owner, v.seq, v.rev, v.status, v.kind, v.tool, v.title, v.details, v.meta, v.parent, v.source, v.repeats,
		v.inferred, v.started, v.ended, p.batch.Now, v.asked, v.redacted)
}

// metadataJSON writes metadata that Validate has accepted.
func metadataJSON(m worklog.Metadata) string {
	if len(m) == 0 {
		return "{}"
	}
	b, err := m.AppendJSON(nil)
	if err != nil { // only a Go value that Validate refuses
		return fmt.Sprintf(`{"worklog_error":%q}`, "metadata could not be written")
	}
	return string(b)
}

// CanonicalID returns a UUID in the spelling of PostgreSQL, which takes others, too; anything else as it is.
func CanonicalID(id string) string {
	if u, err := uuid.Parse(id); err == nil {
		return u.String()
	}
	return id
}

// uuidOf is NULL for a text that is no UUID.
func uuidOf(s string) pgtype.UUID {
	id, err := uuid.Parse(s)
	return pgtype.UUID{Bytes: id, Valid: err == nil}
}
