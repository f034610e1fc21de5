package worklog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// valueBytes is about what a value takes beside its text, the member of a map that it is included.
	valueBytes = 48
	// maxEscape is how much longer a text becomes when all of it is escaped.
	maxEscape = 6
)

// refused stands for a value that can not be sent. Whoever tries to is told why.
type refused struct{ why string }

// MarshalJSON fails.
func (r refused) MarshalJSON() ([]byte, error) { return nil, errors.New(r.why) }

// freezer copies metadata into plain values that share nothing with those of the program. A draft may wait while its
// program goes on changing what it has put there, and a map that is read and written at once ends the program, whatever
// it recovers from. It stops at the bounds of metadata, so that what contains itself, or has no end, costs little.
type freezer struct {
	bytes  int    // as JSON, at least
	values int    // of any kind
	why    string // the first rule that was broken
}

// freeze returns a copy of m, about how much memory that takes, and the rule that m breaks, if the copy is not all of it.
func (m Metadata) freeze() (out Metadata, size int, why string) {
	if m == nil {
		return nil, 0, ""
	}
	var f freezer
	out = f.object(m, 1)
	return out, f.bytes + f.values*valueBytes, f.why
}

// sendable returns metadata as it is sent, and about how much memory it takes. The error is what the server would answer.
func (m Metadata) sendable() (Metadata, int, error) {
	out, size, why := m.freeze()
	out = out.clean()
	var f fields
	if f.check(why == "", "metadata", why); why == "" {
		f.metadata(out)
	}
	return out, size, f.err()
}

// frozen is a fact of metadata that nobody else can change.
func frozen(v any) any { return new(freezer).value(v, 2) }

// refuse notes why the metadata can not be sent, and returns what stands for the value.
func (f *freezer) refuse(why string) any {
	if f.why == "" {
		f.why = why
	}
	return refused{f.why}
}

func (f *freezer) grow(n int) {
	if f.bytes += n; f.bytes > MaxMetadataBytes {
		f.refuse(fmt.Sprintf("must have at most %d bytes as JSON", MaxMetadataBytes))
	}
}

func (f *freezer) value(v any, depth int) any {
	f.values++
	switch x := v.(type) {
	case nil, bool, int, int64, float64:
		f.grow(1)
	case string:
		f.grow(len(x))
	case json.Number:
		f.grow(len(x))
	case Metadata:
		return map[string]any(f.object(x, depth))
	case map[string]any:
		return map[string]any(f.object(x, depth))
	case []any:
		return f.list(x, depth)
	case refused:
		return f.refuse(x.why)
	default:
		return f.written(v, depth)
	}
	if f.why != "" {
		return refused{f.why}
	}
	return v
}

func (f *freezer) object(m map[string]any, depth int) Metadata {
	f.open(depth)
	out := make(Metadata, min(len(m), MaxMetadataKeys))
	for k, v := range m {
		f.grow(len(k) + len(`"":`))
		if f.why != "" {
			out["refused"] = refused{f.why}
			break
		}
		out[k] = f.value(v, depth+1)
	}
	return out
}

func (f *freezer) list(list []any, depth int) any {
	f.open(depth)
	out := []any{}
	for _, v := range list {
		f.grow(len(","))
		if f.why != "" {
			return refused{f.why}
		}
		out = append(out, f.value(v, depth+1))
	}
	return out
}

// open counts an object or list, and refuses it when it is nested too deep.
func (f *freezer) open(depth int) {
	if f.grow(len("{}")); depth > MaxMetadataDepth {
		f.refuse(fmt.Sprintf("must be nested at most %d deep", MaxMetadataDepth))
	}
}

// written is what the JSON of a value says that only Go code can put into metadata. Its methods are somebody else's.
func (f *freezer) written(v any, depth int) (out any) {
	defer func() {
		if r := recover(); r != nil {
			out = f.refuse(fmt.Sprintf("can not be written as JSON: %.200v", r))
		}
	}()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return f.refuse("can not be written as JSON")
	}
	if b.Len() > maxEscape*MaxMetadataBytes {
		f.grow(b.Len() / maxEscape)
		return refused{f.why}
	}
	s := scanner{b: b.Bytes()}
	plain := s.any(depth)
	if s.err != nil {
		return f.refuse("can not be written as JSON")
	}
	return f.value(plain, depth)
}
