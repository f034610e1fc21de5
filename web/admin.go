package web

import (
	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/web/view"
)

// adminOnly is who may use the admin pages: a signed-in administrator, never a token.
func adminOnly() account.Policy {
	return account.Policy{SessionOnly: true, Scope: account.ScopeAdmin}
}

// adminPage is the shell of an admin page: the administration's own pages stand beside it instead of conversations.
func (s *Server) adminPage(c echo.Context, title string) view.Shell { return s.shell(c, title) }
