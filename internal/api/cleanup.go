package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// cleanupWait is how long a request waits for the beginning and the end of the sweep that it asked for.
	cleanupWait = 20 * time.Second
	// countWait bounds a dry run, which is over before the request is.
	countWait = 20 * time.Second
	// listedSweeps bounds the history that is answered.
	listedSweeps = 100
)

// cleanup is POST /api/v1/admin/cleanup: it sweeps, or says what a sweep would do. A sweep that takes long goes on
// after the answer.
func (a *API) cleanup(c echo.Context) error {
	var dryRun *bool
	if err := a.readObject(c, member{"dry_run", &dryRun}); err != nil {
		return err
	}
	if a.sweeper == nil {
		return worklog.Errorf(worklog.CodeUnavailable, "this process does not sweep")
	}
	by := a.store.By(account.Actor{User: principal(c).User.ID, Address: c.RealIP()})
	o := retention.Options{DryRun: value(dryRun), By: "api", Asked: &by, Within: countWait}
	if o.DryRun {
		report, err := a.sweeper.Run(c.Request().Context(), o)
		if err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, report)
	}
	wait := time.NewTimer(cleanupWait)
	defer wait.Stop()
	running, err := a.sweeper.Start(c.Request().Context(), o)
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	select {
	case <-running.Done():
		status = http.StatusOK
	case <-wait.C:
	case <-c.Request().Context().Done():
	}
	report, err := running.Report()
	if err != nil {
		return err
	}
	return writeJSON(c, status, report)
}

// sweeps is GET /api/v1/admin/cleanup: the history of sweeps, and when the next one begins.
func (a *API) sweeps(c echo.Context) error {
	p := query(c, "limit")
	limit := int(p.number("limit", 1, listedSweeps, 20))
	if p.err != nil {
		return p.err
	}
	list, err := a.store.Sweeps(c.Request().Context(), limit)
	if err != nil {
		return err
	}
	answer := struct {
		Sweeps []store.Sweep `json:"sweeps"`
		Next   *time.Time    `json:"next"`
	}{Sweeps: append([]store.Sweep{}, list...)}
	if a.sweeper != nil {
		next := a.sweeper.Next()
		answer.Next = &next
	}
	return writeJSON(c, http.StatusOK, answer)
}
