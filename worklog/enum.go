package worklog

import "slices"

// Type says what kind of work an entry describes.
type Type string

// The types. A draft without one becomes TypeInfo.
const (
	TypeAIResponse    Type = "ai_response"
	TypeToolCall      Type = "tool_call"
	TypeFileOperation Type = "file_operation"
	TypeDeployment    Type = "deployment"
	TypeError         Type = "error"
	TypeInfo          Type = "info"
)

// Types returns every type in the order in which pages list them.
func Types() []Type {
	return []Type{TypeAIResponse, TypeToolCall, TypeFileOperation, TypeDeployment, TypeError, TypeInfo}
}

// Valid reports whether t is one of [Types].
func (t Type) Valid() bool { return slices.Contains(Types(), t) }

// Status says how an entry stands. StatusWorking is the only one that may change later.
type Status string

// The statuses. A draft without one becomes StatusInfo.
const (
	StatusWorking Status = "working"
	StatusSuccess Status = "success"
	StatusWarning Status = "warning"
	StatusError   Status = "error"
	StatusInfo    Status = "info"
)

// Statuses returns every status in the order in which pages list them.
func Statuses() []Status {
	return []Status{StatusWorking, StatusSuccess, StatusWarning, StatusError, StatusInfo}
}

// Valid reports whether s is one of [Statuses].
func (s Status) Valid() bool { return slices.Contains(Statuses(), s) }

// Final reports whether s ends an entry.
func (s Status) Final() bool { return s != StatusWorking }

// StorageStatus says where an entry is on its way from fresh to deleted.
type StorageStatus string

// The storage statuses, in the order in which retention moves entries through them.
const (
	StorageHot      StorageStatus = "hot"
	StorageWarm     StorageStatus = "warm"
	StorageCold     StorageStatus = "cold"
	StorageArchived StorageStatus = "archived"
)

// StorageStatuses returns every storage status, youngest first.
func StorageStatuses() []StorageStatus {
	return []StorageStatus{StorageHot, StorageWarm, StorageCold, StorageArchived}
}

// ArchiveState says what is known of the details and metadata of an entry that retention has moved to the archive. It is
// empty while the entry itself has them.
type ArchiveState string

// The archive states. Lists leave them unread; reading one entry fetches them.
const (
	ArchiveUnread      ArchiveState = "unread"
	ArchiveRead        ArchiveState = "read"
	ArchiveMissing     ArchiveState = "missing"     // the archive does not have them
	ArchiveDamaged     ArchiveState = "damaged"     // they are not what was written
	ArchiveUnavailable ArchiveState = "unavailable" // the archive does not answer: try again
)

// Visibility says who may read a conversation.
type Visibility string

// The visibilities. VisibilityPrivate is the default.
const (
	VisibilityPrivate Visibility = "private" // the owner
	VisibilityTeam    Visibility = "team"    // every user of the installation; only the owner changes it
)

// Valid reports whether v is a known visibility.
func (v Visibility) Valid() bool { return v == VisibilityPrivate || v == VisibilityTeam }
