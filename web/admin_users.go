package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// adminNow is who may change something as an administrator: one whose password was just checked.
func adminNow() account.Policy {
	return account.Policy{SessionOnly: true, Scope: account.ScopeAdmin, Recent: recentLogin}
}

// asAdmin is the store in the hands of whoever asks: what changes through it is in the audit list.
func (s *Server) asAdmin(c echo.Context) store.Admin { return s.store.By(actorOf(c)) }

func actorOf(c echo.Context) account.Actor {
	return account.Actor{User: account.PrincipalFrom(c.Request().Context()).User.ID, Address: c.RealIP()}
}

// viewerOf is who reads in this request, with the session that a reason may have opened something to.
func viewerOf(c echo.Context) store.Viewer {
	p := account.PrincipalFrom(c.Request().Context())
	return store.Viewer{User: p.User.ID, Session: p.Session}
}

// subject is the user whom an admin page is about.
func subject(c echo.Context) (int64, error) {
	id, ok := parseID(c.Param("id"))
	if !ok {
		return 0, worklog.Errorf(worklog.CodeNotFound, "no such user")
	}
	return id, nil
}

// usersPage lists the accounts.
func (s *Server) usersPage(c echo.Context) error {
	query, err := parseText(c.QueryParams())
	if err != nil {
		return err
	}
	list, next, err := s.store.UserSummaries(c.Request().Context(), store.UserQuery{Query: query, After: c.QueryParam("after")})
	if err != nil {
		return err
	}
	v := view.Users{Shell: s.adminPage(c, "Users"), Query: query, Next: next, List: make([]view.User, len(list))}
	for i := range list {
		v.List[i] = userOf(list[i])
	}
	return s.render(c, http.StatusOK, view.UsersPage(v))
}

func userOf(u store.UserSummary) view.User {
	return view.User{
		ID: u.ID, Email: u.Email, Admin: u.Admin, Disabled: u.Disabled, Invited: !u.HasPassword, Erasing: u.Erasing, Erased: u.Erased, Limit: u.Limit,
		AddedAt: u.CreatedAt, Entries: u.Entries, LastUsed: u.LastLoggedAt, Tokens: u.Tokens, Sessions: u.Sessions,
	}
}

// newUserPage asks whom to invite.
func (s *Server) newUserPage(c echo.Context) error {
	return s.render(c, http.StatusOK, view.NewUserPage(view.NewUser{Shell: s.adminPage(c, "New user")}))
}

// createUser adds a user and shows the invitation. The link is on the answer of this one request: in no url, no
// database, no log.
func (s *Server) createUser(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	admin, secret := form.Get("admin") == "true", account.NewLinkSecret()
	email, err := account.NormalizeEmail(form.Get("email"))
	var user account.User
	if err == nil {
		user, err = s.asAdmin(c).Invite(c.Request().Context(), email, admin, account.HashSecret(secret), account.InviteLife)
	}
	switch worklog.CodeOf(err) {
	case "":
		return s.showLink(c, view.User{ID: user.ID, Email: user.Email}, secret, false, account.InviteLife)
	case worklog.CodeInvalid, worklog.CodeConflict:
		wrong := wrongOf(err)
		if worklog.CodeOf(err) == worklog.CodeConflict {
			wrong = wrongAt("email", "A user with this e-mail address exists")
		}
		v := view.NewUser{Shell: s.adminPage(c, "New user"), Email: worklog.Cut(form.Get("email"), maxShownEmail), Admin: admin, Wrong: wrong}
		v.Path = "/admin/users/new"
		return s.render(c, http.StatusUnprocessableEntity, view.NewUserPage(v))
	default:
		return err
	}
}

func (s *Server) showLink(c echo.Context, u view.User, secret string, reset bool, life time.Duration) error {
	v := view.UserLink{Shell: s.adminPage(c, "One-time link"), User: u, Link: s.publicURL(c.Request()) + "/enter/" + secret, Reset: reset, Until: s.now().Add(life)}
	v.Path = "/admin/users"
	return s.render(c, http.StatusOK, view.UserLinkPage(v))
}

// createUserLink makes a new invitation, or a link for a new password.
func (s *Server) createUserLink(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	u, _, err := s.store.UserByID(c.Request().Context(), id)
	if err != nil {
		return err
	}
	kind, life := account.LinkInvite, account.InviteLife
	if u.HasPassword {
		kind, life = account.LinkReset, account.ResetLife
	}
	secret := account.NewLinkSecret()
	if err := s.asAdmin(c).CreateLink(c.Request().Context(), kind, id, account.HashSecret(secret), life); err != nil {
		return s.backToUser(c, id, err)
	}
	return s.showLink(c, view.User{ID: u.ID, Email: u.Email}, secret, u.HasPassword, life)
}

// userPage is one account.
func (s *Server) userPage(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	return s.showUser(c, http.StatusOK, id, view.UserPage{})
}

// showUser shows an account, with what v says of a form that comes back.
func (s *Server) showUser(c echo.Context, status int, id int64, v view.UserPage) error {
	d, err := s.store.UserDetail(c.Request().Context(), viewerOf(c), id)
	if err != nil {
		return err
	}
	p := account.PrincipalFrom(c.Request().Context())
	v = view.UserPage{
		Shell: s.adminPage(c, d.Email), User: userOf(d.UserSummary), Self: id == p.User.ID, DefaultLimit: s.cfg.RateLimit, Stats: d.Stats,
		Browsers: sessionsOf(d.Sessions, p.Session), Keys: make([]view.Token, len(d.Tokens)), Holds: holdsOf(d.Holds), Acts: actsOf(d.Acts),
		Until: d.Until, Form: v.Form, Typed: v.Typed, Wrong: v.Wrong,
	}
	v.Path = userPath(id)
	for i, t := range d.Tokens {
		v.Keys[i] = s.tokenOf(t)
	}
	return s.render(c, status, view.UserDetailPage(v))
}

