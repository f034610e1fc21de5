package problem

import (
	"encoding/binary"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"

	"github.com/worklogdev/worklog/worklog"
)

// WriteStatus answers an exporter of OpenTelemetry with err: a google.rpc.Status in the encoding of the request, which
// the OTLP specification asks for, under the same HTTP status and headers as [Write].
func WriteStatus(w http.ResponseWriter, r *http.Request, err error) {
	e := From(err)
	h := w.Header()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var body []byte
	switch media {
	case "application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf":
		media = "application/x-protobuf"
		body = append([]byte{1 << 3}, byte(rpcCode(e.Code))) // int32 code = 1
		body = binary.AppendUvarint(append(body, 2<<3|2), uint64(len(e.Message)))
		body = append(body, e.Message...) // string message = 2
	default:
		media = "application/json"
		body, _ = json.Marshal(struct { // a number and a text: can not fail
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{rpcCode(e.Code), e.Message})
	}
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if wait := Seconds(e.RetryAfter); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(wait))
	}
	status := Status(e.Code)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="worklog"`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller is gone if this fails
}

// rpcCode is what google.rpc.Code calls c.
func rpcCode(c worklog.Code) int {
	switch c {
	case worklog.CodeMalformed, worklog.CodeInvalid, worklog.CodeMediaType, worklog.CodeTooLarge:
		return 3 // INVALID_ARGUMENT
	case worklog.CodeNotFound:
		return 5
	case worklog.CodeForbidden:
		return 7 // PERMISSION_DENIED
	case worklog.CodeRateLimited:
		return 8 // RESOURCE_EXHAUSTED
	case worklog.CodeConflict:
		return 10 // ABORTED
	case worklog.CodeMethod:
		return 12 // UNIMPLEMENTED
	case worklog.CodeUnavailable:
		return 14
	case worklog.CodeUnauthorized:
		return 16 // UNAUTHENTICATED
	}
	return 13 // INTERNAL
}
