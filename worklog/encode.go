package worklog

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the entry in the form of the HTTP API: absent identifiers and times are null, absent texts empty.
// It fails only when the metadata holds a Go value that has no JSON form.
func (e *Entry) AppendJSON(b []byte) ([]byte, error) {
	b = appendOrNull(append(b, `{"id":`...), e.ID)
	b = strconv.AppendInt(append(b, `,"seq":`...), e.Seq, 10)
	b = strconv.AppendInt(append(b, `,"rev":`...), e.Rev, 10)
	b = appendOrNull(append(b, `,"conversation_id":`...), e.ConversationID)
	b = appendOrNull(append(b, `,"key":`...), e.Key)
	b = appendOrNull(append(b, `,"parent":`...), e.Parent)
	b = appendText(append(b, `,"type":`...), string(e.Type))
	b = appendText(append(b, `,"status":`...), string(e.Status))
	b = appendText(append(b, `,"storage_status":`...), string(e.StorageStatus))
	if e.Archive != "" {
		b = appendText(append(b, `,"archive":`...), string(e.Archive))
	}
	b = appendText(append(b, `,"tool":`...), e.Tool)
	b = appendText(append(b, `,"title":`...), e.Title)
	b = appendText(append(b, `,"details":`...), e.Details)
	b, err := appendMap(append(b, `,"metadata":`...), e.Metadata, 0)
	if err != nil {
		return b, err
	}
	b = appendText(append(b, `,"source":`...), e.Source)
	b = strconv.AppendInt(append(b, `,"repeats":`...), int64(e.Repeats), 10)
	b = appendTime(append(b, `,"started_at":`...), e.StartedAt)
	b = appendTime(append(b, `,"ended_at":`...), e.EndedAt)
	b = append(b, `,"duration_ms":`...)
	if d, ok := e.Duration(); ok {
		b = strconv.AppendInt(b, d.Milliseconds(), 10)
	} else {
		b = append(b, "null"...)
	}
	b = appendTime(append(b, `,"logged_at":`...), e.LoggedAt)
	b = appendTime(append(b, `,"created_at":`...), e.CreatedAt)
	b = appendTime(append(b, `,"updated_at":`...), e.UpdatedAt)
	return append(b, '}'), nil
}

// MarshalJSON writes the entry as [Entry.AppendJSON] does.
func (e Entry) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// AppendJSON appends the receipt in the form of the HTTP API. It fails as [Entry.AppendJSON] does.
func (r *Receipt) AppendJSON(b []byte) (out []byte, err error) {
	b = appendText(append(b, `{"outcome":`...), string(r.Outcome))
	b = append(b, `,"entry":`...)
	if r.Entry == nil {
		b = append(b, "null"...)
	} else if b, err = r.Entry.AppendJSON(b); err != nil {
		return b, err
	}
	if r.Reason != "" {
		b = appendText(append(b, `,"reason":`...), r.Reason)
	}
	for i, f := range r.Errors {
		if i == 0 {
			b = append(b, `,"errors":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"field":`...), f.Field)
		b = append(appendText(append(b, `,"message":`...), f.Message), '}')
	}
	if len(r.Errors) > 0 {
		b = append(b, ']')
	}
	if r.RetryAfter != 0 {
		b = strconv.AppendInt(append(b, `,"retry_after":`...), int64(r.RetryAfter), 10)
	}
	return append(b, '}'), nil
}

func appendOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendText(b, s)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return append(t.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// AppendJSON appends m as JSON with sorted keys: metadata that says the same is written the same. It fails only when m
// holds a Go value that has no JSON form.
func (m Metadata) AppendJSON(b []byte) ([]byte, error) { return appendMap(b, m, 0) }

// appendMap appends m with sorted keys. The depth guards against a map that contains itself.
func appendMap(b []byte, m map[string]any, depth int) (_ []byte, err error) {
	if depth > maxScanDepth {
		return b, Errorf(CodeInvalid, "metadata is nested too deep")
	}
	if len(m) == 0 {
		return append(b, "{}"...), nil
	}
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, k), ':')
		if b, err = appendValue(b, m[k], depth+1); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendText(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case json.Number:
		if isInteger(string(v)) {
			return append(b, v...), nil
		}
	case Metadata:
		return appendMap(b, v, depth)
	case map[string]any:
		return appendMap(b, v, depth)
	case []any:
		return appendList(b, v, depth)
	}
	raw, err := json.Marshal(v)
	return append(b, raw...), err
}

func appendList(b []byte, list []any, depth int) (_ []byte, err error) {
	if depth > maxScanDepth {
		return b, Errorf(CodeInvalid, "metadata is nested too deep")
	}
	b = append(b, '[')
	for i, x := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, x, depth+1); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// isInteger reports whether s is a JSON number without fraction and exponent.
func isInteger(s string) bool {
	if len(s) > 1 && s[0] == '-' {
		s = s[1:]
	}
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return s != "" && (s[0] != '0' || len(s) == 1)
}

const hexDigits = "0123456789abcdef"

// appendText appends s as a JSON string. Invalid UTF-8 becomes U+FFFD; U+2028 and U+2029 are escaped for those who
// paste JSON into JavaScript.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if (r == utf8.RuneError && size == 1) || r == '\u2028' || r == '\u2029' {
			b = append(b, s[start:i]...)
			b = append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
