package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Every row of every measurement has this content but for its number: about 1.3 KB as stored, like a step with some
// lines of output.
const (
	conversationsPerUser = 4
	detailsBytes         = 1000
	numberDigits         = 12
)

// draft is the entry with number n of a user.
func draft(n int64, withKey bool) worklog.Draft {
	d := worklog.Draft{
		Title: fmt.Sprintf("Bash: go test ./internal/store -run %0*d", numberDigits, n), Type: worklog.TypeToolCall, Status: worklog.StatusSuccess,
		Tool: "Bash", Conversation: conversationKey(n), Source: "bench", Details: details(),
		Metadata: worklog.Metadata{"exit_code": 0, "command": "go test ./internal/store", "cwd": "/src/worklog", "model": "none"},
	}
	if withKey {
		d.Key = fmt.Sprintf("bench/7505c804-ef06-4be0/%0*d", numberDigits, n)
	}
	return d
}

func conversationKey(n int64) string { return fmt.Sprintf("bench-%d", n%conversationsPerUser) }

// details is output of some 1,000 bytes.
func details() string {
	var b strings.Builder
	for i := 0; b.Len() < detailsBytes; i++ {
		fmt.Fprintf(&b, "ok  \tgithub.com/worklogdev/worklog/internal/part%02d\t%d.%03ds\n", i, i%7, i*i%1000)
	}
	return b.String()[:detailsBytes]
}

// form is a draft as JSON with holes for its number: numbering one costs nothing.
type form struct {
	text  []byte
	holes []int
}

// newForm prepares drafts of one conversation.
func newForm(conversation string, withKey bool) (*form, error) {
	const sample = 987_654_321_012 // appears nowhere else
	d := draft(sample, withKey)
	d.Conversation = conversation
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	f := &form{text: text}
	needle := fmt.Appendf(nil, "%0*d", numberDigits, int64(sample))
	for from := 0; ; {
		i := bytes.Index(text[from:], needle)
		if i < 0 {
			return f, nil
		}
		f.holes = append(f.holes, from+i)
		from += i + numberDigits
	}
}

// appendTo appends the draft with number n to b.
func (f *form) appendTo(b []byte, n int64) []byte {
	start := len(b)
	b = append(b, f.text...)
	for _, hole := range f.holes {
		rest := n
		for i := start + hole + numberDigits - 1; i >= start+hole; i-- {
			b[i] = byte('0' + rest%10)
			rest /= 10
		}
	}
	return b
}

// copyColumns are the columns of work_logs that a row of the comparison fills: those that the write path fills.
func copyColumns() []string {
	return []string{"owner_id", "seq", "rev", "id", "conversation_id", "key", "type", "status", "tool", "title", "details", "metadata", "source", "token_id",
		"repeats", "inferred", "keep", "ended_at", "logged_at", "created_at", "updated_at"}
}

// copyRow is draft n as a row of owner with the place seq.
func copyRow(owner, seq, n int64, id, conversation, token [16]byte, withKey bool, now time.Time) []any {
	d := draft(n, withKey)
	var key any
	if withKey {
		key = d.Key
	}
	return []any{owner, seq, seq, id, conversation, key, string(d.Type), string(d.Status), d.Tool, d.Title, d.Details, map[string]any(d.Metadata), d.Source, token,
		int32(1), false, false, now, now, now, now}
}
