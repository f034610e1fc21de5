package api

import (
	"bytes"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/mcpdoor"
)

// maxNesting is how deep the JSON of a call may be: metadata at its bound, and the protocol around it.
const maxNesting = 64

// mcpCall is POST /mcp. The body is read and looked at before the protocol's own decoder sees it, which knows no bound of
// depth, and would answer the calls of a batch all at once.
func (a *API) mcpCall(c echo.Context) error {
	if n := c.Request().ContentLength; n > mcpdoor.MaxBody {
		return &http.MaxBytesError{Limit: mcpdoor.MaxBody}
	}
	release, err := a.reserve(c)
	if err != nil {
		return err
	}
	defer release()
	buf := a.buffers.Get().(*bytes.Buffer)
	defer a.putBuffer(buf)
	req := c.Request()
	raw, err := readBody(req, buf)
	switch {
	case err != nil:
		return err
	case len(raw) > mcpdoor.MaxBody:
		return &http.MaxBytesError{Limit: mcpdoor.MaxBody}
	case len(bytes.TrimLeft(raw, " \t\r\n")) > 0 && bytes.TrimLeft(raw, " \t\r\n")[0] == '[':
		return malformed("batches of calls are not taken here: send one after the other")
	case nesting(raw) > maxNesting:
		return malformed("the call is nested too deep")
	}
	req.Body = io.NopCloser(bytes.NewReader(raw))
	a.mcp.ServeHTTP(c.Response(), req)
	return nil
}

// nesting returns how deep raw, if it is JSON, nests objects and lists.
func nesting(raw []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
