package worklog

import "time"

// EntryPatch changes an existing entry, under the same rules as a draft with its key: a final status stays,
// a title is frozen once the entry has ended, metadata adds keys and never replaces them.
type EntryPatch struct {
	Status   *Status    `json:"status,omitempty"`
	Title    *string    `json:"title,omitempty"`
	Details  *string    `json:"details,omitempty"`
	Metadata Metadata   `json:"metadata,omitempty"`
	EndedAt  *time.Time `json:"ended_at,omitempty"`
}

// ConversationPatch changes a conversation. A nil field stays as it is.
type ConversationPatch struct {
	Title      *string     `json:"title,omitempty"`
	Visibility *Visibility `json:"visibility,omitempty"`
	Keep       *bool       `json:"keep,omitempty"`
	Pinned     *bool       `json:"pinned,omitempty"`
	Archived   *bool       `json:"archived,omitempty"`
}
