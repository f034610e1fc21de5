package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// wrongLogin is the one answer to every failed sign-in: it tells nobody who has an account.
const wrongLogin = "E-mail and password do not belong together"

// loginPage shows the form, or sends a user who is signed in on.
func (s *Server) loginPage(c echo.Context) error {
	next := safeNext(c.QueryParam("next"))
	_, x, err := s.loadSession(c.Request())
	if err != nil {
		return err
	}
	if x != nil {
		return c.Redirect(http.StatusSeeOther, next)
	}
	return s.render(c, http.StatusOK, view.LoginPage(view.Login{Shell: s.gateShell(c, "Sign in"), Next: next}))
}

// login checks e-mail and password and starts a session.
func (s *Server) login(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	email, next := strings.TrimSpace(form.Get("email")), safeNext(form.Get("next"))
	user, hash, err := s.checkLogin(c, email, form.Get("password"))
	if err == nil {
		err = s.signIn(c, user, hash, "password")
	}
	if worklog.CodeOf(err) == worklog.CodeUnauthorized {
		page := view.Login{Shell: s.gateShell(c, "Sign in"), Email: worklog.Cut(email, maxShownEmail), Next: next, Wrong: wrongAt("password", wrongLogin)}
		return s.render(c, http.StatusUnauthorized, view.LoginPage(page))
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, next)
}

// maxShownEmail bounds what a failed form shows again.
const maxShownEmail = 254

// checkLogin verifies a password, slowly for those who guess, and returns its user and the hash that it belongs to. A wrong
// password is CodeUnauthorized; unknown, disabled and passwordless users cost the same work and get the same answer.
func (s *Server) checkLogin(c echo.Context, email, password string) (account.User, string, error) {
	ctx, ip := c.Request().Context(), c.RealIP()
	if wait := s.throttle.Attempt(email, ip, s.now()); wait > 0 {
		s.log.Warn("sign-in refused: too many failures", "ip", ip)
		return account.User{}, "", &worklog.Error{
			Code: worklog.CodeRateLimited, Message: "Too many attempts. Wait " + wait.Round(time.Second).String() + " and try again.", RetryAfter: wait,
		}
	}
	user, hash, err := s.store.UserByEmail(ctx, cleanEmail(email))
	if err != nil && worklog.CodeOf(err) != worklog.CodeNotFound {
		return account.User{}, "", err
	}
	if user.Disabled {
		hash = ""
	}
	ok, err := s.passwords.Verify(ctx, password, hash)
	if err != nil {
		return account.User{}, "", err
	}
	if !ok {
		s.log.Warn("sign-in failed", "user", user.ID, "ip", ip)
		return account.User{}, "", worklog.Errorf(worklog.CodeUnauthorized, "%s", wrongLogin)
	}
	s.throttle.Succeeded(email, ip)
	return user, hash, nil
}

// cleanEmail returns the address as it is stored, and one that nobody has for what is no address.
func cleanEmail(typed string) string {
	email, err := account.NormalizeEmail(typed)
	if err != nil {
		return ""
	}
	return email
}

// logout ends the session and its streams. Without one it does nothing: the button of an old page must not fail.
func (s *Server) logout(c echo.Context) error {
	if err := s.dropSession(c); err != nil {
		return err
	}
	s.sessions.WriteSessionCookie(c.Request().Context(), c.Response(), "", time.Time{})
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.Redirect(http.StatusSeeOther, "/login")
}

// gateShell is the shell of pages before the door: no user, no sidebar, and no path that carries a secret.
func (s *Server) gateShell(c echo.Context, title string) view.Shell {
	sh := s.shell(c, title)
	sh.Path = "/"
	return sh
}
