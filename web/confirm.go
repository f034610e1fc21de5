package web

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// maxKept and maxKeptBytes bound what of a form goes around while the password is asked for: no form has more.
	maxKept      = 20
	maxKeptBytes = 8 << 10
)

// confirmURL is where the password is checked again before the page next.
func confirmURL(next string) string { return "/settings/confirm?next=" + url.QueryEscape(next) }

// pageBefore is the page of ours that r's form was on.
func pageBefore(r *http.Request) string {
	if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host {
		return safeNext(from.Path)
	}
	return "/"
}

// askAgain asks p for the password. A page is looked at afterwards; of a form the answer keeps what was typed, and sends
// it on once the password is right.
func (s *Server) askAgain(c echo.Context, p *account.Principal) error {
	req := c.Request()
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return c.Redirect(http.StatusSeeOther, confirmURL(req.URL.RequestURI()))
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	v := view.Confirm{Next: pageBefore(req), Action: req.URL.EscapedPath()}
	if v.Fields, err = keptFields(form); err != nil {
		return err
	}
	c.SetRequest(req.WithContext(account.WithPrincipal(req.Context(), p)))
	return s.showConfirm(c, http.StatusOK, v)
}

// keptFields is what is kept of a form: no password, not what the form that asks for it adds, and in a fixed order.
func keptFields(form url.Values) (kept []view.Field, err error) {
	size := 0
	for name, values := range form {
		switch name {
		case "password", "current", "next", "action":
			continue
		}
		for _, value := range values {
			kept = append(kept, view.Field{Name: name, Value: value})
			size += len(name) + len(value)
		}
		if len(kept) > maxKept || size > maxKeptBytes {
			return nil, worklog.Errorf(worklog.CodeTooLarge, "this form is too long")
		}
	}
	slices.SortStableFunc(kept, func(a, b view.Field) int { return cmp.Compare(a.Name, b.Name) })
	return kept, nil
}

// delayed returns the route of ours that a kept form goes to; false if action is not, to the letter, the address of a form
// that asks for the password.
func (s *Server) delayed(action string) (api.Route, bool) {
	if safeNext(action) != action || path.Clean(action) != action || strings.ContainsAny(action, "%?#") {
		return api.Route{}, false
	}
	r, ok := s.routeAt(http.MethodPost, action)
	return r, ok && r.Policy.Recent > 0
}

// confirmPage asks for the password again. What is done afterwards is never said by a link.
func (s *Server) confirmPage(c echo.Context) error {
	return s.showConfirm(c, http.StatusOK, view.Confirm{Next: safeNext(c.QueryParam("next"))})
}

func (s *Server) showConfirm(c echo.Context, status int, v view.Confirm) error {
	sh, err := s.page(c, "Confirm it is you", "")
	if err != nil {
		return err
	}
	sh.Path = confirmURL(v.Next)
	user := account.PrincipalFrom(c.Request().Context()).User
	v.Shell, v.HasPassword, v.OneClick = sh, user.HasPassword, s.oneClick(user)
	if route, ok := s.delayed(v.Action); ok {
		v.Download = isDownload(route.Path)
	}
	return s.render(c, status, view.ConfirmPage(v))
}

// oneClick reports whether a click stands for the password: of the account that a demo makes for whoever has its link,
// and that has no password to guess.
func (s *Server) oneClick(user account.User) bool {
	return s.demo && !user.HasPassword && user.Email == account.DemoEmail
}

// confirm checks the password of the user who is signed in and goes on: to the page that needed it, or with the form that
// did, which the browser sends once more as it is. Whoever asks is checked there as if it came for the first time.
func (s *Server) confirm(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	v := view.Confirm{Next: safeNext(form.Get("next")), Action: form.Get("action")}
	if v.Fields, err = keptFields(form); err != nil {
		return err
	}
	if _, ok := s.delayed(v.Action); v.Action != "" && !ok {
		return worklog.Errorf(worklog.CodeMalformed, "nothing here is done that way")
	}
	p := account.PrincipalFrom(c.Request().Context())
	if !s.oneClick(p.User) {
		_, _, err = s.checkLogin(c, p.User.Email, form.Get("password"))
	}
	if worklog.CodeOf(err) == worklog.CodeUnauthorized {
		v.Wrong = wrongAt("password", "That is not your password")
		return s.showConfirm(c, http.StatusUnauthorized, v)
	}
	if err != nil {
		return err
	}
	if err := s.confirmSession(c.Request()); err != nil {
		return err
	}
	if v.Action != "" {
		return c.Redirect(http.StatusTemporaryRedirect, v.Action)
	}
	return c.Redirect(http.StatusSeeOther, v.Next)
}
