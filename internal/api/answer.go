package api

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/labstack/echo/v4"
)

func (a *API) putBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= keepBuffer {
		buf.Reset()
		a.buffers.Put(buf)
	}
}

// write answers with the JSON that body appends. Nothing is sent when that fails.
func (a *API) write(c echo.Context, status int, body func([]byte) ([]byte, error)) error {
	buf := a.buffers.Get().(*bytes.Buffer)
	defer a.putBuffer(buf)
	raw, err := body(buf.AvailableBuffer())
	if err != nil {
		return err
	}
	buf.Write(raw) // in place when it fits, and the larger buffer is kept
	return send(c, status, buf.Bytes())
}

// writeJSON answers with v.
func writeJSON(c echo.Context, status int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return send(c, status, raw)
}

func send(c echo.Context, status int, raw []byte) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, mediaJSON)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(raw)))
	c.Response().WriteHeader(status)
	_, err := c.Response().Write(raw)
	return err
}
