package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/migrate"

	"github.com/worklogdev/worklog/migrations"
)

const (
	// migrationLock is the advisory lock that lets one process migrate at a time. Bun's own lock is a row, which a kill leaves behind.
	migrationLock = 0x776c6f67 // "wlog"
	// migrationTimeout bounds one run, the wait for another process included.
	migrationTimeout = 15 * time.Minute
)

// Migration is one step of the schema.
type Migration struct {
	Name      string
	AppliedAt time.Time // zero: not applied
}

// Migrate applies every missing migration. Several processes may call it at once.
func (s *Store) Migrate(ctx context.Context) error {
	return s.migrate(ctx, func(ctx context.Context, m *migrate.Migrator) error {
		if err := refuseNewer(ctx, m); err != nil {
			return err
		}
		_, err := m.Migrate(ctx)
		return err
	})
}

// MigrateDown takes back the migrations of the last call of Migrate that changed something.
func (s *Store) MigrateDown(ctx context.Context) error {
	return s.migrate(ctx, func(ctx context.Context, m *migrate.Migrator) error {
		_, err := m.Rollback(ctx)
		return err
	})
}

// MigrationStatus lists the migrations, oldest first.
func (s *Store) MigrationStatus(ctx context.Context) (list []Migration, err error) {
	err = s.migrate(ctx, func(ctx context.Context, m *migrate.Migrator) error {
		steps, err := m.MigrationsWithStatus(ctx)
		for _, step := range steps {
			list = append(list, Migration{Name: step.Name + "_" + step.Comment, AppliedAt: step.MigratedAt})
		}
		return err
	})
	return list, err
}

// migrate runs f with a migrator that knows every migration.
func (s *Store) migrate(ctx context.Context, f func(context.Context, *migrate.Migrator) error) error {
	return s.migrateSome(ctx, func(*migrate.Migration) bool { return true }, f)
}

// migrateSome runs f with a migrator on one connection that holds the lock and knows no statement timeout.
func (s *Store) migrateSome(ctx context.Context, known func(*migrate.Migration) bool, f func(context.Context, *migrate.Migrator) error) error {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	config := s.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	sqldb := stdlib.OpenDB(*config)
	defer sqldb.Close()
	sqldb.SetMaxOpenConns(2) // one holds the lock, one works
	lock, err := sqldb.Conn(ctx)
	if err != nil {
		return mapError(err)
	}
	defer lock.Close() // the lock ends with its connection
	if err := takeLock(ctx, lock); err != nil {
		return err
	}
	all, steps := migrate.NewMigrations(), migrate.NewMigrations()
	if err := all.Discover(migrations.FS); err != nil {
		return err
	}
	for _, step := range all.Sorted() {
		if known(&step) {
			steps.Add(step)
		}
	}
	m := migrate.NewMigrator(bun.NewDB(sqldb, pgdialect.New()), steps, migrate.WithMarkAppliedOnSuccess(true), migrate.WithUpsert(true), migrate.AfterMigration(mark))
	if err := m.Init(ctx); err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	if err := f(ctx, m); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// mark notes in the transaction of a migration that it was done or taken back. Bun notes it again afterwards, too late for
// a process that is killed in between: the next one would do it a second time, and fail.
func mark(ctx context.Context, db bun.IConn, m *migrate.Migration) (err error) {
	if m.IsApplied() {
		_, err = db.ExecContext(ctx, "DELETE FROM bun_migrations WHERE id = ?", m.ID)
	} else {
		_, err = db.ExecContext(ctx, "INSERT INTO bun_migrations (name, group_id) VALUES (?, ?)", m.Name, m.GroupID)
	}
	return err
}

func takeLock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return fmt.Errorf("wait for the migration lock: %w", err)
	}
	return nil
}

// refuseNewer keeps an old program from running on the schema of a newer one.
func refuseNewer(ctx context.Context, m *migrate.Migrator) error {
	missing, err := m.MissingMigrations(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("the database was written by a newer worklog (it knows migration %s)", missing[len(missing)-1].Name)
	}
	return nil
}
