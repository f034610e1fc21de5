package limit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"io"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Fingerprint stands for everything a draft says. Different drafts have different fingerprints.
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of a normalized draft. Every field goes into the hash behind its length: joined
// by a separator, tool "a|b" with title "c" would equal tool "a" with title "b|c", and one draft would swallow the other.
// A draft whose metadata can not be written as JSON equals no other.
func FingerprintOf(d *worklog.Draft) Fingerprint {
	h := sha256.New()
	for _, s := range []string{
		d.Title, string(d.Type), string(d.Status), d.Tool, d.Conversation, d.ConversationID, d.ConversationTitle,
		d.Details, d.Key, d.Parent, d.Source, d.User,
	} {
		writeField(h, s)
	}
	for _, t := range []*time.Time{d.StartedAt, d.EndedAt, d.LoggedAt} {
		writeTime(h, t)
	}
	writeMetadata(h, d.Metadata)
	return Fingerprint(h.Sum(nil))
}

func writeField(h hash.Hash, s string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
	io.WriteString(h, s)
}

func writeTime(h hash.Hash, t *time.Time) {
	if t == nil {
		writeField(h, "")
		return
	}
	writeField(h, t.UTC().Format(time.RFC3339Nano))
}

// writeMetadata relies on encoding/json writing the keys of maps in order. No metadata and empty metadata are the same.
func writeMetadata(h hash.Hash, m worklog.Metadata) {
	if len(m) == 0 {
		writeField(h, "")
		return
	}
	b, err := json.Marshal(map[string]any(m))
	if err != nil {
		b = []byte(rand.Text())
	}
	writeField(h, string(b))
}
