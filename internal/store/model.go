package store

import (
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/worklog"
)

// PreviewBytes is how much of an entry's details lists and live frames carry.
const PreviewBytes = 2 << 10

// Row is an entry as pages need it. Lists fill Details with at most PreviewBytes.
type Row struct {
	worklog.Entry
	Owner        int64
	DetailsBytes int    // the full length of the details
	ArchiveName  string // of the archive's object that holds details and metadata; empty: the row does
	TokenID      string // which token wrote it; empty: a session, or worklog itself
	change.Marks
	SilentAfter time.Duration // of a running step: no news for longer than this is unusual
}

// workLog is a row of work_logs.
type workLog struct {
	bun.BaseModel `bun:"table:work_logs,alias:w"`

	OwnerID        int64           `bun:"owner_id,pk"`
	Seq            int64           `bun:"seq,pk"`
	Rev            int64           `bun:"rev"`
	ID             string          `bun:"id,type:uuid"`
	ConversationID *string         `bun:"conversation_id,type:uuid"`
	Key            *string         `bun:"key"`
	ParentKey      *string         `bun:"parent_key"`
	Type           string          `bun:"type"`
	Status         string          `bun:"status"`
	Tool           string          `bun:"tool"`
	Title          string          `bun:"title"`
	Details        string          `bun:"details"`
	DetailsZ       []byte          `bun:"details_z,nullzero"` // of a warm entry, instead of Details
	DetailsBytes   int             `bun:"details_bytes,scanonly"`
	Metadata       json.RawMessage `bun:"metadata,type:jsonb"`
	Source         string          `bun:"source"`
	TokenID        *string         `bun:"token_id,type:uuid"`
	Repeats        int             `bun:"repeats"`
	Inferred       bool            `bun:"inferred"`
	StartedAt      *time.Time      `bun:"started_at"`
	EndedAt        *time.Time      `bun:"ended_at"`
	LoggedAt       time.Time       `bun:"logged_at"`
	CreatedAt      time.Time       `bun:"created_at"`
	UpdatedAt      time.Time       `bun:"updated_at"`
	StorageStatus  string          `bun:"storage_status"`
	AskedAt        *time.Time      `bun:"asked_at"`
	SilentAfter    *int            `bun:"silent_after"`
	ArchiveURL     *string         `bun:"archive_url"`
	Redacted       int             `bun:"redacted"`
}

// workLogColumns are the columns of a workLog without its details.
const workLogColumns = `w.owner_id, w.seq, w.rev, w.id, w.conversation_id, w.key, w.parent_key, w.type, w.status, w.tool, w.title,
	w.metadata, w.source, w.token_id, w.repeats, w.inferred, w.started_at, w.ended_at, w.logged_at, w.created_at, w.updated_at, w.asked_at, w.silent_after, w.storage_status, w.archive_url, w.redacted`

// columns are where workLogColumns go.
func (w *workLog) columns() []any {
	return []any{
		&w.OwnerID, &w.Seq, &w.Rev, &w.ID, &w.ConversationID, &w.Key, &w.ParentKey, &w.Type, &w.Status, &w.Tool, &w.Title,
		&w.Metadata, &w.Source, &w.TokenID, &w.Repeats, &w.Inferred, &w.StartedAt, &w.EndedAt, &w.LoggedAt, &w.CreatedAt, &w.UpdatedAt, &w.AskedAt, &w.SilentAfter, &w.StorageStatus, &w.ArchiveURL, &w.Redacted,
	}
}

