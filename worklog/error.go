package worklog

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code classifies an [Error] for programs. Each has one HTTP status.
type Code string

// The codes.
const (
	CodeInvalid      Code = "invalid"      // 422: fields break a rule
	CodeMalformed    Code = "malformed"    // 400: not JSON, trailing data, an unknown parameter
	CodeUnauthorized Code = "unauthorized" // 401
	CodeForbidden    Code = "forbidden"    // 403
	CodeNotFound     Code = "not_found"    // 404: also for what exists but is not yours
	CodeConflict     Code = "conflict"     // 409
	CodeTooLarge     Code = "too_large"    // 413
	CodeMediaType    Code = "media_type"   // 415
	CodeRateLimited  Code = "rate_limited" // 429
	CodeUnavailable  Code = "unavailable"  // 503: nothing stored, or unknown; retry with the same key
	CodeInternal     Code = "internal"     // 500
	CodeMethod       Code = "method"       // 405
)

// FieldError names one field and the rule it breaks.
type FieldError struct {
	Field   string `json:"field"` // e.g. "title", "metadata.a.b", or "3.status" for the fourth draft of a batch
	Message string `json:"message"`
}

// Error is a failure that a person or program can act on. Everything else is internal.
type Error struct {
	Code       Code
	Message    string
	Fields     []FieldError
	RetryAfter time.Duration // 0: not said
	RequestID  string        // of the failed request, when a server answered
	Err        error         // the cause; logged, never shown
}

// Errorf returns an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error joins the message, the fields and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Message == "" {
		b.WriteString(string(e.Code))
	}
	for i, f := range e.Fields {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s %s", sep, f.Field, f.Message)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's tree, CodeInternal for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
