package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// settingsPage is the account: its password, and the way out.
func (s *Server) settingsPage(c echo.Context) error {
	return s.showSettings(c, http.StatusOK, nil, c.QueryParam("saved") == "password")
}

func (s *Server) showSettings(c echo.Context, status int, wrong view.Wrong, saved bool) error {
	sh, err := s.page(c, "Settings", "")
	if err != nil {
		return err
	}
	sh.Path = "/settings"
	return s.render(c, status, view.SettingsPage(view.Settings{
		Shell: sh, Wrong: wrong, Saved: saved, HasPassword: account.PrincipalFrom(c.Request().Context()).User.HasPassword, MinPassword: account.MinPassword,
	}))
}

// changePassword sets a new password, ends every session of the user, and starts a fresh one here. An account without
// one has no password to ask for, so its session must be as young as one that makes credentials.
func (s *Server) changePassword(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	p := account.PrincipalFrom(c.Request().Context())
	var was string
	if p.User.HasPassword {
		_, was, err = s.checkLogin(c, p.User.Email, form.Get("current"))
		if worklog.CodeOf(err) == worklog.CodeUnauthorized {
			return s.showSettings(c, http.StatusUnauthorized, wrongAt("current", wrongPresent), false)
		}
		if err != nil {
			return err
		}
	} else if err := justNow().Allow(p, s.now()); err != nil {
		return s.showSettings(c, http.StatusForbidden, view.Wrong{{Text: "You signed in a while ago. Sign in again through a fresh link to set a password"}}, false)
	}
	if err := account.CheckPassword(form.Get("password"), p.User.Email); err != nil {
		return s.showSettings(c, http.StatusUnprocessableEntity, wrongOf(err), false)
	}
	hash, err := s.passwords.Hash(c.Request().Context(), form.Get("password"))
	if err != nil {
		return err
	}
	err = s.store.SetPassword(c.Request().Context(), p.User.ID, was, hash, "")
	if worklog.CodeOf(err) == worklog.CodeUnauthorized {
		return s.showSettings(c, http.StatusUnauthorized, wrongAt("current", wrongPresent), false)
	}
	if err != nil {
		return err
	}
	if err := s.signIn(c, p.User, hash, "new password"); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/settings?saved=password")
}

// wrongPresent answers who does not know the password, or knew the one of a moment ago.
const wrongPresent = "That is not your present password"

// sessionsPage lists the browsers that are signed in.
func (s *Server) sessionsPage(c echo.Context) error {
	sh, err := s.page(c, "Sessions", "")
	if err != nil {
		return err
	}
	p := account.PrincipalFrom(c.Request().Context())
	list, err := s.store.Sessions(c.Request().Context(), p.User.ID)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, view.SessionsPage(view.Sessions{Shell: sh, Sessions: sessionsOf(list, p.Session)}))
}

func sessionsOf(list []account.Session, current string) []view.Session {
	out := make([]view.Session, len(list))
	for i, x := range list {
		out[i] = view.Session{
			ID: x.ID, Agent: x.Agent, Address: x.Address, CreatedAt: x.CreatedAt, LastSeen: x.LastSeen, ExpiresAt: x.ExpiresAt, Current: x.ID == current,
		}
	}
	return out
}

// endSession ends one of the user's sessions; its own one as well.
func (s *Server) endSession(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	if err := s.store.EndSession(c.Request().Context(), p.User.ID, c.Param("id")); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/settings/sessions")
}

// endOtherSessions ends every session but this one.
func (s *Server) endOtherSessions(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	if err := s.store.EndSessions(c.Request().Context(), p.User.ID, p.Session); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/settings/sessions")
}

// tokensPage lists the user's tokens.
func (s *Server) tokensPage(c echo.Context) error {
	return s.showTokens(c, "", "")
}

func (s *Server) showTokens(c echo.Context, name, secret string) error {
	sh, err := s.page(c, "Tokens", "")
	if err != nil {
		return err
	}
	list, err := s.store.Tokens(c.Request().Context(), account.PrincipalFrom(c.Request().Context()).User.ID)
	if err != nil {
		return err
	}
	v := view.Tokens{Shell: sh, Tokens: make([]view.Token, len(list)), Secret: secret, Name: name, BaseURL: s.publicURL(c.Request())}
	for i, t := range list {
		v.Tokens[i] = s.tokenOf(t)
	}
	return s.render(c, http.StatusOK, view.TokensPage(v))
}

func (s *Server) tokenOf(t account.Token) view.Token {
	return view.Token{
		ID: t.ID, Name: t.Name, Prefix: t.Prefix, Limit: t.Limit, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LastUsed: t.LastUsed,
		Expired: !t.ExpiresAt.IsZero() && !s.now().Before(t.ExpiresAt), Scopes: words(t.Scopes),
	}
}

func words(scopes []account.Scope) []string {
	out := make([]string, len(scopes))
	for i, x := range scopes {
		out[i] = string(x)
	}
	return out
}

