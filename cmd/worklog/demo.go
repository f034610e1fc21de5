package main

import (
	"context"
	"log/slog"

	"github.com/worklogdev/worklog/internal/demo"
	"github.com/worklogdev/worklog/worklog"
)

// demoCmd lets lifelike agents write to a running server, to look at it or to try a client out.
type demoCmd struct {
	Seed uint64 `help:"What the agents do depends on this number alone." default:"1"`
}

// Run writes until a signal comes.
func (cmd demoCmd) Run(a *app) error {
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	return playDemo(a.ctx, a.env("WORKLOG_URL"), a.env("WORKLOG_TOKEN"), cmd.Seed, log)
}

// runDemo is the agent of `serve --demo`.
func runDemo(ctx context.Context, url, token string, log *slog.Logger) error {
	return playDemo(ctx, url, token, 1, log)
}

// playDemo plays through the public client. Without keys of the client's own, so that the server sees repeats as such.
func playDemo(ctx context.Context, url, token string, seed uint64, log *slog.Logger) error {
	return demo.Play(ctx, worklog.New(url, token, worklog.WithoutKeys()), seed, log)
}
