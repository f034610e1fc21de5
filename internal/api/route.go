package api

import (
	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
)

// Route is one line of the route table: what it answers, and who may ask. A route without a policy admits nobody.
type Route struct {
	Method, Path string
	Policy       account.Policy
	Handler      echo.HandlerFunc
}
