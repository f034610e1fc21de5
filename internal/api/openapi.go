package api

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
)

// description is written by hand; a test holds every operation's answers against it.
//
//go:embed openapi.yaml
var description []byte

// openAPI is GET /api/openapi.yaml.
func (a *API) openAPI(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.Blob(http.StatusOK, "application/yaml", description)
}
