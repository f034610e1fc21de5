// Package web is everything a browser sees, and the one HTTP front of the program: it mounts the routes of package api
// next to its own, and every request passes the same middleware and the same policy check.
//
// Decision: a session is written in three places only (signing in, signing out, the paced touch of a page view), never
// by a middleware that saves whatever it loaded. A stream or a slow page that read its session before a logout can
// therefore not bring it back.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/hookdoor"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
)

// Deps is what a Server is built from.
type Deps struct {
	Store   *store.Store
	Ingest  *ingest.Service
	Hub     *hub.Hub
	API     *api.API
	Config  config.Config
	Log     *slog.Logger
	Version string
	Now     func() time.Time   // nil: time.Now
	Sweeper *retention.Sweeper // nil: nobody sweeps
	Archive *archive.Archive   // nil: there is none
	Hooks   *hookdoor.Door     // nil: there is none

	Demo    bool              // pages say that this is a demo
	Metrics http.Handler      // answers /metrics for admins; nil: 404
	Observe func(Observation) // told about every answered request; nil: nobody
	Room    func() Room       // how full the disks are; nil: not known
	Counter func()            // has the statistics counted soon: somebody looks at them; nil: they are not
}

// Observation is one answered request, for metrics. Route is the template, so the label set is bounded.
type Observation struct {
	Method, Route string
	Status        int
	Took          time.Duration
	Stream        bool // Took is how long a stream was open: no latency
}

// Server answers HTTP.
type Server struct {
	store   *store.Store
	ingest  *ingest.Service
	hub     *hub.Hub
	api     *api.API
	cfg     config.Config
	log     *slog.Logger
	version string
	now     func() time.Time
	demo    bool
	metrics http.Handler
	observe func(Observation)
	hooks   *hookdoor.Door
	sweeper *retention.Sweeper
	archive *archive.Archive

	echo      *echo.Echo
	table     []api.Route
	templates map[string]bool // of table
	loopback  bool            // nobody else can reach the listener
	ownHost   string          // of BASE_URL; may be empty
	origin    *http.CrossOriginProtection
	sessions  *scs.SessionManager
	tokens    *tokenCache
	passwords *account.Passwords
	throttle  *account.Throttle
	exports   exports
	trusted   time.Duration // see trustedFor
	buffers   pages
	totals    *totals
	boards    boards
	counter   func()
	room      func() Room
	started   time.Time
	threads   *threads
	draining  atomic.Bool
}

// New builds the server with every route of the product.
func New(d Deps) *Server {
	s := &Server{
		store: d.Store, ingest: d.Ingest, hub: d.Hub, api: d.API, cfg: d.Config, log: d.Log, version: d.Version,
		now: d.Now, demo: d.Demo, metrics: d.Metrics, observe: d.Observe, sweeper: d.Sweeper, archive: d.Archive,
		origin: http.NewCrossOriginProtection(), passwords: account.NewPasswords(), throttle: account.NewThrottle(),
		tokens: newTokenCache(), trusted: trustedFor,
	}
	s.totals, s.threads = s.newTotals(), s.newThreads()
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.counter, s.started, s.hooks, s.room = d.Counter, s.now(), d.Hooks, d.Room
	if s.room == nil {
		s.room = func() Room { return Room{} }
	}
	s.sessions = s.newSessionManager()
	s.loopback = isLoopbackHost(s.cfg.ListenAddr)
	if base := s.baseURL(); base != "" {
		if u, err := url.Parse(base); err == nil {
			s.ownHost = u.Host
		}
		if err := s.origin.AddTrustedOrigin(base); err != nil {
			s.log.Error("BASE_URL is not an origin", "error", err) // config.Load refuses it long before
		}
	}
	s.echo = s.newEcho()
	s.table = s.routes()
	s.templates = make(map[string]bool, len(s.table))
	for _, r := range s.table {
		s.mount(r)
	}
	return s
}

// Handler returns the whole site.
func (s *Server) Handler() http.Handler { return s.echo }

// Drain makes /readyz answer 503, so that a balancer stops sending requests before the listener closes.
func (s *Server) Drain() { s.draining.Store(true) }

// newEcho returns Echo without its conveniences: no binder, no trailing-slash redirect, no method override, and client
// addresses from X-Forwarded-For only behind a proxy that was named.
func (s *Server) newEcho() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Binder = nil
	e.IPExtractor = clientIP(s.cfg.TrustedProxies)
	e.HTTPErrorHandler = s.handleError
	e.Use(s.observeRequest, s.secureHeaders, s.recoverPanic, s.checkHost, s.checkOrigin, s.limitBody, s.limitTime)
	return e
}

// housekeeping is how often last-used times are written and old sessions and login counters are dropped.
const housekeeping = 30 * time.Second

// Run does the server's own housekeeping until ctx ends. It writes what it holds before it returns.
func (s *Server) Run(ctx context.Context) error {
	var dashboards sync.WaitGroup
	defer dashboards.Wait()
	dashboards.Go(func() { s.followDashboards(ctx) })
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			s.touchTokens(last)
			return nil
		case <-tick.C:
			s.keepHouse(ctx)
		}
	}
}

// keepHouse is one pass of Run; a panic in it costs this pass only.
func (s *Server) keepHouse(ctx context.Context) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("housekeeping panicked", "panic", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, housekeeping)
	defer cancel()
	s.throttle.Sweep(s.now())
	s.touchTokens(ctx)
	if err := s.store.DropExpired(ctx, s.now()); err != nil && ctx.Err() == nil {
		s.log.Warn("expired sessions and links stay for now", "error", err)
	}
}

// Control reacts to what another connection or process decided: it forgets what it cached and ends open streams.
func (s *Server) Control(c store.Control) {
	switch c.Kind {
	case store.ControlToken:
		s.tokens.forget(c.ID)
		s.hub.CloseToken(c.ID, hub.EndSignedOut)
	case store.ControlUser:
		s.tokens.forgetAll()
		if id, ok := parseID(c.ID); ok {
			s.hub.CloseUser(id, hub.EndSignedOut)
		}
	case store.ControlLimit:
		s.tokens.forgetAll() // they carry their user
	case store.ControlSession:
		s.hub.CloseSession(c.ID, hub.EndSignedOut)
	case store.ControlConversation:
		s.hub.CloseConversation(c.ID, hub.EndRecheck) // its page asks again, and learns what became of it
	case store.ControlUnfiled:
		if id, ok := parseID(c.ID); ok {
			s.hub.Unfiled(id)
		}
	case store.ControlAway:
		s.tokens.lose(s.now())
	case store.ControlLost:
		s.tokens.doubt(s.now())
		s.hub.RecheckAll()
	}
}
