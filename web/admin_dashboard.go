package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/web/view"
)

// dashboard is "/admin".
func (s *Server) dashboard(c echo.Context) error {
	stats, err := s.store.AllStats(c.Request().Context())
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, view.DashboardPage(view.Dashboard{Shell: s.adminPage(c, "Dashboard"), Stats: stats}))
}
