package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"log/slog"

	"github.com/worklogdev/worklog/internal/store"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply every missing migration."`
	Down   migrateDownCmd   `cmd:"" help:"Take back the last group of migrations. Deletes what they hold."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations."`
}

type migrateUpCmd struct{}

// Run applies every missing migration.
func (migrateUpCmd) Run(a *app) error {
	return withSchema(a, func(st *store.Store) error { return st.Migrate(a.ctx) })
}

type migrateDownCmd struct {
	Yes bool `help:"Do it: everything in the dropped tables is lost."`
}

// Run takes back the last group of migrations.
func (m migrateDownCmd) Run(a *app) error {
	if !m.Yes {
		return fmt.Errorf("this deletes data: say --yes")
	}
	return withSchema(a, func(st *store.Store) error { return st.MigrateDown(a.ctx) })
}

type migrateStatusCmd struct{}

// Run lists the migrations.
func (migrateStatusCmd) Run(a *app) error {
	return withSchema(a, func(st *store.Store) error {
		list, err := st.MigrationStatus(a.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		for _, m := range list {
			state := "missing"
			if !m.AppliedAt.IsZero() {
				state = "applied " + m.AppliedAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\n", m.Name, state)
		}
		return w.Flush()
	})
}

// withSchema opens the database without migrating it.
func withSchema(a *app, f func(*store.Store) error) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	dsn, stop, err := database(a.ctx, cfg, log)
	if err != nil {
		return err
	}
	defer stop()
	st, err := store.Open(a.ctx, dsn, log)
	if err != nil {
		return err
	}
	defer st.Close()
	return f(st)
}
