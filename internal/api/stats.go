package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// stats is GET /api/v1/stats.
func (a *API) stats(c echo.Context) error {
	if p := query(c); p.err != nil {
		return p.err
	}
	s, err := a.store.Stats(c.Request().Context(), principal(c).User.ID)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, s)
}

// adminStats is GET /api/v1/admin/stats: counts of everybody, and nothing of anybody.
func (a *API) adminStats(c echo.Context) error {
	if p := query(c); p.err != nil {
		return p.err
	}
	s, err := a.store.AllStats(c.Request().Context())
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, s)
}
