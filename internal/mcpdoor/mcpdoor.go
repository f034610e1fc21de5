// Package mcpdoor is the door for agents that speak the Model Context Protocol: three tools to write down what they do,
// over streamable HTTP without sessions.
//
// An agent decides itself what to log here, so these are its milestones rather than its every step. A token counts and
// nothing else: no cookie, no session of the protocol. What was not stored is said in words that a model understands, as
// the result of the tool; only what the transport itself refuses is an error of HTTP.
package mcpdoor

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// Source is what entries say that came through this door.
	Source = "mcp"
	// callTimeout bounds a call: the protocol goes on with one whose request has ended.
	callTimeout = 20 * time.Second
)

// writer is the write path.
type writer interface {
	Append(ctx context.Context, p *account.Principal, drafts []worklog.Draft) ([]worklog.Receipt, error)
	UpdateOwn(ctx context.Context, p *account.Principal, own ingest.Own, patch worklog.EntryPatch) (worklog.Receipt, error)
	Key(key string) string
}

// reader finds conversations and their entries.
type reader interface {
	ConversationByKey(ctx context.Context, owner int64, key string) (store.Conversation, error)
	Entries(ctx context.Context, q store.EntryQuery) (store.EntryPage, error)
}

// Deps is what a door is built from.
type Deps struct {
	Store   reader
	Ingest  writer
	Version string       // of the program
	Log     *slog.Logger // nil: nothing
}

type door struct {
	store  reader
	ingest writer
	log    *slog.Logger
}

const instructions = `Worklog shows people what you are doing while you do it. Log what somebody who looks over your shoulder would want to know: ` +
	`what you begin, what came out of it, what failed and what you try instead. Begin long work with status "working" and end it with update_work. ` +
	`Use one conversation for one piece of work. Never log passwords, keys or tokens.`

// New returns the handler. The request's context must carry the principal.
func New(d Deps) http.Handler {
	x := &door{store: d.Store, ingest: d.Ingest, log: d.Log}
	if x.log == nil {
		x.log = slog.New(slog.DiscardHandler)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "worklog", Title: "Worklog", Version: d.Version}, &mcp.ServerOptions{
		Instructions: instructions, Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
	})
	server.AddReceivingMiddleware(x.bounded)
	x.addTools(server)
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, MaxRequestBodyBytes: MaxBody,
	})
}

// MaxBody bounds a request: details and metadata at their bounds, escaped.
const MaxBody = 2 << 20

// bounded gives every call a deadline and turns a panic, which would end the program in a goroutine of the protocol's,
// into an error.
func (d *door) bounded(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (result mcp.Result, err error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		defer func() {
			if r := recover(); r != nil {
				d.log.Error("call panicked", "method", method, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
				result, err = nil, worklog.Errorf(worklog.CodeInternal, "internal error")
			}
		}()
		return next(ctx, method, req)
	}
}

// may returns the principal if it has the right.
func may(ctx context.Context, right account.Scope) (*account.Principal, error) {
	p := account.PrincipalFrom(ctx)
	if p == nil || p.Token == nil {
		return nil, worklog.Errorf(worklog.CodeUnauthorized, "send a token in the Authorization header")
	}
	if !p.Can(right) {
		return nil, worklog.Errorf(worklog.CodeForbidden, "the token of this connection lacks the right %q", right)
	}
	return p, nil
}

// said is an error in words for the model: what it can mend by itself, else only that it can not.
func (d *door) said(err error) error {
	switch worklog.CodeOf(err) {
	case worklog.CodeInternal:
		d.log.Error("call failed", "error", err)
		return fmt.Errorf("worklog failed; this is nothing that you can mend, go on with your work")
	case worklog.CodeUnavailable:
		return fmt.Errorf("worklog can not store anything right now; nothing was stored, or it is not known; try again in a few seconds")
	}
	return err
}
