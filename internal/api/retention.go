package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

// ageing is how entries age here, as far as an importer has to know. The zero value: nobody sweeps.
func (a *API) ageing() worklog.Retention {
	if a.sweeper == nil {
		return worklog.Retention{}
	}
	s := a.sweeper.Settings()
	return worklog.Retention{WarmAfter: s.Hot, ColdAfter: s.Warm, DeleteAfter: s.Cold, NextSweep: a.sweeper.Next()}
}

// retention is GET /api/v1/retention.
func (a *API) retention(c echo.Context) error {
	if p := query(c); p.err != nil {
		return p.err
	}
	return writeJSON(c, http.StatusOK, a.ageing())
}
