package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/internal/store"
)

// stopTimeout bounds the stop of the private PostgreSQL.
const stopTimeout = 30 * time.Second

// config reads the settings; every mistake is in the error.
func (a *app) config() (config.Config, error) {
	return config.Load(a.env, a.readFile)
}

// openStore opens the database that a running server uses, or the one it would use: the private PostgreSQL is
// started when none runs. The caller calls close.
func openStore(a *app) (st *store.Store, closeAll func(), err error) {
	cfg, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	dsn, stop, err := database(a.ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	st, err = store.Open(a.ctx, dsn, log)
	if err == nil {
		err = st.Migrate(a.ctx)
	}
	if err != nil {
		if st != nil {
			st.Close()
		}
		stop()
		return nil, nil, err
	}
	return st, func() { st.Close(); stop() }, nil
}

// database returns where the database is for a command that runs next to the server or alone.
func database(ctx context.Context, cfg config.Config, log *slog.Logger) (dsn string, stop func(), err error) {
	if cfg.DatabaseURL != "" {
		return string(cfg.DatabaseURL), func() {}, nil
	}
	dsn, err = postgres.RunningDSN(cfg.PostgresDir())
	if err == nil {
		return dsn, func() {}, nil
	}
	if !errors.Is(err, postgres.ErrNotRunning) {
		return "", nil, err
	}
	pg, err := startPostgres(ctx, cfg, log)
	if err != nil {
		return "", nil, err
	}
	return pg.DSN(), func() { stopPostgres(pg, log) }, nil
}

func startPostgres(ctx context.Context, cfg config.Config, log *slog.Logger) (*postgres.Server, error) {
	pg, err := postgres.Start(ctx, postgres.Options{Dir: cfg.PostgresDir(), RuntimeDir: cfg.RuntimeDir, Log: log})
	if errors.Is(err, postgres.ErrNotFound) {
		return nil, fmt.Errorf("%w: install it (Debian, Ubuntu: apt-get install postgresql) or set DATABASE_URL", err)
	}
	return pg, err
}

func stopPostgres(pg *postgres.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := pg.Stop(ctx); err != nil {
		log.Error("stop PostgreSQL", "error", err)
	}
}
