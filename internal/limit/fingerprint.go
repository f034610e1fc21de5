package limit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Fingerprint stands for everything a draft says. Different drafts have different fingerprints.
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of a normalized draft. Every field goes into the hash behind its length: joined
// by a separator, tool "a|b" with title "c" would equal tool "a" with title "b|c", and one draft would swallow the other.
// A draft whose metadata can not be written as JSON equals no other.
func FingerprintOf(d *worklog.Draft) Fingerprint {
	const rest = 1 << 10 // all but the details, mostly
	b := make([]byte, 0, len(d.Details)+rest)
	for _, s := range [...]string{
		d.Title, string(d.Type), string(d.Status), d.Tool, d.Conversation, d.ConversationID, d.ConversationTitle,
		d.Details, d.Key, d.Parent, d.Source, d.User,
	} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, t := range [...]*time.Time{d.StartedAt, d.EndedAt, d.LoggedAt} {
		b = appendTime(b, t)
	}
	return sha256.Sum256(appendMetadata(b, d.Metadata)) // the last field: its length is what is left
}

// appendTime appends a marker that says whether there is a time, and the time.
func appendTime(b []byte, t *time.Time) []byte {
	if t == nil {
		return append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(append(b, 1), uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// appendMetadata appends m in its one form. No metadata and empty metadata are the same.
func appendMetadata(b []byte, m worklog.Metadata) []byte {
	if len(m) == 0 {
		return b
	}
	out, err := m.AppendJSON(b)
	if err != nil {
		return append(b, rand.Text()...)
	}
	return out
}
