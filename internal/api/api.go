// Package api is the JSON API: it reads requests strictly, calls one method of ingest or store, and writes the answer.
//
// Who may use a route stands next to it in Routes and is enforced by whoever mounts the routes. Handlers return errors;
// the server's one error handler answers them as problem documents.
package api

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/semaphore"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/otlp"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/hookdoor"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/mcpdoor"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// Deps is what an API is built from.
type Deps struct {
	Store   *store.Store
	Sweeper *retention.Sweeper // nil: nobody sweeps
	Archive *archive.Archive   // nil: there is none
	Ingest  *ingest.Service
	Hooks   *hookdoor.Door // nil: one that is made of the store and the write path
	Hub     *hub.Hub
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now
	Version string           // of the program
}

// API answers programs.
type API struct {
	store   *store.Store
	sweeper *retention.Sweeper
	archive *archive.Archive
	ingest  *ingest.Service
	hooks   *hookdoor.Door
	hub     *hub.Hub
	log     *slog.Logger
	now     func() time.Time

	large   *semaphore.Weighted // bytes of large bodies that are being read, see reserve
	buffers *sync.Pool          // of *bytes.Buffer
	traces  *otlp.Traces
	mcp     http.Handler
}

// New returns the API.
func New(d Deps) *API {
	a := &API{store: d.Store, sweeper: d.Sweeper, archive: d.Archive, ingest: d.Ingest, hooks: d.Hooks, hub: d.Hub, log: d.Log, now: d.Now, large: semaphore.NewWeighted(maxLargeBytes), buffers: newBuffers(), traces: otlp.NewTraces()}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.mcp = mcpdoor.New(mcpdoor.Deps{Store: d.Store, Ingest: d.Ingest, Version: d.Version, Log: a.log})
	if a.hooks == nil {
		a.hooks = hookdoor.New(hookdoor.Deps{Store: d.Store, Ingest: d.Ingest, Now: a.now})
	}
	return a
}

// HooksPath is the door of agents' hooks.
const HooksPath = "/api/v1/hooks"

// Routes is every route of the API and who may use it.
func (a *API) Routes() []Route {
	get, post, patch, del := http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	public := account.Policy{Public: true}
	read := account.Policy{Scope: account.ScopeRead}
	write := account.Policy{Scope: account.ScopeWrite, Or: account.ScopeWriteAny}
	admin := account.Policy{Scope: account.ScopeAdmin}
	telemetry := account.Policy{Scope: account.ScopeWrite, Or: account.ScopeOTLP}
	address := account.Policy{Scope: account.ScopeOTLP} // a token in an address ends up in logs: no other kind is taken there
	return []Route{
		{post, "/api/v1/logs", write, a.appendLogs},
		{get, "/api/v1/logs", read, a.logs},
		{get, "/api/v1/logs/:id", read, a.entry},
		{get, "/api/v1/stream", read, a.stream},
		{patch, "/api/v1/logs/:id", read, a.patchEntry},
		{get, "/api/v1/conversations", read, a.conversations},
		{post, "/api/v1/conversations", read, a.createConversation},
		{get, "/api/v1/conversations/:id", read, a.conversation},
		{patch, "/api/v1/conversations/:id", read, a.patchConversation},
		{del, "/api/v1/conversations/:id", read, a.deleteConversation},
		{post, HooksPath, account.Policy{Scope: account.ScopeWrite}, a.hook},
		{post, "/v1/logs", telemetry, a.otlpLogs},
		{post, "/v1/traces", telemetry, a.otlpTraces},
		{post, "/v1/metrics", telemetry, a.otlpMetrics},
		{post, "/otlp/:token/v1/logs", address, a.otlpLogs},
		{post, "/otlp/:token/v1/traces", address, a.otlpTraces},
		{post, "/otlp/:token/v1/metrics", address, a.otlpMetrics},
		{post, "/mcp", account.Policy{TokenOnly: true, Scope: account.ScopeWrite, Or: account.ScopeRead}, a.mcpCall},
		{get, "/api/v1/stats", read, a.stats},
		{get, "/api/v1/retention", account.Policy{Scope: account.ScopeWrite, Or: account.ScopeRead}, a.retention},
		{get, "/api/v1/admin/stats", admin, a.adminStats},
		{get, "/api/v1/admin/cleanup", admin, a.sweeps},
		{post, "/api/v1/admin/cleanup", admin, a.cleanup},
		{get, "/api/openapi.yaml", public, a.openAPI},
	}
}

// principal is who is acting. The policies of all routes but the public ones make sure that there is somebody.
func principal(c echo.Context) *account.Principal {
	return account.PrincipalFrom(c.Request().Context())
}

func malformed(format string, args ...any) error {
	return worklog.Errorf(worklog.CodeMalformed, format, args...)
}
