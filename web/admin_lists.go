package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

func formatID(id int64) string { return strconv.FormatInt(id, 10) }

// adminTokensPage lists everybody's tokens.
func (s *Server) adminTokensPage(c echo.Context) error {
	query, err := parseText(c.QueryParams())
	if err != nil {
		return err
	}
	which := c.QueryParam("which")
	list, next, err := s.store.AllTokens(c.Request().Context(), store.TokenQuery{
		Query: query, Unused: which == "unused", Any: which == "powerful", Before: c.QueryParam("before"),
	})
	if err != nil {
		return err
	}
	v := view.AdminTokens{Shell: s.adminPage(c, "Tokens"), List: make([]view.OwnedToken, len(list)), Query: query, Which: which, Next: next}
	for i, t := range list {
		v.List[i] = view.OwnedToken{Token: s.tokenOf(t.Token), OwnerID: t.Owner.ID, Owner: t.Owner.Email}
	}
	return s.render(c, http.StatusOK, view.AdminTokensPage(v))
}

// adminRevokeToken ends anybody's token, here at once and in other processes within two seconds.
func (s *Server) adminRevokeToken(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	owner, err := s.asAdmin(c).RevokeToken(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	s.tokens.forget(c.Param("id"))
	if form.Get("back") == "user" {
		return c.Redirect(http.StatusSeeOther, userPath(owner))
	}
	return c.Redirect(http.StatusSeeOther, "/admin/tokens")
}

// holdsPage lists the conversations under hold.
func (s *Server) holdsPage(c echo.Context) error {
	return s.showHolds(c, http.StatusOK, view.Holds{})
}

func (s *Server) showHolds(c echo.Context, status int, v view.Holds) error {
	list, err := s.store.Holds(c.Request().Context(), 0)
	if err != nil {
		return err
	}
	v.Shell, v.List = s.adminPage(c, "Holds"), holdsOf(list)
	v.Gone = v.Released != "" && !slices.ContainsFunc(v.List, func(h view.Hold) bool { return h.ID == v.Released })
	v.Path = "/admin/holds"
	return s.render(c, status, view.HoldsPage(v))
}

func holdsOf(list []store.HeldConversation) []view.Hold {
	out := make([]view.Hold, len(list))
	for i, h := range list {
		out[i] = view.Hold{ID: h.ID, OwnerID: h.OwnerID, Owner: h.Owner, Entries: h.EntryCount, Since: h.Since, Reason: h.Reason, By: h.By}
	}
	return out
}

// hold puts a hold on a conversation that is named by its id or its address.
func (s *Server) hold(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	id := strings.TrimSpace(form.Get("conversation"))
	id = id[strings.LastIndexByte(id, '/')+1:]
	return s.setHold(c, id, true, form.Get("conversation"), form.Get("reason"))
}

// release lifts a hold.
func (s *Server) release(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	return s.setHold(c, c.Param("id"), false, "", form.Get("reason"))
}

func (s *Server) setHold(c echo.Context, id string, hold bool, typed, why string) error {
	reason, err := account.CheckReason(why)
	if err == nil && uuid.Validate(id) != nil {
		err = worklog.Errorf(worklog.CodeNotFound, "no such conversation")
	}
	if err == nil {
		err = s.asAdmin(c).Hold(c.Request().Context(), id, hold, reason)
	}
	status := http.StatusConflict
	switch worklog.CodeOf(err) {
	case "":
		return c.Redirect(http.StatusSeeOther, "/admin/holds")
	case worklog.CodeInvalid:
		status = http.StatusUnprocessableEntity
	case worklog.CodeNotFound:
		status = http.StatusNotFound
	case worklog.CodeConflict:
	default:
		return err
	}
	v := view.Holds{Conversation: worklog.Cut(typed, maxTyped), Reason: worklog.Cut(why, account.MaxReason), Wrong: wrongOf(err)}
	switch {
	case !hold:
		v.Released = id
	case status == http.StatusNotFound:
		v.Wrong = wrongAt("conversation", "There is no such conversation")
	}
	return s.showHolds(c, status, v)
}

// maxTyped bounds what a failed form shows again.
const maxTyped = 500

// auditPage is what administrators did.
func (s *Server) auditPage(c echo.Context) error {
	q := store.AuditQuery{Action: account.Action(c.QueryParam("action"))}
	if q.Action != "" && !slices.Contains(account.Actions(), q.Action) {
		return worklog.Errorf(worklog.CodeMalformed, "there is no such action")
	}
	v := view.Audit{Shell: s.adminPage(c, "Audit"), Action: string(q.Action)}
	for _, a := range account.Actions() {
		v.Kinds = append(v.Kinds, string(a))
	}
	var ok bool
	if before := c.QueryParam("before"); before != "" {
		if q.Before, ok = parseID(before); !ok {
			return worklog.Errorf(worklog.CodeMalformed, "the cursor is not one of ours")
		}
	}
	if user := c.QueryParam("user"); user != "" {
		if q.About, ok = parseID(user); !ok {
			return worklog.Errorf(worklog.CodeMalformed, "there is no such user")
		}
		u, _, err := s.store.UserByID(c.Request().Context(), q.About)
		if err != nil {
			return err
		}
		v.About = view.User{ID: u.ID, Email: u.Email}
	}
	lines, next, err := s.store.Audit(c.Request().Context(), q)
	if err != nil {
		return err
	}
	if v.Acts = actsOf(lines); next > 0 {
		v.Next = formatID(next)
	}
	return s.render(c, http.StatusOK, view.AuditPage(v))
}

func actsOf(lines []account.AuditLine) []view.Act {
	out := make([]view.Act, len(lines))
	for i, l := range lines {
		out[i] = view.Act{
			At: l.At, Actor: l.ActorName, ActorID: l.Actor.User, Action: string(l.Action), Subject: l.SubjectName, SubjectID: l.Subject,
			Object: l.Object, Detail: l.Detail, Reason: l.Reason, Address: l.Actor.Address,
		}
	}
	return out
}