func userPath(id int64) string { return "/admin/users/" + formatID(id) }

// backToUser ends an act on a user: its page again, with what went wrong if it did.
func (s *Server) backToUser(c echo.Context, id int64, err error) error {
	return s.backToForm(c, id, "", "", err)
}

// backToForm is backToUser for a form that asks for something: what went wrong stands in it, with what was typed.
func (s *Server) backToForm(c echo.Context, id int64, form, typed string, err error) error {
	v := view.UserPage{Form: form, Typed: worklog.Cut(typed, account.MaxReason)}
	switch worklog.CodeOf(err) {
	case "":
		return c.Redirect(http.StatusSeeOther, userPath(id))
	case worklog.CodeInvalid:
		v.Wrong = wrongOf(err)
		return s.showUser(c, http.StatusUnprocessableEntity, id, v)
	case worklog.CodeConflict:
		v.Wrong = wrongOf(err)
		return s.showUser(c, http.StatusConflict, id, v)
	}
	return err
}

// disableUser shuts a user out, or lets one in again.
func (s *Server) disableUser(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	disabled, err := parseFlag(form, "disabled")
	if err != nil {
		return err
	}
	reason, err := account.CheckReason(form.Get("reason"))
	if err == nil {
		err = s.asAdmin(c).Disable(c.Request().Context(), id, disabled, reason)
	}
	return s.backToForm(c, id, "disable", form.Get("reason"), err)
}

// setRole makes a user an administrator or takes that away.
func (s *Server) setRole(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	admin, err := parseFlag(form, "admin")
	if err != nil {
		return err
	}
	return s.backToUser(c, id, s.asAdmin(c).SetAdmin(c.Request().Context(), id, admin))
}

// setLimit gives a user a limit of new entries, or with an empty field the installation's.
func (s *Server) setLimit(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	limit, err := wholeNumber(form, "limit", account.MaxTokenLimit)
	if err == nil {
		err = s.asAdmin(c).SetLimit(c.Request().Context(), id, limit)
	}
	return s.backToForm(c, id, "limit", form.Get("limit"), err)
}

// endUserSession ends one session of a user, or all.
func (s *Server) endUserSession(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	return s.backToUser(c, id, s.asAdmin(c).EndSession(c.Request().Context(), id, c.Param("session")))
}

// erasePage asks whether to erase a user.
func (s *Server) erasePage(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	return s.showErase(c, http.StatusOK, id, view.EraseUser{})
}

// showErase asks whether to erase a user, with what v says of the form that comes back.
func (s *Server) showErase(c echo.Context, status int, id int64, v view.EraseUser) error {
	d, err := s.store.UserDetail(c.Request().Context(), viewerOf(c), id)
	if err != nil {
		return err
	}
	if d.Erasing {
		return c.Redirect(http.StatusSeeOther, userPath(id))
	}
	v.Shell, v.User, v.Holds = s.adminPage(c, "Erase "+d.Email), userOf(d.UserSummary), len(d.Holds)
	v.Path = userPath(id) + "/erase"
	return s.render(c, status, view.EraseUserPage(v))
}

// eraseUser begins an erasure. From here on the user is out; what is left goes in the background.
func (s *Server) eraseUser(c echo.Context) error {
	id, err := subject(c)
	if err != nil {
		return err
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	u, _, err := s.store.UserByID(ctx, id)
	if err != nil {
		return err
	}
	reason, err := account.CheckReason(form.Get("reason"))
	switch {
	case err != nil:
	case id == account.PrincipalFrom(ctx).User.ID:
		err = worklog.Errorf(worklog.CodeConflict, "another administrator has to erase you")
	case !strings.EqualFold(strings.TrimSpace(form.Get("confirm")), u.Email):
		err = &worklog.Error{Code: worklog.CodeInvalid, Message: "The address does not match", Fields: []worklog.FieldError{
			{Field: "confirm", Message: "The address that you typed is not this user's"},
		}}
	default:
		err = s.asAdmin(c).BeginErasure(ctx, id, reason)
	}
	return s.afterErase(c, id, form, err)
}

// afterErase ends eraseUser: the user's page, or the form with what went wrong.
func (s *Server) afterErase(c echo.Context, id int64, form url.Values, err error) error {
	v := view.EraseUser{Reason: worklog.Cut(form.Get("reason"), account.MaxReason), Confirm: worklog.Cut(form.Get("confirm"), maxShownEmail)}
	switch worklog.CodeOf(err) {
	case "":
		s.log.Info("erasure begun", "user", id)
		return c.Redirect(http.StatusSeeOther, userPath(id))
	case worklog.CodeInvalid:
		v.Wrong = wrongOf(err)
		return s.showErase(c, http.StatusUnprocessableEntity, id, v)
	case worklog.CodeConflict:
		v.Wrong = wrongOf(err)
		return s.showErase(c, http.StatusConflict, id, v)
	}
	return err
}
