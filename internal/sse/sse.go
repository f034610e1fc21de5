// Package sse writes event streams: the wire format, and a writer that gives up on readers who do not read. The web
// pages' streams and the API's stream share it. It has no reader; package worklog has one for programs.
//
// Decision: the format is written by hand. It is twenty lines, and the one thing that matters, that no text can become
// a field, is easier to see here than in a library; an independent parser checks it in the tests.
package sse

import (
	"strconv"
	"strings"
	"time"
)

// Event is one block of a stream.
type Event struct {
	Name string // a word of ours, never of an agent's
	Data string
	// ID is what the reader sends back as Last-Event-ID. NoID leaves the reader's as it is.
	ID   int64
	NoID bool
	// Retry is how long the reader waits before it comes back after the stream ends, from now on; 0 leaves it as it is.
	Retry time.Duration
}

// Append appends the event to dst. The id never stands alone: some browsers only take it together with data.
func Append(dst []byte, e Event) []byte {
	if e.Retry > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, e.Retry.Milliseconds(), 10)
		dst = append(dst, '\n')
	}
	if !e.NoID {
		dst = append(dst, "id: "...)
		dst = strconv.AppendInt(dst, e.ID, 10)
		dst = append(dst, '\n')
	}
	if name := firstLine(e.Name); name != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, name...)
		dst = append(dst, '\n')
	}
	dst = appendData(dst, e.Data)
	return append(dst, '\n')
}

// appendData appends text as data fields, one per line. A line ends with CR LF, with LF and with CR alone: whoever
// forgets the last lets an agent's text write fields of its own.
func appendData(dst []byte, text string) []byte {
	for {
		end := strings.IndexAny(text, "\r\n")
		line := text
		if end >= 0 {
			line = text[:end]
		}
		dst = append(dst, "data: "...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
		switch {
		case end < 0:
			return dst
		case strings.HasPrefix(text[end:], "\r\n"):
			text = text[end+2:]
		default:
			text = text[end+1:]
		}
	}
}

func firstLine(s string) string {
	if end := strings.IndexAny(s, "\r\n"); end >= 0 {
		return s[:end]
	}
	return s
}
