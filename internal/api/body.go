package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

// Bounds of a request.
const (
	maxBody = 8 << 20
	// maxAgentBody is what an agents' door takes, after decompression.
	maxAgentBody = 16 << 20
	maxDrafts    = 1000
	// smallBody is what any number of requests may hold at once. Larger bodies share maxLargeBytes: each byte of JSON
	// can become twenty in memory.
	smallBody     = 64 << 10
	maxLargeBytes = 64 << 20
	// largeWait is how long a large body waits for its share before it is told to come back, and largeRead how long it
	// may take to arrive: slow ones must not hold everybody's share.
	largeWait = 2 * time.Second
	largeRead = 20 * time.Second
	// keepBuffer is the largest buffer that is kept for the next request.
	keepBuffer = 256 << 10
)

const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
)

// buffers are reused by requests and answers; sync.Pool drops them when memory is short.
func newBuffers() *sync.Pool {
	return &sync.Pool{New: func() any { return new(bytes.Buffer) }}
}

// mediaType returns the media type of a request's body. Compressed bodies are refused: their size is not what it says.
func mediaType(r *http.Request) (string, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return "", worklog.Errorf(worklog.CodeMediaType, "compressed bodies are not taken here")
	}
	switch ct := r.Header.Get("Content-Type"); ct {
	case mediaJSON, mediaNDJSON:
		return ct, nil
	default:
		t, params, err := mime.ParseMediaType(ct)
		if err != nil || (t != mediaJSON && t != mediaNDJSON) {
			return "", worklog.Errorf(worklog.CodeMediaType, "the Content-Type must be application/json or application/x-ndjson")
		}
		if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
			return "", worklog.Errorf(worklog.CodeMediaType, "JSON is always UTF-8")
		}
		return t, nil
	}
}

// reserve takes a share of the memory for large bodies and returns how to give it back.
func (a *API) reserve(c echo.Context) (release func(), err error) {
	r := c.Request()
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		return a.reserveBytes(c, maxBody)
	}
	return a.reserveBytes(c, r.ContentLength)
}

// reserveBytes is reserve for a body that will have n bytes at most.
func (a *API) reserveBytes(c echo.Context, n int64) (release func(), err error) {
	if n <= smallBody {
		return func() {}, nil
	}
	if err := a.acquire(c, n); err != nil {
		return nil, err
	}
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(largeRead)) // of the real clock; a test's recorder has none
	return func() { a.large.Release(n) }, nil
}

// acquire waits for n bytes of the memory for large bodies, which are to be released.
func (a *API) acquire(c echo.Context, n int64) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), largeWait)
	defer cancel()
	if err := a.large.Acquire(ctx, n); err != nil {
		return &worklog.Error{Code: worklog.CodeUnavailable, Message: "too many large requests at once; nothing was stored", RetryAfter: largeWait, Err: err}
	}
	return nil
}

// readBody reads the whole body into buf.
func readBody(r *http.Request, buf *bytes.Buffer) ([]byte, error) {
	if n := r.ContentLength; n > 0 && n <= smallBody { // a larger claim is believed as it comes true
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, maxBody+1)); err != nil {
		return nil, bodyError(err)
	}
	if buf.Len() > maxBody {
		return nil, bodyError(&http.MaxBytesError{Limit: maxBody})
	}
	return buf.Bytes(), nil
}

// bodyError says why a body could not be read: it is too long, its sender may not send it any more, or it ended before its
// end.
func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	if refused, ok := errors.AsType[*worklog.Error](err); ok {
		return refused
	}
	return &worklog.Error{Code: worklog.CodeMalformed, Message: "the body could not be read to its end", Err: err}
}

// lines calls line for each line of an NDJSON body that is not blank, with its number among them. The bytes are only
// valid until the next one.
func lines(body io.Reader, buf *bytes.Buffer, line func(i int, raw []byte) error) error {
	buf.Grow(smallBody)
	limited := &io.LimitedReader{R: body, N: maxBody + 1}
	s := bufio.NewScanner(limited)
	s.Buffer(buf.AvailableBuffer(), maxBody+1)
	for i := 0; s.Scan(); {
		raw := bytes.TrimSpace(s.Bytes())
		if len(raw) == 0 {
			continue
		}
		if limited.N == 0 {
			return &http.MaxBytesError{Limit: maxBody}
		}
		if err := line(i, raw); err != nil {
			return err
		}
		i++
	}
	if limited.N == 0 || errors.Is(s.Err(), bufio.ErrTooLong) {
		return &http.MaxBytesError{Limit: maxBody}
	}
	if s.Err() != nil {
		return bodyError(s.Err())
	}
	return nil
}
