package worklog

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a draft. Lengths are in characters where the name says so, else in bytes.
const (
	MaxTitleChars   = 500
	MaxToolChars    = 64
	MaxSourceChars  = 64
	MaxKeyChars     = 200 // of keys, parents and conversation keys
	MaxDetailsBytes = 256 << 10
	// MaxAhead is how far in the future a time may lie: clocks differ, years do not.
	MaxAhead = 24 * time.Hour

	// SourceWorklog is reserved for entries that worklog writes about itself.
	SourceWorklog = "worklog"
)

// Draft is a work log as submitted. Only Title is required.
type Draft struct {
	Title  string `json:"title"`
	Type   Type   `json:"type,omitempty"`   // default info
	Status Status `json:"status,omitempty"` // default info
	Tool   string `json:"tool,omitempty"`   // e.g. "Bash"
	// Conversation is the writer's key of a conversation, created on first use.
	Conversation string `json:"conversation,omitempty"`
	// ConversationID names an existing conversation instead.
	ConversationID string `json:"conversation_id,omitempty"`
	// ConversationTitle is used when the conversation is created, and when it has no title yet.
	ConversationTitle string   `json:"conversation_title,omitempty"`
	Details           string   `json:"details,omitempty"` // cut at MaxDetailsBytes, visibly
	Metadata          Metadata `json:"metadata,omitempty"`
	// Key makes the draft safe to send again: the same key is the same entry. It also completes a running step.
	Key       string     `json:"key,omitempty"`
	Parent    string     `json:"parent,omitempty"` // the key of the step this one is part of
	Source    string     `json:"source,omitempty"` // what wrote it, e.g. "claude-code"
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	LoggedAt  *time.Time `json:"logged_at,omitempty"` // default: now
	// User is the e-mail address of the user to write for; only for tokens with the scope write:any.
	User string `json:"user,omitempty"`
}

// Normalize fills in the defaults, replaces what PostgreSQL can not keep (NUL and invalid UTF-8 become U+FFFD)
// and cuts over-long details with a visible marker. Times become UTC microseconds.
func (d *Draft) Normalize() {
	if d.Type == "" {
		d.Type = TypeInfo
	}
	if d.Status == "" {
		d.Status = StatusInfo
	}
	for _, s := range d.texts() {
		*s = cleanText(*s)
	}
	d.Title = strings.TrimSpace(d.Title)
	d.Details = CutDetails(d.Details)
	d.Metadata = d.Metadata.clean()
	for _, t := range []**time.Time{&d.StartedAt, &d.EndedAt, &d.LoggedAt} {
		if *t != nil {
			u := (*t).UTC().Truncate(time.Microsecond)
			*t = &u
		}
	}
}

func (d *Draft) texts() []*string {
	return []*string{&d.Title, &d.Tool, &d.Conversation, &d.ConversationID, &d.ConversationTitle, &d.Details, &d.Key, &d.Parent, &d.Source, &d.User}
}

// Validate reports every rule that a normalized draft breaks, as an [Error] with code CodeInvalid, or nil.
// Client and server run the same code.
func (d *Draft) Validate(now time.Time) error {
	var v fields
	v.check(d.Title != "", "title", "is required")
	v.chars("title", d.Title, MaxTitleChars)
	v.chars("tool", d.Tool, MaxToolChars)
	v.chars("source", d.Source, MaxSourceChars)
	v.chars("key", d.Key, MaxKeyChars)
	v.chars("parent", d.Parent, MaxKeyChars)
	v.chars("conversation", d.Conversation, MaxKeyChars)
	v.chars("conversation_title", d.ConversationTitle, MaxTitleChars)
	v.check(d.Type.Valid(), "type", "must be one of "+join(Types()))
	v.check(d.Status.Valid(), "status", "must be one of "+join(Statuses()))
	v.check(d.Conversation == "" || d.ConversationID == "", "conversation_id", "can not be combined with conversation")
	v.check(d.Source != SourceWorklog, "source", `"worklog" is reserved`)
	v.check(d.Parent == "" || d.Parent != d.Key, "parent", "can not be the entry itself")
	v.time("started_at", d.StartedAt, now)
	v.time("ended_at", d.EndedAt, now)
	v.time("logged_at", d.LoggedAt, now)
	v.metadata(d.Metadata)
	return v.err()
}

// Bounds of an answer about one value: its field names may be a stranger's, and as many as fit into a request.
const (
	maxFieldErrors    = 20
	maxFieldNameBytes = 200
)

// fields collects the broken rules of one value, the first maxFieldErrors of them.
type fields []FieldError

func (f *fields) check(ok bool, field, message string) {
	if !ok && len(*f) < maxFieldErrors {
		*f = append(*f, FieldError{cleanText(Cut(field, maxFieldNameBytes)), message})
	}
}

func (f *fields) chars(field, s string, most int) {
	if len(s) > most && utf8.RuneCountInString(s) > most {
		f.check(false, field, fmt.Sprintf("must have at most %d characters", most))
	}
}

func (f *fields) time(field string, t *time.Time, now time.Time) {
	if t == nil {
		return
	}
	f.check(!t.After(now.Add(MaxAhead)), field, "must be at most a day ahead")
	f.check(t.Year() >= 1970, field, "must not be before 1970")
}

func (f fields) err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "invalid draft", Fields: f}
}

func join[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return strings.Join(names, ", ")
}

// CutDetails returns s, or its first part and a marker that says how much is missing when it exceeds MaxDetailsBytes.
func CutDetails(s string) string { return cutAt(s, MaxDetailsBytes) }

// cutAt is CutDetails for another bound.
func cutAt(s string, most int) string {
	if len(s) <= most {
		return s
	}
	marker := fmt.Sprintf("\n[cut here: %d bytes in all]", len(s))
	return Cut(s, most-len(marker)) + marker
}

// Cut returns the longest beginning of s of at most n bytes that splits no character; nothing when n is negative. What is no
// UTF-8 has no characters to split.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n, 0)
	for i := n; i >= 0 && i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// cleanText returns s with NUL and invalid UTF-8 replaced by U+FFFD.
func cleanText(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
