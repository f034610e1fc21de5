package worklog

import "time"

// Outcome says what became of a draft.
type Outcome string

// The outcomes.
const (
	OutcomeStored    Outcome = "stored"    // a new entry
	OutcomeUpdated   Outcome = "updated"   // the entry with the draft's key has changed
	OutcomeUnchanged Outcome = "unchanged" // the entry with the draft's key already says all of this
	OutcomeMerged    Outcome = "merged"    // identical to an entry of the last second: counted in its repeats
	OutcomeLimited   Outcome = "limited"   // over the limit: counted, not stored
	OutcomeInvalid   Outcome = "invalid"   // refused; Reason says why
)

// valid reports whether o is one of the outcomes.
func (o Outcome) valid() bool {
	switch o {
	case OutcomeStored, OutcomeUpdated, OutcomeUnchanged, OutcomeMerged, OutcomeLimited, OutcomeInvalid:
		return true
	}
	return false
}

// Receipt answers one draft.
type Receipt struct {
	Outcome Outcome `json:"outcome"`
	// Entry is the entry as it now stands; a stand-in with an empty ID when nothing was stored; nil when the draft was invalid.
	Entry *Entry `json:"entry"`
	// Reason explains limited and invalid outcomes to a person.
	Reason string `json:"reason,omitempty"`
	// Errors names the fields of an invalid draft.
	Errors []FieldError `json:"errors,omitempty"`
	// RetryAfter is the number of whole seconds after which a limited writer has room again.
	RetryAfter int `json:"retry_after,omitempty"`
}

// Counts is how many drafts of a request had each outcome.
type Counts struct {
	Stored    int64 `json:"stored"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Merged    int64 `json:"merged"`
	Limited   int64 `json:"limited"`
	Invalid   int64 `json:"invalid"`
}

// Add counts n drafts with outcome o.
func (c *Counts) Add(o Outcome, n int64) {
	switch o {
	case OutcomeStored:
		c.Stored += n
	case OutcomeUpdated:
		c.Updated += n
	case OutcomeUnchanged:
		c.Unchanged += n
	case OutcomeMerged:
		c.Merged += n
	case OutcomeLimited:
		c.Limited += n
	case OutcomeInvalid:
		c.Invalid += n
	}
}

// AddAll adds the counts of other.
func (c *Counts) AddAll(other Counts) {
	c.Stored += other.Stored
	c.Updated += other.Updated
	c.Unchanged += other.Unchanged
	c.Merged += other.Merged
	c.Limited += other.Limited
	c.Invalid += other.Invalid
}

// Received is the sum of all outcomes: every draft has exactly one.
func (c Counts) Received() int64 {
	return c.Stored + c.Updated + c.Unchanged + c.Merged + c.Limited + c.Invalid
}

// Stats are one user's totals since the account exists.
type Stats struct {
	Counts
	Received int64 `json:"received"`
	// Entries counts the entries that exist now, by storage status.
	Entries map[StorageStatus]int64 `json:"entries"`
	Bytes   int64                   `json:"bytes"` // of titles, details and metadata
	// Cut counts the entries whose details were cut because their user's room of a day was used up, or the disk nearly full.
	Cut int64 `json:"cut"`
	// Redacted counts the secrets that were replaced before anything was stored.
	Redacted     int64      `json:"redacted"`
	LastLoggedAt *time.Time `json:"last_logged_at"`
}