// newTokenPage shows the form with what most agents need.
func (s *Server) newTokenPage(c echo.Context) error {
	days := int(account.DefaultTokenLife.Hours() / 24)
	return s.showNewToken(c, http.StatusOK, view.TokenForm{Scopes: []string{string(account.ScopeWrite)}, Expires: strconv.Itoa(days)}, nil)
}

func (s *Server) showNewToken(c echo.Context, status int, form view.TokenForm, wrong view.Wrong) error {
	sh, err := s.page(c, "New token", "")
	if err != nil {
		return err
	}
	sh.Path = "/settings/tokens/new"
	v := view.NewToken{Shell: sh, Form: form, Wrong: wrong, Scopes: []view.Scope{
		{Value: string(account.ScopeWrite), Help: "add entries and complete its own running ones; calls of an agent also those of its other tokens"},
		{Value: string(account.ScopeRead), Help: "read, change and delete what is yours"},
		{Value: string(account.ScopeOTLP), Help: "send telemetry, also from programs that can only be given an address; goes with no other right"},
	}}
	if account.PrincipalFrom(c.Request().Context()).User.Admin {
		v.Scopes = append(v.Scopes,
			view.Scope{Value: string(account.ScopeWriteAny), Help: "add entries for other users; reads nothing"},
			view.Scope{Value: string(account.ScopeAdmin), Help: "statistics and cleanup of the installation"})
	}
	return s.render(c, status, view.NewTokenPage(v))
}

// createToken makes a token. Its secret is on the answer of this one request: in no url, no session, no database.
func (s *Server) createToken(c echo.Context) error {
	values, err := readForm(c)
	if err != nil {
		return err
	}
	user := account.PrincipalFrom(c.Request().Context()).User
	form := view.TokenForm{Name: values.Get("name"), Scopes: values["scope"], Limit: values.Get("limit"), Expires: values.Get("expires")}
	form.Name = worklog.Cut(form.Name, 4*account.MaxTokenName)
	request, wrong := tokenRequest(values)
	if len(wrong) > 0 {
		return s.showNewToken(c, http.StatusUnprocessableEntity, form, wrong)
	}
	tok, secret, err := account.NewToken(user, request, user.Admin, s.now().UTC())
	if err == nil {
		err = s.storeToken(c, tok, account.HashSecret(secret))
	}
	switch worklog.CodeOf(err) {
	case "":
		s.log.Info("token created", "user", user.ID, "token", tok.ID)
		return s.showTokens(c, tok.Name, secret)
	case worklog.CodeInvalid, worklog.CodeConflict:
		return s.showNewToken(c, http.StatusUnprocessableEntity, form, wrongOf(err))
	default:
		return err
	}
}

// storeToken stores a token. One that reaches beyond its owner's entries is written down.
func (s *Server) storeToken(c echo.Context, t account.Token, hash []byte) error {
	if slices.Contains(t.Scopes, account.ScopeAdmin) || slices.Contains(t.Scopes, account.ScopeWriteAny) {
		return s.asAdmin(c).CreateToken(c.Request().Context(), t, hash)
	}
	return s.store.CreateToken(c.Request().Context(), t, hash)
}

// tokenRequest reads the form of a new token, and says what in it can not be read. Empty numbers mean: nothing of its
// own, and never.
func tokenRequest(form url.Values) (r account.TokenRequest, wrong view.Wrong) {
	r.Name = form.Get("name")
	for _, x := range form["scope"] {
		r.Scopes = append(r.Scopes, account.Scope(x))
	}
	if len(r.Scopes) == 0 {
		wrong = wrongAt("scope", "Choose at least one thing that the token may do")
	}
	var err error
	if r.Limit, err = wholeNumber(form, "limit", account.MaxTokenLimit); err != nil {
		wrong = append(wrong, wrongOf(err)...)
	}
	days, err := wholeNumber(form, "expires", int(account.MaxTokenLife.Hours()/24))
	if err != nil {
		wrong = append(wrong, wrongOf(err)...)
	}
	r.Life = time.Duration(days) * 24 * time.Hour
	return r, wrong
}

// wholeNumber reads a number from 0 to most; an empty field is 0.
func wholeNumber(form url.Values, field string, most int) (int, error) {
	text := strings.TrimSpace(form.Get(field))
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, &worklog.Error{Code: worklog.CodeInvalid, Message: "That number does not fit", Fields: []worklog.FieldError{
			{Field: field, Message: "must be a whole number from 0 to " + strconv.Itoa(most)},
		}}
	}
	return n, nil
}

// revokeToken ends one of the user's tokens, here at once and in other processes within two seconds.
func (s *Server) revokeToken(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	if err := s.store.RevokeToken(c.Request().Context(), p.User.ID, c.Param("id")); err != nil {
		return err
	}
	s.tokens.forget(c.Param("id"))
	s.log.Info("token revoked", "user", p.User.ID, "token", c.Param("id"))
	return c.Redirect(http.StatusSeeOther, "/settings/tokens")
}
