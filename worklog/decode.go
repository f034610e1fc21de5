package worklog

import (
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// DecodeDraft reads a draft from a JSON object. It is stricter than encoding/json: names are matched exactly, unknown
// names and names given twice are refused, and so is anything after the object. null is the same as absent.
//
// The error is an [Error]: CodeMalformed when raw is not JSON, CodeInvalid when it is, naming every field that is wrong;
// the draft then holds what could be read. The rules of [Draft.Validate] are not checked, and nothing is normalized.
func DecodeDraft(raw []byte) (Draft, error) {
	s := scanner{b: raw}
	var v fields
	d := s.draft(&v)
	s.end()
	if s.err != nil {
		return Draft{}, s.err
	}
	return d, v.err()
}

// DecodeDrafts reads the drafts of a JSON array, each as [DecodeDraft] does. A mistake inside one draft is yielded with
// it and the next one follows; when raw as a whole is not a JSON array, the last error has CodeMalformed.
func DecodeDrafts(raw []byte) iter.Seq2[Draft, error] {
	return func(yield func(Draft, error) bool) {
		s := scanner{b: raw}
		stopped := false
		s.list('[', ']', func() {
			var v fields
			d := s.draft(&v)
			if s.err == nil && !stopped {
				stopped = !yield(d, v.err())
			}
			if stopped {
				s.fail("stopped")
			}
		})
		s.end()
		if s.err != nil && !stopped {
			yield(Draft{}, s.err)
		}
	}
}

// draft takes one value and reads it as a draft.
func (s *scanner) draft(v *fields) Draft {
	var d Draft
	if s.peek() != '{' {
		s.skip(0)
		v.check(false, "", "must be a JSON object")
		return d
	}
	var seen uint32
	s.object(func(name []byte) {
		n := s.draftField(&d, v, name)
		if n < 0 {
			s.skip(0)
			v.check(false, string(name), "is not a field of a draft")
			return
		}
		v.check(seen&(1<<n) == 0, string(name), "is given twice")
		seen |= 1 << n
	})
	return d
}

// draftField takes the value of the member name into d and returns the member's number, or takes nothing and returns -1.
func (s *scanner) draftField(d *Draft, v *fields, name []byte) int {
	switch string(name) {
	case "title":
		return s.textField(v, 0, "title", &d.Title)
	case "type":
		return s.textField(v, 1, "type", (*string)(&d.Type))
	case "status":
		return s.textField(v, 2, "status", (*string)(&d.Status))
	case "tool":
		return s.textField(v, 3, "tool", &d.Tool)
	case "conversation":
		return s.textField(v, 4, "conversation", &d.Conversation)
	case "conversation_id":
		return s.textField(v, 5, "conversation_id", &d.ConversationID)
	case "conversation_title":
		return s.textField(v, 6, "conversation_title", &d.ConversationTitle)
	case "details":
		return s.textField(v, 7, "details", &d.Details)
	case "metadata":
		return s.metadataField(v, 8, &d.Metadata)
	case "key":
		return s.textField(v, 9, "key", &d.Key)
	case "parent":
		return s.textField(v, 10, "parent", &d.Parent)
	case "source":
		return s.textField(v, 11, "source", &d.Source)
	case "started_at":
		return s.timeField(v, 12, "started_at", &d.StartedAt)
	case "ended_at":
		return s.timeField(v, 13, "ended_at", &d.EndedAt)
	case "logged_at":
		return s.timeField(v, 14, "logged_at", &d.LoggedAt)
	case "user":
		return s.textField(v, 15, "user", &d.User)
	}
	return -1
}

func (s *scanner) textField(v *fields, n int, name string, into *string) int {
	switch {
	case s.peek() == '"':
		*into = s.text()
	case !s.null():
		s.skip(0)
		v.check(false, name, "must be a string")
	}
	return n
}

func (s *scanner) timeField(v *fields, n int, name string, into **time.Time) int {
	switch {
	case s.peek() == '"':
		span, escaped := s.span()
		if escaped {
			span = unescape(span)
		}
		t := new(time.Time)
		if t.UnmarshalText(span) == nil {
			*into = t
			return n
		}
	case s.null():
		return n
	default:
		s.skip(0)
	}
	v.check(false, name, "must be an RFC 3339 time such as 2026-01-31T15:04:05Z")
	return n
}

func (s *scanner) metadataField(v *fields, n int, into *Metadata) int {
	switch {
	case s.peek() == '{':
		r := metadataReader{s: s, fields: v}
		if m := r.object("metadata", 1); !r.full {
			*into = m
		}
	case !s.null():
		s.skip(0)
		v.check(false, "metadata", "must be an object")
	}
	return n
}

// metadataReader builds metadata and stops building, but not scanning, at the bounds: eight megabytes of [1,1,1... would
// otherwise take a hundred before Validate could refuse them.
type metadataReader struct {
	s      *scanner
	fields *fields
	size   int // of what was built, at least, as compact JSON
	keys   int
	full   bool // a bound was exceeded and named
}

func (r *metadataReader) refuse(message string) {
	if !r.full {
		r.fields.check(false, "metadata", message)
	}
	r.full = true
}

func (r *metadataReader) grow(n int) {
	if r.size += n; r.size > MaxMetadataBytes {
		r.refuse(fmt.Sprintf("must have at most %d bytes as JSON", MaxMetadataBytes))
	}
}

// value takes the value at path.key.
func (r *metadataReader) value(path, key string, depth int) any {
	c := r.s.peek()
	switch {
	case r.full:
		r.s.skip(depth)
		return nil
	case c == '{':
		return map[string]any(r.object(dotted(path, key), depth))
	case c == '[':
		return r.array(dotted(path, key), depth)
	case c == '"':
		t := r.s.text()
		r.grow(len(t))
		return t
	}
	start := r.s.i
	r.s.skip(depth)
	raw := string(r.s.b[start:r.s.i])
	r.grow(len(raw))
	switch c {
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	}
	return json.Number(raw)
}

func (r *metadataReader) object(path string, depth int) Metadata {
	if !r.open(depth) {
		return nil
	}
	m := Metadata{}
	r.s.object(func(name []byte) {
		key := string(name)
		if r.keys++; r.keys > MaxMetadataKeys {
			r.refuse(fmt.Sprintf("must have at most %d keys", MaxMetadataKeys))
		}
		r.grow(len(key) + len(`"":`))
		if r.full {
			r.s.skip(depth)
			return
		}
		before := len(m)
		m[key] = r.value(path, key, depth+1)
		if len(m) == before {
			r.fields.check(false, dotted(path, key), "is given twice")
		}
	})
	return m
}

func (r *metadataReader) array(path string, depth int) []any {
	if !r.open(depth) {
		return nil
	}
	list := []any{}
	r.s.list('[', ']', func() {
		x := r.value(path, strconv.Itoa(len(list)), depth+1)
		if !r.full {
			list = append(list, x)
		}
	})
	return list
}

// open counts an object or list, or skips it when depth is out of bounds.
func (r *metadataReader) open(depth int) bool {
	r.grow(len("{}"))
	if depth <= MaxMetadataDepth {
		return true
	}
	r.refuse(fmt.Sprintf("must be nested at most %d deep", MaxMetadataDepth))
	r.s.skip(depth)
	return false
}
