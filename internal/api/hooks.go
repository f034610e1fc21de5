package api

import (
	"bytes"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/hookdoor"
)

// hook is POST /api/v1/hooks. Agents wait for the answer, and show every body as an error: it is empty.
func (a *API) hook(c echo.Context) error {
	buf := a.buffers.Get().(*bytes.Buffer)
	defer a.putBuffer(buf)
	raw, release, err := a.readAgentBody(c, buf)
	if err != nil {
		return err
	}
	defer release()
	header := c.Request().Header
	from := hookdoor.Delivery{ID: header.Get("Idempotency-Key"), Sender: header.Get("Worklog-Agent")}
	from.At, _ = time.Parse(time.RFC3339Nano, header.Get("Worklog-Event-Time")) // one that can not be read is none
	if err := a.hooks.Take(c.Request().Context(), principal(c), from, raw); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
