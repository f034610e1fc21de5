package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// DefaultLimit and MaxLimit bound the entries of a page.
	DefaultLimit = 50
	MaxLimit     = 200
	// scanLimit is how many rows a filtered page looks at before it returns what it has and where to go on.
	scanLimit = 10_000
	// pageBytes bounds the details of a page with full details; it ends early beyond, and Next goes on.
	pageBytes = 4 << 20
)

// EntryFilter says which entries match. The zero filter matches all.
type EntryFilter struct {
	Type   worklog.Type
	Status worklog.Status
	Source string
	Token  string // the id of the token that wrote it
	Query  string // a part of the title, the tool or (of hot entries) the details, without regard to case
}

// Zero reports whether every entry matches.
func (f EntryFilter) Zero() bool { return f == EntryFilter{} }

// where returns the filter as an SQL condition on w.
func (f EntryFilter) where() (string, []any) {
	var conds []string
	var args []any
	add := func(cond string, arg ...any) { conds, args = append(conds, cond), append(args, arg...) }
	if f.Type != "" {
		add("w.type = ?", f.Type)
	}
	if f.Status != "" {
		add("w.status = ?", f.Status)
	}
	if f.Source != "" {
		add("w.source = ?", f.Source)
	}
	if f.Token != "" {
		add("w.token_id = ?", f.Token)
	}
	if f.Query != "" {
		pattern := "%" + likeEscaper.Replace(f.Query) + "%"
		add("(w.title ILIKE ? OR w.tool ILIKE ? OR w.details ILIKE ?)", pattern, pattern, pattern)
	}
	if len(conds) == 0 {
		return "TRUE", nil
	}
	return strings.Join(conds, " AND "), args
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// EntryQuery asks for a page of an owner's entries, newest first.
type EntryQuery struct {
	Owner        int64
	Conversation string // id; empty: all
	Unfiled      bool   // only entries without a conversation
	Filter       EntryFilter
	Since, Until time.Time // bounds of LoggedAt, Since included; zero: none
	Before       int64     // only entries with a smaller seq; 0: from the newest
	Limit        int       // 0: DefaultLimit
	FullDetails  bool      // not only previews
}

// EntryPage is a page of entries and the state of the feed at the same moment.
type EntryPage struct {
	Rows   []Row // newest first
	Next   int64 // Before of the next page; 0: this was the last
	Cursor int64 // the owner's last rev
	Epoch  string
}

// Entries returns a page. With a filter or a range of times it looks at no more than 10,000 rows, so a page may have
// few entries, or none, and still a Next.
func (s *Store) Entries(ctx context.Context, q EntryQuery) (page EntryPage, err error) {
	if page.Epoch, err = s.Epoch(ctx); err != nil {
		return page, err
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	err = s.inSnapshot(ctx, func(ctx context.Context, tx bun.Tx) error {
		if page.Cursor, err = head(ctx, tx, q.Owner); err != nil {
			return err
		}
		return page.read(ctx, tx, q)
	})
	return page, err
}

func (page *EntryPage) read(ctx context.Context, tx bun.Tx, q EntryQuery) error {
	filtered := !q.Filter.Zero() || !q.Since.IsZero() || !q.Until.IsZero()
	floor := int64(0)
	if filtered {
		err := q.scope(tx.NewSelect().TableExpr("work_logs AS w").Column("w.seq")).Order("w.seq DESC").Offset(scanLimit-1).Limit(1).Scan(ctx, &floor)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	narrow := func(query *bun.SelectQuery) *bun.SelectQuery {
		query = q.scope(query).Order("w.seq DESC").Limit(int64(q.Limit) + 1)
		if filtered {
			query = q.filter(query).Where("w.seq >= ?", floor)
		}
		return query
	}
	var logs []workLog
	more := false
	query := narrow(entryColumnsOf(tx.NewSelect(), q.FullDetails))
	if q.FullDetails {
		var seqs []int64
		var err error
		if seqs, more, err = fitting(ctx, narrow(tx.NewSelect().TableExpr("work_logs AS w")), q.Limit); err != nil {
			return err
		}
		query = entryColumnsOf(tx.NewSelect(), true).Where("w.owner_id = ? AND w.seq = ANY(?)", q.Owner, pgdialect.Array(seqs)).Order("w.seq DESC")
	}
	if err := query.Scan(ctx, &logs); err != nil {
		return err
	}
	if len(logs) > q.Limit {
		logs, more = logs[:q.Limit], true
	}
	switch {
	case more:
		page.Next = logs[len(logs)-1].Seq
	case floor > 0:
		page.Next = floor
	}
	page.fill(logs, previewOf(q.FullDetails))
	return nil
}

// fitting returns which entries of a query, at most limit, have details that fit into a page, and whether the query has
// more. Looking at their sizes first keeps a page of large entries out of memory. What lies in the archive is not read.
func fitting(ctx context.Context, query *bun.SelectQuery, limit int) (seqs []int64, more bool, err error) {
	var sizes []struct{ Seq, Size int64 }
	err = query.Column("w.seq").ColumnExpr("CASE WHEN w.archive_url IS NULL THEN COALESCE(w.details_bytes, octet_length(w.details)) ELSE 0 END AS size").Scan(ctx, &sizes)
	if err != nil {
		return nil, false, err
	}
	total := int64(0)
	for i, x := range sizes {
		if total += x.Size; i == limit || i > 0 && total > pageBytes {
			return seqs, true, nil
		}
		seqs = append(seqs, x.Seq)
	}
	return seqs, false, nil
}

// previewOf is the bound of details in a list, 0 for none.
func previewOf(full bool) int {
	if full {
		return 0
	}
	return PreviewBytes
}

// fill converts rows until the page is full of bytes.
func (page *EntryPage) fill(logs []workLog, preview int) {
	size := 0
	for i := range logs {
		logs[i].unpack(preview)
		size += len(logs[i].Details)
		if size > pageBytes && i > 0 {
			page.Next = logs[i-1].Seq
			return
		}
		page.Rows = append(page.Rows, logs[i].row())
	}
}

// scope limits a query to the owner, the conversation and what is before the cursor: what an index answers.
func (q EntryQuery) scope(query *bun.SelectQuery) *bun.SelectQuery {
	query = query.Where("w.owner_id = ?", q.Owner)
	switch {
	case q.Unfiled:
		query = query.Where("w.conversation_id IS NULL")
	case q.Conversation != "":
		query = query.Where("w.conversation_id = ?", q.Conversation)
	}
	if q.Before > 0 {
		query = query.Where("w.seq < ?", q.Before)
	}
	return query
}

func (q EntryQuery) filter(query *bun.SelectQuery) *bun.SelectQuery {
	cond, args := q.Filter.where()
	query = query.Where(cond, args...)
	if !q.Since.IsZero() {
		query = query.Where("w.logged_at >= ?", q.Since)
	}
	if !q.Until.IsZero() {
		query = query.Where("w.logged_at < ?", q.Until)
	}
	return query
}

// entryColumnsOf selects an entry, with its details or a preview of them.
func entryColumnsOf(query *bun.SelectQuery, full bool) *bun.SelectQuery {
	query = query.Model((*workLog)(nil)).ColumnExpr(workLogColumns).
		ColumnExpr("COALESCE(w.details_bytes, octet_length(w.details)) AS details_bytes").ColumnExpr("w.details_z")
	if full {
		return query.ColumnExpr("w.details")
	}
	return query.ColumnExpr("left(w.details, ?) AS details", PreviewBytes)
}

// head reads the owner's last rev: 0 for one who has never written.
func head(ctx context.Context, db bun.IDB, owner int64) (rev int64, err error) {
	err = db.NewSelect().Model((*statsRow)(nil)).Column("last_rev").Where("owner_id = ?", owner).Scan(ctx, &rev)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return rev, err
}

// Head returns the owner's last rev and the epoch that it belongs to.
func (s *Store) Head(ctx context.Context, owner int64) (rev int64, epoch string, err error) {
	if epoch, err = s.Epoch(ctx); err != nil {
		return 0, "", err
	}
	rev, err = head(ctx, s.db, owner)
	return rev, epoch, mapError(err)
}

// Heads returns the last rev of each owner that has one.
func (s *Store) Heads(ctx context.Context, owners []int64) (map[int64]int64, error) {
	var rows []statsRow
	err := s.db.NewSelect().Model(&rows).Column("owner_id", "last_rev").Where("owner_id IN (?)", bun.List(owners)).Scan(ctx)
	heads := make(map[int64]int64, len(rows))
	for _, r := range rows {
		heads[r.OwnerID] = r.LastRev
	}
	return heads, mapError(err)
}

// sqlChanges is prepared: it follows every commit that somebody watches, and was planned for longer than it ran.
const sqlChanges = `SELECT ` + workLogColumns + `, COALESCE(w.details_bytes, octet_length(w.details)), w.details_z, left(w.details, $4)
	FROM work_logs w WHERE w.owner_id = $1 AND w.rev > $2 ORDER BY w.rev LIMIT $3`

// Changes returns the owner's entries that changed after a rev, in the order of their revs, with previews of their
// details. An empty conversation means all.
func (s *Store) Changes(ctx context.Context, owner, after int64, conversation string, limit int) (changes []Row, err error) {
	if conversation != "" {
		filtered, err := s.FilteredChanges(ctx, owner, after, conversation, false, EntryFilter{}, limit)
		for i := range filtered {
			changes = append(changes, filtered[i].Row)
		}
		return changes, err
	}
	rows, err := s.pool.Query(ctx, sqlChanges, pgx.QueryExecModeCacheStatement, owner, after, limit, PreviewBytes)
	if err != nil {
		return nil, mapError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var w workLog
		if err := rows.Scan(append(w.columns(), &w.DetailsBytes, &w.DetailsZ, &w.Details)...); err != nil {
			return nil, mapError(err)
		}
		w.unpack(PreviewBytes)
		changes = append(changes, w.row())
	}
	return changes, mapError(rows.Err())
}

// FilteredChange is a change and whether the entry matches the filter now. One that does not may have matched before.
type FilteredChange struct {
	Row
	Matches bool
}

// FilteredChanges is Changes with the filter as a column instead of a condition.
func (s *Store) FilteredChanges(ctx context.Context, owner, after int64, conversation string, unfiled bool, f EntryFilter, limit int) ([]FilteredChange, error) {
	var logs []struct {
		workLog `bun:",extend"`
		Matches bool `bun:"matches,scanonly"`
	}
	cond, args := f.where()
	q := EntryQuery{Owner: owner, Conversation: conversation, Unfiled: unfiled}
	err := q.scope(entryColumnsOf(s.db.NewSelect(), false)).ColumnExpr("("+cond+") AS matches", args...).
		Where("w.rev > ?", after).Order("w.rev").Limit(int64(limit)).Scan(ctx, &logs)
	changes := make([]FilteredChange, len(logs))
	for i := range logs {
		logs[i].unpack(PreviewBytes)
		changes[i] = FilteredChange{Row: logs[i].row(), Matches: logs[i].Matches}
	}
	return changes, mapError(err)
}

// Entry returns one entry with its full details. One that viewer may not read is not found.
func (s *Store) Entry(ctx context.Context, viewer int64, id string) (Row, error) {
	if uuid.Validate(id) != nil {
		return Row{}, worklog.Errorf(worklog.CodeNotFound, "no such entry")
	}
	var log workLog
	err := entryColumnsOf(s.db.NewSelect(), true).Where("w.owner_id = ? AND w.id = ?", viewer, id).Scan(ctx, &log)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.teamEntry(ctx, id, &log)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return Row{}, worklog.Errorf(worklog.CodeNotFound, "no such entry")
	}
	log.unpack(0)
	return log.row(), mapError(err)
}

// teamEntry reads an entry of a conversation that every user may read. The owners come first, so that each is one
// look into the index (owner_id, id).
func (s *Store) teamEntry(ctx context.Context, id string, log *workLog) error {
	owners := s.db.NewSelect().Model((*conversation)(nil)).Distinct().Column("owner_id").Where(teamReadable)
	return entryColumnsOf(s.db.NewSelect(), true).Join("JOIN conversations AS c ON c.owner_id = w.owner_id AND c.id = w.conversation_id").
		Where("w.owner_id IN (?) AND w.id = ?", owners, id).Where(teamReadable).Scan(ctx, log)
}
