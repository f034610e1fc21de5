package web

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// countWait bounds a dry run, which is over before the request is.
	countWait = requestTimeout - 5*time.Second
	// shownSweeps is how many sweeps the page shows, and shownOwners how many owners a dry run names for each step.
	shownSweeps = 30
	shownOwners = 10
)

func errNoSweeper() error {
	return worklog.Errorf(worklog.CodeUnavailable, "this process does not sweep")
}

// retentionPage shows how entries age, what the sweeps did, and with ?dry=true what one would do now. While a sweep
// runs, the page asks for its figures under a path of its own, which does not keep a session alive.
func (s *Server) retentionPage(c echo.Context) error {
	dry, err := parseFlag(c.QueryParams(), "dry")
	if err != nil {
		return err
	}
	started, err := parseFlag(c.QueryParams(), "started")
	if err != nil {
		return err
	}
	v := view.Retention{Counted: dry, Started: started}
	if dry {
		v.Due, err = s.due(c)
		if worklog.CodeOf(err) == worklog.CodeUnavailable {
			return s.showRetention(c, http.StatusServiceUnavailable, view.Retention{Wrong: wrongOf(err)})
		}
		if err != nil {
			return err
		}
	}
	return s.showRetention(c, http.StatusOK, v)
}

func (s *Server) showRetention(c echo.Context, status int, v view.Retention) error {
	if s.sweeper == nil {
		return errNoSweeper()
	}
	ctx := c.Request().Context()
	list, err := s.store.Sweeps(ctx, shownSweeps)
	if err != nil {
		return err
	}
	if v.Objects, v.ArchiveBytes, err = s.store.ArchiveTotals(ctx); err != nil {
		return err
	}
	set := s.sweeper.Settings()
	v.Shell, v.Hot, v.Warm, v.Cold, v.Next = s.adminPage(c, "Retention"), set.Hot, set.Warm, set.Cold, s.sweeper.Next()
	v.Path, v.Sweeps = "/admin/retention", make([]view.Sweep, len(list))
	for i := range list {
		v.Sweeps[i] = sweepOf(&list[i], s.now())
	}
	return s.render(c, status, view.RetentionPage(v))
}

func sweepOf(x *store.Sweep, now time.Time) view.Sweep {
	end := now
	if x.FinishedAt != nil {
		end = *x.FinishedAt
	}
	return view.Sweep{
		By: x.StartedBy, State: string(x.State), StartedAt: x.StartedAt.UTC(), Took: max(end.Sub(x.StartedAt), 0),
		Warm: x.Warm, Cold: x.Cold, Archived: x.Archived, Deleted: x.Deleted, Freed: x.FreedBytes, Error: x.Error,
	}
}

// due is a dry run.
func (s *Server) due(c echo.Context) ([]view.Due, error) {
	if s.sweeper == nil {
		return nil, errNoSweeper()
	}
	report, err := s.sweeper.Run(c.Request().Context(), retention.Options{DryRun: true, By: "page", Within: countWait})
	if err != nil {
		return nil, err
	}
	var list []view.Due
	for _, st := range report.Steps {
		if st.Entries == 0 {
			continue
		}
		d := view.Due{Step: string(st.Step), Entries: st.Entries, Bytes: st.Bytes, More: st.MoreOwners + max(len(st.Owners)-shownOwners, 0)}
		for _, o := range st.Owners[:min(len(st.Owners), shownOwners)] {
			d.Owners = append(d.Owners, view.DueOwner{Email: o.Email, Entries: o.Entries})
		}
		list = append(list, d)
	}
	return list, nil
}

// runSweep starts a sweep, which outlives this request.
func (s *Server) runSweep(c echo.Context) error {
	if s.sweeper == nil {
		return errNoSweeper()
	}
	by := s.asAdmin(c)
	_, err := s.sweeper.Start(c.Request().Context(), retention.Options{By: "page", Asked: &by})
	if worklog.CodeOf(err) == worklog.CodeConflict {
		return s.showRetention(c, http.StatusConflict, view.Retention{Wrong: wrongOf(err)})
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/admin/retention?started=true")
}
