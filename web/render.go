package web

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/static"
	"github.com/worklogdev/worklog/web/view"
)

// maxPooledPage keeps one huge page from staying in memory for ever.
const maxPooledPage = 1 << 20

// pages lends buffers to render.
type pages struct{ pool sync.Pool }

func (p *pages) borrow() *bytes.Buffer {
	if b, ok := p.pool.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return new(bytes.Buffer)
}

func (p *pages) giveBack(b *bytes.Buffer) {
	if b.Cap() <= maxPooledPage {
		p.pool.Put(b)
	}
}

// render writes a component as HTML. It is rendered completely first: a failure half way becomes an error page instead
// of half a page.
func (s *Server) render(c echo.Context, status int, component templ.Component) error {
	b := s.buffers.borrow()
	defer s.buffers.giveBack(b)
	// A component waits for nothing, and a request whose time is up still gets the page that says so.
	if err := component.Render(context.WithoutCancel(c.Request().Context()), b); err != nil {
		return err
	}
	if h := c.Response().Header(); h.Get(echo.HeaderCacheControl) == "" {
		h.Set(echo.HeaderCacheControl, "no-store")
	}
	return c.HTMLBlob(status, b.Bytes())
}

// shell is what every page has around its content. The sidebar is for the caller to fill.
func (s *Server) shell(c echo.Context, title string) view.Shell {
	sh := view.Shell{
		Title: title, Path: c.Request().URL.RequestURI(), Theme: s.themeOf(c.Request()), Demo: s.demo, Version: s.version,
		Now: s.now().UTC(), Asset: static.URL,
	}
	if p := account.PrincipalFrom(c.Request().Context()); p != nil {
		sh.Email, sh.User, sh.Admin = p.User.Email, p.User.ID, p.User.Admin
	}
	return sh
}

// themeCookie is the name of the cookie that holds "light" or "dark". It is no secret and belongs to the browser, not to
// the user.
func (s *Server) themeCookie() string {
	if s.https() {
		return "__Host-worklog_theme"
	}
	return "worklog_theme"
}

// themeAge is how long a browser keeps its theme.
const themeAge = 365 * 24 * time.Hour

func (s *Server) themeOf(r *http.Request) string {
	if c, err := r.Cookie(s.themeCookie()); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// setTheme keeps the form's theme ("light", "dark", anything else: the system's) and returns to its page.
func (s *Server) setTheme(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	cookie := &http.Cookie{Name: s.themeCookie(), Path: "/", MaxAge: -1, Secure: s.https(), HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if theme := form.Get("theme"); theme == "light" || theme == "dark" {
		cookie.Value, cookie.MaxAge = theme, int(themeAge.Seconds())
	}
	c.SetCookie(cookie)
	return c.Redirect(http.StatusSeeOther, safeNext(form.Get("next")))
}
