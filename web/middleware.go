package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/problem"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// maxForm bounds what a browser may post: the longest form is a title and a password.
	maxForm = 64 << 10
	// maxAPIBody is what the API promises to take, maxAgentBody what the agents' doors do.
	maxAPIBody   = 8 << 20
	maxAgentBody = 16 << 20
	// requestTimeout ends a request that is not a stream before the server's WriteTimeout would cut its answer.
	requestTimeout = 25 * time.Second
	// maxRequestID is the longest request id that is taken over from a caller.
	maxRequestID = 64
)

// policyHeader allows what the pages use and nothing inline, nothing from elsewhere, no frame around us.
const policyHeader = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// observeRequest is the outermost middleware: it gives the request its id, answers every error of the inner ones, and
// writes the one access line. The line names the route and no query; one-time links and tokens in paths are masked.
func (s *Server) observeRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.now()
		id := requestID(c.Request().Header.Get(problem.RequestIDHeader))
		c.Response().Header().Set(problem.RequestIDHeader, id)
		if err := next(c); err != nil {
			c.Error(err)
		}
		o := Observation{
			Method: knownMethod(c.Request().Method), Route: s.route(c), Status: c.Response().Status, Took: s.now().Sub(start), Stream: isStream(s.route(c)),
		}
		if s.observe != nil {
			s.observe(o)
		}
		s.logRequest(c, id, o)
		return nil
	}
}

func (s *Server) logRequest(c echo.Context, id string, o Observation) {
	attrs := []slog.Attr{
		slog.String("method", o.Method), slog.String("route", o.Route), slog.String("path", s.maskedPath(c)),
		slog.Int("status", o.Status), slog.Int64("bytes", c.Response().Size), slog.String("ip", c.RealIP()), slog.String("request_id", id),
	}
	if !o.Stream { // a stream says itself when it ends, and how long it was open
		attrs = append(attrs, slog.Float64("ms", float64(o.Took.Microseconds())/1000))
	}
	if p := account.PrincipalFrom(c.Request().Context()); p != nil {
		attrs = append(attrs, slog.Int64("user", p.User.ID))
		if p.Token != nil {
			attrs = append(attrs, slog.String("token", p.Token.ID))
		}
	}
	s.log.LogAttrs(c.Request().Context(), slog.LevelInfo, "request", attrs...)
}

// requestID returns in if it can go into logs and headers as it is, else a new id.
func requestID(in string) string {
	valid := in != "" && len(in) <= maxRequestID && strings.Trim(in, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == ""
	if valid && !strings.Contains(in, account.TokenPrefix) {
		return in
	}
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails, the documentation promises
	return hex.EncodeToString(b[:])
}

// knownMethod keeps made-up methods out of logs and metric labels.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// route returns the template of the request's route, and one word for everything that is in no table. Echo names the
// path itself where it found nothing.
func (s *Server) route(c echo.Context) string {
	if s.templates[c.Path()] {
		return c.Path()
	}
	return "none"
}

// maskedPath is the request's path without secrets, for the log: one-time links, tokens, and anything long in a path
// that no route knows.
func (s *Server) maskedPath(c echo.Context) string {
	var names []string
	if route := s.route(c); route != "none" {
		names = strings.Split(route, "/")
	}
	parts := strings.Split(c.Request().URL.Path, "/")
	for i, part := range parts {
		secret := strings.Contains(part, account.TokenPrefix)
		if i < len(names) {
			secret = secret || names[i] == ":once" || names[i] == ":token"
		} else {
			secret = secret || names == nil && len(part) > len("00000000-0000-0000-0000-000000000000")
		}
		if secret {
			parts[i] = "***"
		}
	}
	return strings.Join(parts, "/")
}

// secureHeaders sets what every answer carries, errors and streams included.
func (s *Server) secureHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	https := s.https()
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policyHeader)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// recoverPanic turns a panic into a 500 with the request's id. A panic after the first byte ends the connection, so
// that a half answer can not pass for a whole one.
func (s *Server) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if cause, ok := r.(error); ok && errors.Is(cause, http.ErrAbortHandler) {
				panic(r)
			}
			s.log.Error("handler panicked", "panic", fmt.Sprint(r), "route", s.route(c),
				"request_id", c.Response().Header().Get(problem.RequestIDHeader), "stack", string(debug.Stack()))
			if c.Response().Committed {
				panic(http.ErrAbortHandler)
			}
			err = worklog.Errorf(worklog.CodeInternal, "panic: %v", r)
		}()
		return next(c)
	}
}

// checkHost protects a server on a loopback address from DNS rebinding: a page elsewhere may name its own host after
// our address, but it can not choose the Host header.
func (s *Server) checkHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		host := c.Request().Host
		if !s.loopback || isLoopbackHost(host) || s.ownHost != "" && strings.EqualFold(host, s.ownHost) {
			return next(c)
		}
		return worklog.Errorf(worklog.CodeForbidden, "this server does not know the host it was asked for; set BASE_URL to the address people use")
	}
}

// isLoopbackHost reports whether hostport names this machine only.
func isLoopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkOrigin refuses what another site's page sends in the name of a signed-in user: every unsafe method, and the
// streams, whose connections count against the user's tabs.
func (s *Server) checkOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		req := c.Request()
		if err := s.origin.Check(req); err != nil {
			return &worklog.Error{Code: worklog.CodeForbidden, Message: "this request came from another site", Err: err}
		}
		if isStream(s.route(c)) {
			switch req.Header.Get("Sec-Fetch-Site") {
			case "", "same-origin", "none":
			default:
				return worklog.Errorf(worklog.CodeForbidden, "this request came from another site")
			}
		}
		return next(c)
	}
}

// limitBody refuses a body that says it is too long, and cuts one that turns out to be.
func (s *Server) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		req := c.Request()
		limit := maxBodyOf(req.URL.Path)
		if req.ContentLength > limit {
			return &http.MaxBytesError{Limit: limit}
		}
		if req.Body != nil && req.Body != http.NoBody {
			req.Body = http.MaxBytesReader(c.Response().Writer, req.Body, limit)
		}
		return next(c)
	}
}

// maxBodyOf is how long the body of a request for path may be.
func maxBodyOf(path string) int64 {
	for _, door := range []string{"/api/v1/hooks", "/v1/", "/otlp/"} {
		if strings.HasPrefix(path, door) {
			return maxAgentBody
		}
	}
	if isMachine(path) {
		return maxAPIBody
	}
	return maxForm
}

// limitTime gives every request a deadline, except streams and downloads, which have their own.
func (s *Server) limitTime(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if isStream(s.route(c)) || isDownload(s.route(c)) {
			return next(c)
		}
		req := c.Request()
		ctx, cancel := context.WithTimeout(req.Context(), requestTimeout)
		defer cancel()
		c.SetRequest(req.WithContext(ctx))
		return next(c)
	}
}

// clientIP returns how to find a caller's address: the peer itself, unless it is one of the named proxies.
func clientIP(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		bits := p.Addr().BitLen()
		trust = append(trust, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), bits)}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}
