package api

import (
	"bytes"
	"net/http"

	"github.com/labstack/echo/v4"
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
	if err := a.hooks.Take(c.Request().Context(), principal(c), c.Request().Header.Get("Idempotency-Key"), raw); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
