package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// enterPage shows what a one-time link is for. Looking does not use it up: mail scanners and previews look too.
func (s *Server) enterPage(c echo.Context) error {
	link, err := s.link(c)
	if err != nil {
		return s.linkFailed(c, err)
	}
	return s.showEnter(c, http.StatusOK, link, "", nil)
}

// enter uses a one-time link up: it sets the password where one was asked for, and signs in.
func (s *Server) enter(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	link, err := s.link(c)
	if err != nil {
		return s.linkFailed(c, err)
	}
	email, hash := link.User.Email, ""
	if link.Kind == account.LinkSetup {
		if email, err = account.NormalizeEmail(form.Get("email")); err != nil {
			return s.enterAgain(c, link, form.Get("email"), err)
		}
	}
	if link.Kind != account.LinkDemo {
		if err := account.CheckPassword(form.Get("password"), email); err != nil {
			return s.enterAgain(c, link, email, err)
		}
		if hash, err = s.passwords.Hash(c.Request().Context(), form.Get("password")); err != nil {
			return err
		}
	}
	user, hash, err := s.store.ConsumeLink(c.Request().Context(), linkHash(c), email, hash)
	if err != nil {
		return s.linkFailed(c, err)
	}
	if err := s.signIn(c, user, hash, "link:"+string(link.Kind)); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/")
}

func linkHash(c echo.Context) []byte { return account.HashSecret(c.Param("once")) }

func (s *Server) link(c echo.Context) (account.Link, error) {
	return s.store.Link(c.Request().Context(), linkHash(c))
}

// enterAgain shows the form with what is wrong in it. The link is not used up.
func (s *Server) enterAgain(c echo.Context, link account.Link, email string, err error) error {
	if worklog.CodeOf(err) != worklog.CodeInvalid {
		return err
	}
	return s.showEnter(c, http.StatusUnprocessableEntity, link, email, wrongOf(err))
}

func (s *Server) showEnter(c echo.Context, status int, link account.Link, email string, wrong view.Wrong) error {
	kind, title := view.EnterInvite, "Welcome"
	switch link.Kind {
	case account.LinkSetup:
		kind = view.EnterAdmin
	case account.LinkReset:
		kind, title = view.EnterReset, "New password"
	case account.LinkDemo:
		kind = view.EnterDemo
	}
	if link.Kind != account.LinkSetup {
		email = link.User.Email
	}
	return s.render(c, status, view.EnterPage(view.Enter{
		Shell: s.gateShell(c, title), Kind: kind, Action: "/enter/" + c.Param("once"), Email: worklog.Cut(email, maxShownEmail),
		Wrong: wrong, MinPassword: account.MinPassword,
	}))
}

// linkFailed says that a link is spent. Unknown and used ones look the same.
func (s *Server) linkFailed(c echo.Context, err error) error {
	if worklog.CodeOf(err) != worklog.CodeNotFound {
		return err
	}
	return s.render(c, http.StatusNotFound, view.EnterPage(view.Enter{Shell: s.gateShell(c, "Link used"), Kind: view.EnterUsed}))
}
