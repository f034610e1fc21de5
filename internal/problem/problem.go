// Package problem turns an error into the answer that a program gets: RFC 9457 problem details. It is the one place that
// decides the HTTP status of a [worklog.Code], and the fence that keeps internal messages, SQL and Go type names inside.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// ContentType is the media type of a [Problem].
const ContentType = "application/problem+json"

// RequestIDHeader carries a request's id in both directions.
const RequestIDHeader = "X-Request-Id"

// Problem is the body of an error answer. Type is always about:blank: Code is what programs switch on.
type Problem struct {
	Type       string               `json:"type"`
	Title      string               `json:"title"` // the status in words
	Status     int                  `json:"status"`
	Code       worklog.Code         `json:"code"`
	Detail     string               `json:"detail,omitempty"`
	Instance   string               `json:"instance,omitempty"` // the path that was asked for
	Errors     []worklog.FieldError `json:"errors,omitempty"`
	RequestID  string               `json:"request_id,omitempty"`
	RetryAfter int                  `json:"retry_after,omitempty"` // whole seconds, as in the Retry-After header
}

// Status returns the HTTP status of c. An unknown code is an internal error.
func Status(c worklog.Code) int {
	switch c {
	case worklog.CodeMalformed:
		return http.StatusBadRequest
	case worklog.CodeUnauthorized:
		return http.StatusUnauthorized
	case worklog.CodeForbidden:
		return http.StatusForbidden
	case worklog.CodeNotFound:
		return http.StatusNotFound
	case worklog.CodeMethod:
		return http.StatusMethodNotAllowed
	case worklog.CodeConflict:
		return http.StatusConflict
	case worklog.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case worklog.CodeMediaType:
		return http.StatusUnsupportedMediaType
	case worklog.CodeInvalid:
		return http.StatusUnprocessableEntity
	case worklog.CodeRateLimited:
		return http.StatusTooManyRequests
	case worklog.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// unavailableRetry is what a caller is told when a deadline passed and nobody said how long to wait.
const unavailableRetry = time.Second

// From returns what of err may be shown: the first [worklog.Error] in its tree, a known failure of the request, or an
// internal error without any of err's text. The result's Err is err itself, for the log.
func From(err error) *worklog.Error {
	if e, ok := errors.AsType[*worklog.Error](err); ok && Status(e.Code) != http.StatusInternalServerError {
		return e
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &worklog.Error{Code: worklog.CodeTooLarge, Message: "the body exceeds " + strconv.FormatInt(e.Limit, 10) + " bytes", Err: err}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &worklog.Error{Code: worklog.CodeUnavailable, Message: "the request took too long", RetryAfter: unavailableRetry, Err: err}
	}
	return &worklog.Error{Code: worklog.CodeInternal, Message: "something went wrong here; the server's log has the request's id", Err: err}
}

// Of returns the answer to a request for path that failed with err.
func Of(err error, path, requestID string) Problem {
	e := From(err)
	status := Status(e.Code)
	return Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: e.Code, Detail: e.Message,
		Instance: maskPath(path), Errors: e.Fields, RequestID: requestID, RetryAfter: Seconds(e.RetryAfter),
	}
}

// Write answers r with err as problem+json. Nothing may have been written to w yet. The request's id is the one that the
// answer's [RequestIDHeader] already carries.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	p := Of(err, r.URL.Path, w.Header().Get(RequestIDHeader))
	body, err := json.Marshal(p)
	if err != nil { // texts and numbers alone: can not happen
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal"}`)
		p.Status = http.StatusInternalServerError
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="worklog"`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the caller is gone if this fails
}

// Seconds returns d in whole seconds, rounded up: who waits that long has waited long enough.
func Seconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int(math.Ceil(d.Seconds()))
}

// maskPath hides the secrets that some paths carry: error answers end up in tickets and chats.
func maskPath(path string) string {
	for _, prefix := range []string{"/otlp/", "/enter/"} {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		_, tail, found := strings.Cut(rest, "/")
		if found {
			tail = "/" + tail
		}
		return prefix + "..." + tail
	}
	return path
}