func (w *workLog) row() Row {
	r := Row{
		Owner: w.OwnerID, DetailsBytes: w.DetailsBytes, TokenID: deref(w.TokenID), ArchiveName: deref(w.ArchiveURL),
		Entry: worklog.Entry{
			ID: w.ID, Seq: w.Seq, Rev: w.Rev, ConversationID: deref(w.ConversationID), Key: deref(w.Key), Parent: deref(w.ParentKey),
			Type: worklog.Type(w.Type), Status: worklog.Status(w.Status), StorageStatus: worklog.StorageStatus(w.StorageStatus),
			Tool: w.Tool, Title: w.Title, Details: w.Details, Source: w.Source, Repeats: w.Repeats,
			StartedAt: deref(w.StartedAt).UTC(), EndedAt: deref(w.EndedAt).UTC(),
			LoggedAt: w.LoggedAt.UTC(), CreatedAt: w.CreatedAt.UTC(), UpdatedAt: w.UpdatedAt.UTC(),
		},
	}
	r.Marks = change.Marks{Inferred: w.Inferred, AskedAt: deref(w.AskedAt).UTC(), Redacted: w.Redacted}
	r.SilentAfter = time.Duration(deref(w.SilentAfter)) * time.Second
	if len(w.Metadata) > 2 { // more than {}
		_ = r.Metadata.UnmarshalJSON(w.Metadata) // jsonb always parses
	}
	if r.DetailsBytes == 0 {
		r.DetailsBytes = len(r.Details)
	}
	if r.ArchiveName != "" {
		r.Archive = worklog.ArchiveUnread
	}
	return r
}

// unpack puts compressed details where others have theirs, at most limit characters (0: all).
func (w *workLog) unpack(limit int) {
	if len(w.DetailsZ) == 0 {
		return
	}
	text, err := inflate("", w.DetailsZ)
	if err != nil {
		text = unreadable
	}
	if limit > 0 {
		text = worklog.Cut(text, limit)
	}
	w.Details, w.DetailsZ = text, nil
}

// statsRow is a row of work_log_stats; in an upsert its counters are what to add.
type statsRow struct {
	bun.BaseModel `bun:"table:work_log_stats,alias:st"`

	OwnerID      int64 `bun:"owner_id,pk"`
	LastRev      int64 `bun:"last_rev"`
	Stored       int64 `bun:"stored"`
	Updated      int64 `bun:"updated"`
	Unchanged    int64 `bun:"unchanged"`
	Merged       int64 `bun:"merged"`
	Limited      int64 `bun:"limited"`
	LimitedNoted int64 `bun:"limited_noted"`
	Invalid      int64 `bun:"invalid"`
	Hot          int64 `bun:"hot"`
	Warm         int64 `bun:"warm"`
	Cold         int64 `bun:"cold"`
	Archived     int64 `bun:"archived"`
	Bytes        int64 `bun:"bytes"`
	// Of Bytes; the rest is hot.
	WarmBytes     int64 `bun:"warm_bytes"`
	ColdBytes     int64 `bun:"cold_bytes"`
	ArchivedBytes int64 `bun:"archived_bytes"`

	Redacted     int64      `bun:"redacted"`
	Cut          int64      `bun:"cut"`
	LastLoggedAt *time.Time `bun:"last_logged_at"`

	// Closed: the owner is erased, and nothing is appended any more.
	Closed bool `bun:"closed,scanonly"`
}

// counters are the values of the columns that [counters] names, in that order.
func (r *statsRow) counters() [17]int64 {
	return [...]int64{
		r.Stored, r.Updated, r.Unchanged, r.Merged, r.Limited, r.LimitedNoted, r.Invalid, r.Hot, r.Warm, r.Cold, r.Archived, r.Bytes, r.Redacted, r.Cut,
		r.WarmBytes, r.ColdBytes, r.ArchivedBytes,
	}
}

func (r *statsRow) addCounts(c worklog.Counts) {
	r.Stored += c.Stored
	r.Updated += c.Updated
	r.Unchanged += c.Unchanged
	r.Merged += c.Merged
	r.Limited += c.Limited
	r.Invalid += c.Invalid
}

// count adds n entries of a storage status.
func (r *statsRow) count(status worklog.StorageStatus, n int64) {
	switch status {
	case worklog.StorageHot:
		r.Hot += n
	case worklog.StorageWarm:
		r.Warm += n
	case worklog.StorageCold:
		r.Cold += n
	case worklog.StorageArchived:
		r.Archived += n
	}
}

// weigh adds n bytes of a storage status.
func (r *statsRow) weigh(status worklog.StorageStatus, n int64) {
	r.Bytes += n
	switch status {
	case worklog.StorageWarm:
		r.WarmBytes += n
	case worklog.StorageCold:
		r.ColdBytes += n
	case worklog.StorageArchived:
		r.ArchivedBytes += n
	}
}

