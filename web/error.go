package web

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// handleError is the only place that answers a request with an error: problem+json for programs, a page for people,
// the way to the login for an anonymous visitor of a page, and for a page's stream an answer it understands. Who offers a
// token that is refused is not sent to the login, nor is the page of another user: it would send a user with a session back,
// and so on for ever.
func (s *Server) handleError(err error, c echo.Context) {
	e := problem.From(fromEcho(err))
	s.logFailure(c, e, err)
	if c.Response().Committed {
		return
	}
	req := c.Request()
	switch {
	case isBrowserStream(s.route(c)) && e.Code != worklog.CodeForbidden && e.Code != worklog.CodeMethod:
		s.endStream(c, e)
	case isExporter(req.URL.Path):
		problem.WriteStatus(c.Response(), req, e)
	case isMachine(req.URL.Path) || wantsJSON(req):
		problem.Write(c.Response(), req, e)
	case e.Code == worklog.CodeUnauthorized && isPageVisit(req) && !offersToken(c) && !errors.Is(err, errAnothersPage):
		_ = c.Redirect(http.StatusSeeOther, loginURL(req)) // only fails for a status that is no redirect
	case e.Code == worklog.CodeMethod && isPageVisit(req) && !offersToken(c) && s.pageAbove(req.URL.Path) != "":
		_ = c.Redirect(http.StatusSeeOther, s.pageAbove(req.URL.Path))
	default:
		s.errorPage(c, e)
	}
}

// pageAbove is the page that a form at path belongs to, for who types the address that a failed form left behind; empty:
// nothing is posted there.
func (s *Server) pageAbove(form string) string {
	has := func(method, at string) bool {
		r, ok := s.routeAt(method, at)
		return ok && !isMachine(r.Path)
	}
	if !has(http.MethodPost, form) {
		return ""
	}
	for form != "/" {
		if form = path.Dir(form); has(http.MethodGet, form) {
			return safeNext(form)
		}
	}
	return ""
}

// sidebarWait bounds what an error page waits for: the database may be what fails.
const sidebarWait = time.Second

// errorShell is the shell of an error page. Who is signed in stays so, also where there is no route, with the conversations
// beside the page if the database tells them.
func (s *Server) errorShell(c echo.Context, e *worklog.Error) view.Shell {
	req := c.Request()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), sidebarWait)
	defer cancel()
	p, status := account.PrincipalFrom(ctx), problem.Status(e.Code)
	if p == nil && s.route(c) == "none" && !offersToken(c) {
		if _, x, err := s.loadSession(req.WithContext(ctx)); err == nil && x != nil {
			p = &account.Principal{User: x.User, Session: x.ID}
			c.SetRequest(req.WithContext(account.WithPrincipal(req.Context(), p)))
		}
	}
	sh := s.shell(c, http.StatusText(status))
	if p == nil || status >= http.StatusInternalServerError {
		return sh
	}
	if list, err := s.beside(ctx, p.User.ID); err == nil {
		sh.Sidebar.Conversations = conversationsOf(list, p.User.ID, s.now())
	}
	return sh
}

// logFailure logs what somebody has to look at: failures of ours with their cause.
func (s *Server) logFailure(c echo.Context, e *worklog.Error, err error) {
	if problem.Status(e.Code) < http.StatusInternalServerError || errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		return
	}
	s.log.Error("request failed", "error", err, "code", string(e.Code), "route", s.route(c),
		"request_id", c.Response().Header().Get(problem.RequestIDHeader))
}

// fromEcho translates the router's own errors.
func fromEcho(err error) error {
	he, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		return err
	}
	switch he.Code {
	case http.StatusNotFound:
		return worklog.Errorf(worklog.CodeNotFound, "there is nothing here")
	case http.StatusMethodNotAllowed:
		return worklog.Errorf(worklog.CodeMethod, "this address does not take that method")
	case http.StatusBadRequest:
		return worklog.Errorf(worklog.CodeMalformed, "the request can not be read")
	}
	return err
}

// wantsJSON reports whether the caller asks for JSON and not for a page.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get(echo.HeaderAccept)
	return !strings.Contains(accept, "text/html") &&
		(strings.Contains(accept, echo.MIMEApplicationJSON) || strings.Contains(accept, problem.ContentType))
}

// isPageVisit reports whether somebody follows a link or types an address. htmx would swap a login page into a list.
func isPageVisit(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("HX-Request") == ""
}

// endStream answers a page's stream that could not begin, in words that its page understands.
func (s *Server) endStream(c echo.Context, e *worklog.Error) {
	end := hub.EndFailed
	switch e.Code {
	case worklog.CodeUnauthorized:
		end = hub.EndSignedOut
	case worklog.CodeNotFound:
		end = hub.EndGone
	}
	s.startStream(c, func(_ context.Context, out *sse.Writer) { farewell(out, end) })
}

// errorPage shows e to a person. If even that page can not be rendered, a spare one is sent.
func (s *Server) errorPage(c echo.Context, e *worklog.Error) {
	status := problem.Status(e.Code)
	if e.RetryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(problem.Seconds(e.RetryAfter)))
	}
	p := view.Problem{
		Shell: s.errorShell(c, e), Status: status, Heading: headingOf(e.Code), Text: e.Message, Fields: e.Fields,
		RequestID: c.Response().Header().Get(problem.RequestIDHeader),
	}
	if offersToken(c) {
		p.Path = "/" // the page must not repeat what may be a secret
		if e.Code == worklog.CodeUnauthorized {
			p.Heading = "This token is refused"
		}
	} else if e.Code == worklog.CodeUnauthorized {
		p.LinkHref, p.LinkText = "/login", "Sign in"
	}
	if route := s.route(c); isSecretPath(route) || route == "none" {
		p.Path = "/" // the way back must not lead through a one-time link, or what may hold a secret
	}
	req := c.Request() // its deadline may be what failed; a template refuses to render after it
	c.SetRequest(req.WithContext(context.WithoutCancel(req.Context())))
	err := s.render(c, status, view.ProblemPage(p))
	if err == nil || c.Response().Committed {
		return
	}
	s.log.Error("error page failed", "error", err, "request_id", p.RequestID)
	_ = c.HTML(status, sparePage(status, p.RequestID))
}

// isSecretPath reports whether the address itself signs in.
func isSecretPath(route string) bool { return strings.Contains(route, "/:once") }

func headingOf(code worklog.Code) string {
	switch code {
	case worklog.CodeNotFound:
		return "Nothing here"
	case worklog.CodeMalformed, worklog.CodeInvalid:
		return "That does not work"
	case worklog.CodeMethod:
		return "Not that way"
	case worklog.CodeConflict:
		return "Not as things stand"
	case worklog.CodeTooLarge:
		return "Too much at once"
	case worklog.CodeUnauthorized:
		return "Sign in first"
	case worklog.CodeForbidden:
		return "Not allowed"
	case worklog.CodeRateLimited:
		return "Too many attempts"
	case worklog.CodeUnavailable:
		return "Back in a moment"
	case worklog.CodeInternal:
		return "Something went wrong"
	}
	return http.StatusText(problem.Status(code))
}

// sparePage needs no template and no style sheet.
func sparePage(status int, requestID string) string {
	return fmt.Sprintf("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Worklog</title>\n<h1>%d %s</h1>\n<p>Request %s</p>\n<p><a href=\"/\">Worklog</a></p>\n</html>\n",
		status, http.StatusText(status), html.EscapeString(requestID))
}
