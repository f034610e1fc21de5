package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/worklogdev/worklog/internal/demo"
	"github.com/worklogdev/worklog/worklog"
)

// demoCmd lets lifelike agents write to a running server, to look at it or to try a client out.
type demoCmd struct {
	Seed uint64 `help:"What the agents do depends on this number alone." default:"1"`
}

// Run writes until a signal comes.
func (cmd demoCmd) Run(a *app) error {
	client, err := a.client(worklog.WithoutKeys())
	if err != nil {
		return err
	}
	return demo.Play(a.ctx, client, cmd.Seed, slog.New(slog.NewTextHandler(a.stderr, nil)))
}

// runDemo is the agent of `serve --demo`: without keys of the client's own, so that the server sees repeats as such.
func runDemo(ctx context.Context, url, token string, log *slog.Logger) error {
	if err := endLeftovers(ctx, worklog.New(url, token)); err != nil && ctx.Err() == nil {
		return err
	}
	return demo.Play(ctx, worklog.New(url, token, worklog.WithoutKeys()), 1, log)
}

// endLeftovers ends the demo's steps that ran when it was stopped: nobody else would. Those of agents that somebody has
// connected to it go on.
func endLeftovers(ctx context.Context, c *worklog.Client) error {
	stopped := worklog.StatusWarning
	for e, err := range c.All(ctx, worklog.Query{Status: worklog.StatusWorking}) {
		if err != nil {
			return err
		}
		if !strings.HasPrefix(e.Key, demo.Keys) {
			continue
		}
		patch := worklog.EntryPatch{Status: &stopped, Metadata: worklog.Metadata{"ended_by": "the demo was stopped"}}
		if _, err := c.PatchEntry(ctx, e.ID, patch); err != nil {
			return err
		}
	}
	return nil
}
