package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

// bodyGrowth is by how much the share of a body grows that turns out to be larger. Those that wait for more must not hold
// most of what they wait for.
const bodyGrowth = 4

// readAgentBody reads the body of a request at an agents' door, which may be compressed. Its bound is that of what comes
// out. One that turns out to be large takes a share of the memory for large bodies, until release, which grows with what
// has arrived: nobody believes a length before.
func (a *API) readAgentBody(c echo.Context, buf *bytes.Buffer) (raw []byte, release func(), err error) {
	body, err := decompressed(c.Request())
	if err != nil {
		return nil, nil, err
	}
	held := int64(0)
	release = func() {
		if held > 0 {
			a.large.Release(held)
		}
	}
	for limit := int64(smallBody); ; {
		_, err = io.CopyN(buf, body, limit+1-int64(buf.Len()))
		if errors.Is(err, io.EOF) {
			return buf.Bytes(), release, nil
		}
		if err != nil {
			release()
			return nil, nil, bodyError(err)
		}
		if limit >= maxAgentBody {
			release()
			return nil, nil, bodyError(&http.MaxBytesError{Limit: maxAgentBody})
		}
		if held == 0 {
			_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(largeRead)) // of the real clock; a test's recorder has none
		}
		limit = nextLimit(c.Request(), limit)
		if err = a.acquire(c, limit-held); err != nil {
			release()
			return nil, nil, err
		}
		held = limit
	}
}

// nextLimit is how many bytes a body may have for now that has more than limit.
func nextLimit(r *http.Request, limit int64) int64 {
	next := min(bodyGrowth*limit, maxAgentBody)
	if n := r.ContentLength; n > limit && n < next && plain(r) {
		return n
	}
	return next
}

// plain reports whether a body is not compressed.
func plain(r *http.Request) bool {
	enc := r.Header.Get("Content-Encoding")
	return enc == "" || strings.EqualFold(enc, "identity")
}

// decompressed returns a body as it was before it was compressed.
func decompressed(r *http.Request) (io.Reader, error) {
	switch enc := r.Header.Get("Content-Encoding"); {
	case plain(r):
		return r.Body, nil
	case strings.EqualFold(enc, "gzip"):
		zr, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, bodyError(err)
		}
		return zr, nil
	}
	return nil, worklog.Errorf(worklog.CodeMediaType, "a body may be compressed with gzip only")
}
