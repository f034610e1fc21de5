package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// SetDumpStep makes every n entries of a dump a snapshot of their own.
func (s *Store) SetDumpStep(n int) { s.dumpStep = n }

// SetDumpTimeout bounds the snapshots of a dump.
func (s *Store) SetDumpTimeout(limit time.Duration) { s.dumpTimeout = limit }

// Tables lists the tables of the schema.
func (s *Store) Tables(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// DSN is where the database is.
func (s *Store) DSN() string { return s.pool.Config().ConnString() }

// MigrateTo gives an empty database exactly the named migrations.
func (s *Store) MigrateTo(ctx context.Context, names ...string) error { return s.migrateTo(ctx, names) }

// Exec runs a statement of a test.
func (s *Store) Exec(ctx context.Context, sql string) error {
	_, err := s.pool.Exec(ctx, sql)
	return err
}
