package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// sessionIdle ends a session that no page view used; SESSION_LIFETIME ends it whatever happens.
	sessionIdle = 7 * 24 * time.Hour
	// touchEvery paces what a page view writes about its session.
	touchEvery = time.Minute
	// sessionKey holds the one value of a session.
	sessionKey = "session"
	// maxCookie is longer than any value that the session manager gives out.
	maxCookie = 100
)

func (s *Server) baseURL() string { return s.cfg.BaseURL }

func (s *Server) https() bool { return strings.HasPrefix(s.cfg.BaseURL, "https://") }

// newSessionManager configures scs. A cookie without domain, with path "/" and Secure may carry the __Host- prefix, which
// no neighbour under the same domain can overwrite.
func (s *Server) newSessionManager() *scs.SessionManager {
	m := scs.New()
	m.Store = s.store.SessionStore()
	m.Codec = sessionCodec{}
	m.Lifetime = s.cfg.SessionLifetime
	m.IdleTimeout = min(sessionIdle, s.cfg.SessionLifetime)
	m.Cookie.Name = "worklog_session"
	if s.https() {
		m.Cookie.Name, m.Cookie.Secure = "__Host-worklog_session", true
	}
	return m
}

// sessionCodec writes the one value of a session as the JSON that the store reads its columns from.
type sessionCodec struct{}

// Encode returns the session of values with its deadline.
func (sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	x, ok := values[sessionKey].(account.Session)
	if !ok {
		return nil, fmt.Errorf("a session holds %d values and no session", len(values))
	}
	x.Deadline = deadline
	return json.Marshal(x)
}

// Decode is the reverse of Encode.
func (sessionCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var x account.Session
	err := json.Unmarshal(b, &x)
	return x.Deadline, map[string]any{sessionKey: x}, err
}

// loadSession reads the session of r's cookie: nil if there is none, it has ended or its user is disabled. The context
// is for the session manager.
func (s *Server) loadSession(r *http.Request) (context.Context, *account.Session, error) {
	cookie, err := r.Cookie(s.sessions.Cookie.Name)
	if err != nil || cookie.Value == "" || len(cookie.Value) > maxCookie {
		return r.Context(), nil, nil
	}
	ctx, err := s.sessions.Load(r.Context(), cookie.Value)
	if err != nil {
		return r.Context(), nil, err
	}
	x, ok := s.sessions.Get(ctx, sessionKey).(account.Session)
	if at := s.now(); !ok || !at.Before(x.ExpiresAt) || !at.Before(x.Deadline) {
		return ctx, nil, nil
	}
	return ctx, &x, nil
}

// signIn starts a session of user in this browser. The cookie's value is new, whatever the browser sent, and the session
// that it had before ends. CodeUnauthorized says that the user has no longer the password of passwordHash (empty: none),
// or is disabled.
func (s *Server) signIn(c echo.Context, user account.User, passwordHash, how string) error {
	if err := s.dropSession(c); err != nil {
		return err
	}
	ctx, err := s.sessions.Load(c.Request().Context(), "")
	if err != nil {
		return err
	}
	s.sessions.Put(ctx, sessionKey, account.Session{
		User: user, PasswordHash: passwordHash, SignedInAt: s.now().UTC(), Agent: agentOf(c.Request()), Address: c.RealIP(),
	})
	token, _, err := s.sessions.Commit(ctx)
	if err != nil {
		return err
	}
	s.sessions.WriteSessionCookie(ctx, c.Response(), token, s.sessions.Deadline(ctx))
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	s.log.Info("signed in", "user", user.ID, "how", how, "ip", c.RealIP())
	return nil
}

// dropSession ends the session of the browser's cookie, if any, and its open streams.
func (s *Server) dropSession(c echo.Context) error {
	cookie, err := c.Request().Cookie(s.sessions.Cookie.Name)
	if err != nil || cookie.Value == "" || len(cookie.Value) > maxCookie {
		return nil
	}
	return s.store.SessionStore().DeleteCtx(c.Request().Context(), cookie.Value)
}

// confirmSession notes that the password was just checked. The session stays the same, with its open streams.
func (s *Server) confirmSession(r *http.Request) error {
	ctx, x, err := s.loadSession(r)
	if err != nil {
		return err
	}
	if x == nil {
		return worklog.Errorf(worklog.CodeUnauthorized, "your session has ended; sign in again")
	}
	x.SignedInAt = s.now().UTC()
	s.sessions.Put(ctx, sessionKey, *x)
	_, _, err = s.sessions.Commit(ctx)
	return err
}

// touchSession renews an idle timer, once a minute at most. A failure costs nothing but that minute.
func (s *Server) touchSession(c echo.Context, x *account.Session) {
	at := s.now().UTC()
	if at.Sub(x.LastSeen) < touchEvery {
		return
	}
	expires := at.Add(s.sessions.IdleTimeout)
	if x.Deadline.Before(expires) {
		expires = x.Deadline
	}
	if err := s.store.TouchSession(c.Request().Context(), x.ID, expires); err != nil {
		s.log.Warn("session not renewed", "error", err)
	}
}

// agentOf is what the browser calls itself, as text that can be stored.
func agentOf(r *http.Request) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToValidUTF8(r.UserAgent(), "\uFFFD"))
}
