package web

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/worklog"
)

// readyTimeout bounds the database check of /readyz: a balancer asks every few seconds.
const readyTimeout = 2 * time.Second

// health answers whether the process serves requests at all. It asks nothing else: a restart does not mend a database.
func (s *Server) health(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// ready answers whether requests should be sent here. Strangers may ask, so it gives no details.
func (s *Server) ready(c echo.Context) error {
	if s.draining.Load() {
		return worklog.Errorf(worklog.CodeUnavailable, "shutting down")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := s.store.Ping(ctx); err != nil {
		return &worklog.Error{Code: worklog.CodeUnavailable, Message: "the database is away", Err: err}
	}
	return c.String(http.StatusOK, "ok\n")
}
