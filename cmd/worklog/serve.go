package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/erasure"
	"github.com/worklogdev/worklog/internal/hookdoor"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/internal/redact"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 120 * time.Second
	// writeTimeout bounds an ordinary answer; streams set a deadline per write instead.
	writeTimeout   = 60 * time.Second
	maxHeaderBytes = 32 << 10
	// drainTimeout bounds the wait for requests that are under way.
	drainTimeout = 15 * time.Second
	// userTimeout is when the kernel gives up on a peer that acknowledges nothing: a laptop that sleeps.
	userTimeout = 60 * time.Second
	// untoldPause is when another process has surely told of what it suppressed.
	untoldPause = 5 * time.Second
	// gcPercent is the memory spent on rare collections. Of 10 to 20 MB that live with 2,000 open streams the usual 100
	// makes a collection of 25 ms each second at 200 entries/s, and one delivery in fifty waits for it. GOGC overrides it.
	gcPercent = 300
)

type serveCmd struct {
	Demo bool `help:"Let a lifelike agent write for a demo user, and print a link that signs in."`
}

// Run serves until a signal comes.
func (cmd serveCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	log := newLog(a, cfg)
	if a.env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	p := &program{app: a, cfg: cfg, log: log, demo: cmd.Demo}
	defer p.close()
	if err := p.openDatabase(a.ctx); err != nil {
		return err
	}
	if p.sweeper, p.archive, err = newSweeper(a.ctx, p.store, cfg, log, a.now); err != nil {
		return err
	}
	if err := p.endAgain(a.ctx); err != nil {
		return err
	}
	p.build()
	return p.serve(a.ctx)
}

// program is the object graph, from the database up. It is taken apart in reverse order.
type program struct {
	app  *app
	cfg  config.Config
	log  *slog.Logger
	demo bool

	postgres *postgres.Server // nil with DATABASE_URL
	store    *store.Store
	limiter  *limit.Limiter
	hub      *hub.Hub
	ingest   *ingest.Service
	counter  *rollup.Worker
	hooks    *hookdoor.Door
	room     *room
	sweeper  *retention.Sweeper
	archive  *archive.Archive
	eraser   *erasure.Worker
	api      *api.API
	web      *web.Server
	metrics  *metrics
	address  string // of the listener
}

func (p *program) openDatabase(ctx context.Context) (err error) {
	dsn := string(p.cfg.DatabaseURL)
	if dsn == "" {
		if p.postgres, err = startPostgres(ctx, p.cfg, p.log); err != nil {
			return err
		}
		dsn = p.postgres.DSN()
	}
	if p.store, err = store.Open(ctx, dsn, p.log); err != nil {
		return err
	}
	if err := p.store.Migrate(ctx); err != nil {
		return err
	}
	return p.store.Warm(ctx)
}

// endAgain ends what a database that was set back, by worklog or by other means, no longer knows to have ended.
func (p *program) endAgain(ctx context.Context) error {
	installation, err := p.store.Installation(ctx)
	if err != nil {
		return err
	}
	r, err := replayLedger(ctx, p.cfg, p.store, installation)
	if r.Ended > 0 {
		p.log.Warn("users and tokens that had ended were back in the database and are ended again", "count", r.Ended)
	}
	return err
}

// build connects the parts. Nothing runs yet.
func (p *program) build() {
	c := p.cfg
	p.limiter = limit.New(limit.Options{PerMinute: c.RateLimit, Import: c.ImportLimit, Now: p.app.now})
	p.hub = hub.New(web.NewSource(p.store), hub.Options{
		TabsPerSession: c.TabsPerSession, TabsPerUser: c.TabsPerUser, StreamsPerToken: c.StreamsPerToken, MaxAge: c.StreamMaxAge, Log: p.log,
	})
	p.counter = rollup.NewWorker(p.store, p.log, p.app.now)
	p.room = p.newRoom()
	p.ingest = ingest.New(p.store, p.store, p.limiter, p.news, ingest.Options{AgentLimit: c.AgentRateLimit, Room: p.room.now, Redactor: redactor(c), Log: p.log, Now: p.app.now})
	p.hooks = hookdoor.New(hookdoor.Deps{Store: p.store, Ingest: p.ingest, Dir: c.SpoolDir(), Log: p.log, Now: p.app.now})
	p.api = api.New(api.Deps{Store: p.store, Sweeper: p.sweeper, Archive: p.archive, Ingest: p.ingest, Hooks: p.hooks, Hub: p.hub, Log: p.log, Now: p.app.now})
	p.eraser = newEraser(p.store, p.archive, c, p.log)
	p.metrics = newMetrics(p)
	p.web = web.New(web.Deps{
		Store: p.store, Sweeper: p.sweeper, Archive: p.archive, Ingest: p.ingest, Hub: p.hub, API: p.api, Config: c, Log: p.log, Version: version(), Now: p.app.now, Demo: p.demo,
		Metrics: p.metrics.handler(), Observe: p.metrics.observe, Counter: p.counter.Wake, Hooks: p.hooks, Room: p.room.shown,
	})
}

