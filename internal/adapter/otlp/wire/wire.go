// Package wire reads requests of OTLP/HTTP, protobuf and JSON, record by record: what is wrong with one record costs that
// record alone, and what can be read of it is read.
//
// The JSON of the field is looser than the specification's, and decoders that insist lose whole batches. Numbers come as
// numbers or texts, values as {"doubleValue":{}}, ids in hex or base64, names in camel or snake case. All of that is taken.
package wire

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Bounds of a request. What exceeds them is refused record by record.
const (
	// MaxRecordBytes bounds one record as it is written.
	MaxRecordBytes = 1 << 20
	// MaxRecords bounds the records of a request: an empty one takes two bytes, and two hundred in memory.
	MaxRecords = 20_000
	// maxAttrs bounds the attributes of a record, a resource or an event; the rest is counted.
	maxAttrs = 256
	// maxEvents bounds the events of a span.
	maxEvents = 128
	// maxDepth bounds lists and objects inside a value.
	maxDepth = 16
	// maxItems bounds the items of one list or object in a value.
	maxItems = 1000
	// maxID bounds the id of a trace or span that is none of the specification's.
	maxID = 64
	// cut stands for what is nested deeper or longer than these.
	cut = "[cut here]"
)

// Encoding is how a request is written.
type Encoding int

// The encodings.
const (
	Protobuf Encoding = iota
	JSON
)

// Attrs are the attributes of a record: texts, bools, int64 and float64 numbers, lists and objects of these.
type Attrs map[string]any

// Record is one log record.
type Record struct {
	Resource, Attrs Attrs
	Scope           string
	Time, Observed  time.Time // zero: not said
	Severity        int
	EventName       string
	Body            any
	TraceID, SpanID string // in hex; empty: none
	Dropped         int    // attributes that were left out here
}

// Span is one span.
type Span struct {
	Resource, Attrs           Attrs
	Scope, Name               string
	TraceID, SpanID, ParentID string
	Start, End                time.Time
	Failed                    bool
	Message                   string // of the status
	Events                    []Event
	Dropped                   int
}

// Event is something that happened in a span.
type Event struct {
	Name  string
	Time  time.Time
	Attrs Attrs
}

// Batch is what was read of a request.
type Batch[T any] struct {
	Items []T
	// Rejected counts the records that could not be read, and Reason says what is wrong with the first.
	Rejected int
	Reason   string
}

func (b *Batch[T]) reject(format string, args ...any) {
	if b.Rejected++; b.Reason == "" {
		b.Reason = fmt.Sprintf(format, args...)
	}
}

// take adds a record unless one of the bounds is passed; read returns false when it is damaged.
func (b *Batch[T]) take(raw []byte, read func() (T, bool)) {
	switch {
	case len(b.Items) >= MaxRecords:
		b.reject("a request may have at most %d records", MaxRecords)
	case len(raw) > MaxRecordBytes:
		b.reject("a record may have at most %d bytes", MaxRecordBytes)
	default:
		if item, ok := read(); ok {
			b.Items = append(b.Items, item)
			return
		}
		b.reject("a record is damaged")
	}
}

// Logs reads an ExportLogsServiceRequest. The error is about the request as a whole: nothing can be read of it.
func Logs(raw []byte, enc Encoding) (Batch[Record], error) {
	if enc == JSON {
		return jsonLogs(raw)
	}
	return protoLogs(raw)
}

// Spans reads an ExportTraceServiceRequest.
func Spans(raw []byte, enc Encoding) (Batch[Span], error) {
	if enc == JSON {
		return jsonSpans(raw)
	}
	return protoSpans(raw)
}

func malformed(what string) error {
	return worklog.Errorf(worklog.CodeMalformed, "the body is no %s", what)
}

// at is a time in nanoseconds since 1970; zero and what no time can hold is no time.
func at(nanos uint64) time.Time {
	if nanos == 0 || nanos > 1<<63-1 {
		return time.Time{}
	}
	return time.Unix(0, int64(nanos)).UTC()
}

// number reads a number that was written as a text.
func number(s string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return v, err == nil
}