// tierBytes is Bytes by storage status.
func (r *statsRow) tierBytes() map[worklog.StorageStatus]int64 {
	return map[worklog.StorageStatus]int64{
		worklog.StorageHot: r.Bytes - r.WarmBytes - r.ColdBytes - r.ArchivedBytes, worklog.StorageWarm: r.WarmBytes,
		worklog.StorageCold: r.ColdBytes, worklog.StorageArchived: r.ArchivedBytes,
	}
}

func (r *statsRow) stats() worklog.Stats {
	c := worklog.Counts{Stored: r.Stored, Updated: r.Updated, Unchanged: r.Unchanged, Merged: r.Merged, Limited: r.Limited, Invalid: r.Invalid}
	return worklog.Stats{
		Counts: c, Received: c.Received(), Bytes: r.Bytes, Redacted: r.Redacted, Cut: r.Cut, LastLoggedAt: r.LastLoggedAt,
		Entries: map[worklog.StorageStatus]int64{
			worklog.StorageHot: r.Hot, worklog.StorageWarm: r.Warm, worklog.StorageCold: r.Cold, worklog.StorageArchived: r.Archived,
		},
	}
}

// conversation is a row of conversations.
type conversation struct {
	bun.BaseModel `bun:"table:conversations,alias:c"`

	OwnerID      int64      `bun:"owner_id,pk"`
	ID           string     `bun:"id,pk,type:uuid"`
	Key          *string    `bun:"key"`
	Title        string     `bun:"title"`
	Visibility   string     `bun:"visibility"`
	Keep         bool       `bun:"keep"`
	Pinned       bool       `bun:"pinned"`
	Hold         bool       `bun:"hold"`
	EntryCount   int64      `bun:"entry_count"`
	WorkingCount int64      `bun:"working_count"`
	ErrorCount   int64      `bun:"error_count"`
	LastStatus   string     `bun:"last_status"`
	LastEntryAt  *time.Time `bun:"last_entry_at"`
	AskingCount  int64      `bun:"asking_count"`
	Turn         Turn       `bun:"turn"`
	TurnAt       *time.Time `bun:"turn_at"`
	PromptedAt   *time.Time `bun:"prompted_at"`
	AskedBy      string     `bun:"asked_by"`
	RunningUntil *time.Time `bun:"running_until,scanonly"`
	CreatedAt    time.Time  `bun:"created_at"`
	ArchivedAt   *time.Time `bun:"archived_at"`
	DeletedAt    *time.Time `bun:"deleted_at"`
	OwnerEmail   string     `bun:"owner_email,scanonly"`
	// WorkLogs are the entries; deleting the conversation leaves them (ON DELETE SET NULL).
	WorkLogs []*workLog `bun:"rel:has-many,join:owner_id=owner_id,join:id=conversation_id"`
}

// Conversation is a conversation as pages need it.
type Conversation struct {
	worklog.Conversation
	OwnerID    int64
	ErrorCount int64
	LastStatus worklog.Status // of the entry that changed last
	Hold       bool           // an admin's: nobody deletes it

	AskingCount int64     // running steps that wait for a permission
	Turn        Turn      // whose move it is
	PromptedAt  time.Time // its user's last word; zero: unknown
	SilentAt    time.Time // from when it counts as silent, unless there is news
}

func (c *conversation) public() Conversation {
	return Conversation{
		OwnerID: c.OwnerID, ErrorCount: c.ErrorCount, LastStatus: worklog.Status(c.LastStatus), Hold: c.Hold,
		AskingCount: c.AskingCount, Turn: c.Turn, PromptedAt: deref(c.PromptedAt).UTC(), SilentAt: silentAt(c.LastEntryAt, c.RunningUntil),
		Conversation: worklog.Conversation{
			ID: c.ID, Key: deref(c.Key), Title: c.Title, Visibility: worklog.Visibility(c.Visibility), Keep: c.Keep, Pinned: c.Pinned,
			Owner: c.OwnerEmail, EntryCount: c.EntryCount, WorkingCount: c.WorkingCount, CreatedAt: c.CreatedAt.UTC(),
			LastEntryAt: utc(c.LastEntryAt), ArchivedAt: utc(c.ArchivedAt),
		},
	}
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// nullable returns nil for the zero value.
func nullable[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