func (p *program) newRoom() *room {
	r := &room{perDay: p.cfg.RoomPerDay, free: freeShare, log: p.log}
	r.database.costs = "details of entries are cut until there is room"
	r.archive.costs = "once it is full entries do not become cold, and stay in the database"
	if p.postgres != nil {
		r.database.dir = p.cfg.DataDir
	}
	r.archive.dir = p.cfg.ArchiveDir()
	return r
}

// news tells those who want to know that entries of the owner were committed.
func (p *program) news(owner int64) {
	p.hub.Hint(owner)
	p.counter.Wake()
}

// redactor is nil where the installation wants entries as they are written.
func redactor(c config.Config) *redact.Redactor {
	if !c.Redact {
		return nil
	}
	return redact.New()
}

// serve listens, runs every part and stops them in the order that loses nothing: streams end, requests drain, what is
// queued is committed, the database goes last.
func (p *program) serve(ctx context.Context) error {
	if err := p.hooks.Open(ctx); err != nil { // a directory that can not be written: everything else works
		p.log.Error("hooks will be refused while the database is away", "error", err)
	}
	listener, err := listen(ctx, p.cfg.ListenAddr)
	if err != nil {
		return err
	}
	p.address = listener.Addr().String()
	background, stopBackground := context.WithCancel(context.Background())
	parts := newParts(p.log)
	parts.run("limiter", background, p.limiter.Run)
	parts.run("hub", background, p.hub.Run)
	parts.run("web", background, p.web.Run)
	parts.run("statistics", background, p.counter.Run)
	parts.run("control", background, func(ctx context.Context) error { return p.store.Listen(ctx, p.control) })
	parts.run("erasures", background, p.eraser.Run)
	parts.run("room", background, p.room.run)
	parts.run("deletions", background, p.finishDeletions)
	parts.run("retention", background, p.sweeper.Serve)
	writing, stopWriting := context.WithCancel(context.Background())
	writer := newParts(p.log)
	writer.run("ingest", writing, p.ingest.Run)
	writer.run("hooks", writing, p.hooks.Run)
	writer.run("suppressed", writing, func(ctx context.Context) error { return p.ingest.TellUntold(ctx, untoldPause) })

	server := p.newServer(p.web.Handler())
	server.RegisterOnShutdown(p.hub.Shutdown)
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(listener) }()
	metricsServer, err := p.serveMetrics(ctx, failed)
	if err == nil {
		err = p.announce(background, parts)
	}
	if err == nil {
		err = p.wait(ctx, failed)
	}

	p.log.Info("stopping")
	p.web.Drain()
	p.delay(p.cfg.StopDelay, failed)
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err = errors.Join(err, server.Shutdown(drain))
	if metricsServer != nil {
		err = errors.Join(err, metricsServer.Shutdown(drain))
	}
	stopWriting()
	writer.wait()
	stopBackground()
	parts.wait()
	return err
}

// control tells every part what another connection or process decided.
func (p *program) control(c store.Control) {
	p.web.Control(c)
	p.eraser.Control(c)
}

// wait returns when the program is to stop: nil for a signal.
func (p *program) wait(ctx context.Context, failed <-chan error) error {
	var gone <-chan struct{}
	if p.postgres != nil {
		gone = p.postgres.Done()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	case <-gone:
		return fmt.Errorf("PostgreSQL ended: %w", p.postgres.Err())
	}
}

// delay goes on serving for a while, unless something fails.
func (p *program) delay(d time.Duration, failed <-chan error) {
	select {
	case <-time.After(d):
	case <-failed:
	}
}

func (p *program) close() {
	if p.hooks != nil {
		if err := p.hooks.Close(); err != nil {
			p.log.Error("close the spool of hooks", "error", err)
		}
	}
	if p.store != nil {
		p.store.Close()
	}
	if p.postgres != nil {
		stopPostgres(p.postgres, p.log)
	}
}

func (p *program) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: writeTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// finishDeletions completes deleted conversations, now and then and soon after each start.
func (p *program) finishDeletions(ctx context.Context) error {
	const every = 2 * time.Second
	for {
		if err := p.store.FinishDeletions(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("deleted conversations are not finished yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// parts are the goroutines of the program. A panic in one of them is logged and starts it again.
type parts struct {
	log *slog.Logger
	wg  sync.WaitGroup
}

func newParts(log *slog.Logger) *parts { return &parts{log: log} }

// restartPause keeps a part that fails at once from spinning.
const restartPause = time.Second

func (g *parts) run(name string, ctx context.Context, f func(context.Context) error) {
	g.wg.Go(func() {
		for ctx.Err() == nil {
			err := guarded(ctx, f)
			if err == nil || ctx.Err() != nil {
				return
			}
			g.log.Error("part failed, starting it again", "part", name, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(restartPause):
			}
		}
	})
}

func (g *parts) wait() { g.wg.Wait() }

func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f(ctx)
}

// newLog writes text to a terminal and JSON elsewhere, unless told otherwise.
func newLog(a *app, c config.Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "text" || (c.LogFormat == "auto" && isTerminal(a.stderr)) {
		return slog.New(slog.NewTextHandler(a.stderr, o))
	}
	return slog.New(slog.NewJSONHandler(a.stderr, o))
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{Control: setUserTimeout}
	return lc.Listen(ctx, "tcp", address)
}
