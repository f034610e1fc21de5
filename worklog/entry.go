package worklog

import (
	"encoding/json"
	"time"
)

// Metadata is an entry's free-form facts. Numbers read from JSON are json.Number, so that large integers survive.
type Metadata map[string]any

// Entry is one accepted work log.
type Entry struct {
	// ID identifies the entry for ever. It is empty in a stand-in, the entry of a receipt that stored nothing.
	ID string
	// Seq is the entry's place in its owner's feed, given once. Lists are ordered by it.
	Seq int64
	// Rev is the number of the entry's last change, from the same counter as Seq. It is the cursor of everything live.
	Rev int64
	// ConversationID is empty when the entry belongs to no conversation, or to one that was deleted.
	ConversationID string
	// Key is the writer's own name for the entry, unique per owner; empty when it has none.
	Key string
	// Parent is the key of the step this one is part of.
	Parent        string
	Type          Type
	Status        Status
	StorageStatus StorageStatus
	// Archive is where Details and Metadata are when they are not part of the entry any more.
	Archive  ArchiveState
	Tool     string
	Title    string
	Details  string
	Metadata Metadata
	Source   string
	// Repeats counts the identical drafts that were merged into this entry, itself included: 1 is a single one.
	Repeats   int
	StartedAt time.Time // zero: unknown
	EndedAt   time.Time // zero: still running, or unknown
	LoggedAt  time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Duration is the time from start to end, and false while either is unknown.
func (e Entry) Duration() (time.Duration, bool) {
	if e.StartedAt.IsZero() || e.EndedAt.IsZero() {
		return 0, false
	}
	return max(e.EndedAt.Sub(e.StartedAt), 0), true
}

// entryJSON is the wire form, as AppendJSON writes it.
type entryJSON struct {
	ID             *string       `json:"id"`
	Seq            int64         `json:"seq"`
	Rev            int64         `json:"rev"`
	ConversationID *string       `json:"conversation_id"`
	Key            *string       `json:"key"`
	Parent         *string       `json:"parent"`
	Type           Type          `json:"type"`
	Status         Status        `json:"status"`
	StorageStatus  StorageStatus `json:"storage_status"`
	Archive        ArchiveState  `json:"archive"`
	Tool           string        `json:"tool"`
	Title          string        `json:"title"`
	Details        string        `json:"details"`
	Metadata       Metadata      `json:"metadata"`
	Source         string        `json:"source"`
	Repeats        int           `json:"repeats"`
	StartedAt      *time.Time    `json:"started_at"`
	EndedAt        *time.Time    `json:"ended_at"`
	DurationMS     *int64        `json:"duration_ms"`
	LoggedAt       *time.Time    `json:"logged_at"`
	CreatedAt      *time.Time    `json:"created_at"`
	UpdatedAt      *time.Time    `json:"updated_at"`
}

// UnmarshalJSON reads the form of the HTTP API.
func (e *Entry) UnmarshalJSON(b []byte) error {
	var w entryJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*e = Entry{
		ID: orEmpty(w.ID), Seq: w.Seq, Rev: w.Rev, ConversationID: orEmpty(w.ConversationID), Key: orEmpty(w.Key), Parent: orEmpty(w.Parent),
		Type: w.Type, Status: w.Status, StorageStatus: w.StorageStatus, Archive: w.Archive, Tool: w.Tool, Title: w.Title, Details: w.Details,
		Metadata: w.Metadata, Source: w.Source, Repeats: w.Repeats, StartedAt: orEmpty(w.StartedAt), EndedAt: orEmpty(w.EndedAt),
		LoggedAt: orEmpty(w.LoggedAt), CreatedAt: orEmpty(w.CreatedAt), UpdatedAt: orEmpty(w.UpdatedAt),
	}
	return nil
}

// UnmarshalJSON keeps numbers as json.Number.
func (m *Metadata) UnmarshalJSON(b []byte) error {
	v, err := decodeMetadata(b)
	if err == nil {
		*m = v
	}
	return err
}

func orEmpty[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
