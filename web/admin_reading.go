package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// readLimit is how many entries a page of private entries shows, each with everything in it.
const readLimit = 50

// readingPage shows a user's private entries if a reason has opened them to this session, and else asks for one.
func (s *Server) readingPage(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	q := store.EntryQuery{Owner: id, Conversation: c.QueryParam("conversation"), Limit: readLimit, FullDetails: true}
	if q.Before, err = parseBefore(c.QueryParams()); err != nil {
		return err
	}
	ctx, v := c.Request().Context(), view.Reading{Shell: s.adminPage(c, "Private entries")}
	u, _, err := s.store.UserByID(ctx, id)
	if err != nil {
		return err
	}
	v.User = view.User{ID: u.ID, Email: u.Email}
	if q.Conversation != "" {
		conv, err := s.store.ReadConversation(ctx, viewerOf(c), id, q.Conversation)
		if err != nil {
			return err
		}
		v.Conversation = conversationOf(conv, viewerOf(c).User, s.now())
	}
	page, until, err := s.store.ReadEntries(ctx, viewerOf(c), q)
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		return s.askReason(c, http.StatusOK, v, u)
	}
	if err != nil {
		return err
	}
	s.fillRows(ctx, page.Rows)
	list, err := s.store.ReadConversations(ctx, viewerOf(c), id)
	if err != nil {
		return err
	}
	for _, x := range list {
		v.Conversations = append(v.Conversations, view.Conversation{Conversation: x.Conversation})
	}
	v.Rows, v.Older, v.Until = rowsOf(page.Rows), page.Next, until
	return s.render(c, http.StatusOK, view.ReadingPage(v))
}

// fillRows brings what of rows lies in the archive. One that does not answer is asked once: the other rows say that they
// were not read. A missing object is a matter of its own rows.
func (s *Server) fillRows(ctx context.Context, rows []store.Row) {
	for i := range rows {
		if err := s.archive.Fill(ctx, &rows[i]); err != nil {
			s.log.Warn("entry not read from the archive", "error", err)
			if rows[i].Archive == worklog.ArchiveUnavailable {
				return
			}
		}
	}
}

// askReason shows the form that asks why. One's own entries need none, and of the erased there are none.
func (s *Server) askReason(c echo.Context, status int, v view.Reading, u account.User) error {
	if u.Erasing || u.ID == account.PrincipalFrom(c.Request().Context()).User.ID {
		return c.Redirect(http.StatusSeeOther, userPath(u.ID))
	}
	v.Path = userPath(u.ID) + "/entries"
	return s.render(c, status, view.ReadingPage(v))
}

// openReading opens a user's private entries to this session for a while. The owner sees it on the page of the own data.
func (s *Server) openReading(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	u, _, err := s.store.UserByID(c.Request().Context(), id)
	if err != nil {
		return err
	}
	reason, err := account.CheckReason(form.Get("reason"))
	if err != nil {
		return s.askReason(c, http.StatusUnprocessableEntity, view.Reading{
			Shell: s.adminPage(c, "Private entries"), User: view.User{ID: u.ID, Email: u.Email},
			Reason: worklog.Cut(form.Get("reason"), account.MaxReason), Wrong: wrongOf(err),
		}, u)
	}
	err = s.asAdmin(c).GrantReading(c.Request().Context(), account.PrincipalFrom(c.Request().Context()).Session, id, reason)
	if err != nil {
		return s.backToUser(c, id, err)
	}
	return c.Redirect(http.StatusSeeOther, userPath(id)+"/entries")
}

// closeReading gives back what openReading opened.
func (s *Server) closeReading(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	err = s.asAdmin(c).EndReading(c.Request().Context(), account.PrincipalFrom(c.Request().Context()).Session, id)
	if worklog.CodeOf(err) == worklog.CodeNotFound { // the time was up already
		err = nil
	}
	return s.backToUser(c, id, err)
}

// ownDataPage is what of one's own data leaves, and who did something with it.
func (s *Server) ownDataPage(c echo.Context) error {
	sh, err := s.page(c, "Your data", "")
	if err != nil {
		return err
	}
	user := account.PrincipalFrom(c.Request().Context()).User.ID
	stats, err := s.store.Stats(c.Request().Context(), user)
	if err != nil {
		return err
	}
	lines, _, err := s.store.Audit(c.Request().Context(), store.AuditQuery{Subject: user})
	if err != nil {
		return err
	}
	v := view.OwnData{Shell: sh, Acts: actsOf(lines)}
	for _, n := range stats.Entries {
		v.Entries += n
	}
	return s.render(c, http.StatusOK, view.OwnDataPage(v))
}
