package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/export"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// exportsAtOnce bounds the exports that run at a time: each reads everything that a user has.
	exportsAtOnce = 4
	// exportTimeout ends an export that nobody should wait for any longer: two million entries take minutes.
	exportTimeout = time.Hour
	// exportWrite is how long a client may take for one piece.
	exportWrite = 30 * time.Second
)

// isDownload reports whether the route sends something that has no bound: it has its own time limits.
func isDownload(route string) bool {
	return route == "/settings/export" || route == "/admin/users/:id/export"
}

// exportOwn sends the user everything of the user's own. It is a POST because it is written down.
func (s *Server) exportOwn(c echo.Context) error {
	return s.sendExport(c, account.PrincipalFrom(c.Request().Context()).User.ID, "")
}

// exportUser sends an administrator everything of a user, with a reason that the user sees.
func (s *Server) exportUser(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	reason, err := account.CheckReason(form.Get("reason"))
	if err != nil {
		return s.backToForm(c, id, "export", form.Get("reason"), err)
	}
	return s.sendExport(c, id, reason)
}

// sendExport streams a zip. What goes wrong after the first byte ends the connection, so that half a zip can not pass
// for a whole one.
func (s *Server) sendExport(c echo.Context, user int64, reason string) error {
	actor := account.PrincipalFrom(c.Request().Context()).User.ID
	if err := s.exports.begin(actor); err != nil {
		return err
	}
	defer s.exports.end(actor)
	ctx, cancel := context.WithTimeout(c.Request().Context(), exportTimeout)
	defer cancel()
	u, _, err := s.store.UserByID(ctx, user)
	if err != nil {
		return err
	}
	if u.Erasing {
		return worklog.Errorf(worklog.CodeConflict, "this user is erased; there is nothing to export")
	}
	if err := s.asAdmin(c).Record(ctx, account.Act{Action: account.ActUserExport, Subject: user, Reason: reason}); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "application/zip")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="`+export.Name(s.now())+`"`)
	c.Response().WriteHeader(http.StatusOK)
	out := &patientWriter{
		w: c.Response(), rc: http.NewResponseController(c.Response().Writer), checked: time.Now(), again: func() error { return allowedStill(c) },
	}
	lacking, err := export.New(s.store, s.archive).Write(ctx, out, user, s.now(), nil)
	if err != nil {
		s.log.Warn("export not finished", "user", user, "error", err)
		panic(http.ErrAbortHandler)
	}
	if lacking > 0 { // the answer has begun; each of these entries says so in the zip
		s.log.Warn("export lacks details that the archive did not give", "user", user, "entries", lacking)
	}
	return nil
}

// exports are the accounts that are being sent something. Each has one: somebody who reads slowly must not hold up others.
type exports struct {
	mu      sync.Mutex
	running map[int64]bool
}

func (e *exports) begin(actor int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.running[actor]:
		return &worklog.Error{Code: worklog.CodeRateLimited, Message: "an export of yours is running; wait for its end", RetryAfter: time.Minute}
	case len(e.running) >= exportsAtOnce:
		return &worklog.Error{Code: worklog.CodeUnavailable, Message: "other exports are running; try again in a minute", RetryAfter: time.Minute}
	}
	if e.running == nil {
		e.running = map[int64]bool{}
	}
	e.running[actor] = true
	return nil
}

func (e *exports) end(actor int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, actor)
}

// exportCheck is how often an export asks whether who gets it may still have it.
const exportCheck = 2 * time.Second

// patientWriter gives every piece a time of its own instead of one for the whole answer, and ends with the rights of its
// reader.
type patientWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	checked time.Time
	again   func() error
}

// Write writes a piece.
func (p *patientWriter) Write(b []byte) (int, error) {
	if time.Since(p.checked) > exportCheck {
		if err := p.again(); err != nil {
			return 0, err
		}
		p.checked = time.Now()
	}
	_ = p.rc.SetWriteDeadline(time.Now().Add(exportWrite)) // what has no deadline waits for nobody
	return p.w.Write(b)
}
