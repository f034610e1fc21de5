// Package store keeps everything in PostgreSQL. It alone imports Bun and writes SQL; an exported method is one transaction.
//
// Every writer of entries runs READ COMMITTED and in one order: make sure the owners' rows in work_log_stats exist,
// lock them in ascending owner order, look up, write, close with one stats upsert. Other orders deadlock.
//
// Decision: models, migrations, reads and the stats upsert are Bun's; the statements of a group commit are prepared
// and pipelined through pgx, because a batch then costs two round trips instead of seven.
package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// minVersion is the first server with ON DELETE SET NULL (column).
	minVersion = 150000
	// connectTimeout bounds the wait for a server that is just starting.
	connectTimeout = 10 * time.Second
	// maxConns leaves room for other programs on a server with the default of 100.
	maxConns = 24
	// minConns stay open: what a burst finds closed costs it several milliseconds each.
	minConns    = 4
	writerConns = 2
	// statementTimeout ends a query that nobody should wait for any longer.
	statementTimeout = 20 * time.Second
)

// Store is the database. Its methods are safe for concurrent use.
type Store struct {
	pool   *pgxpool.Pool
	writer *pgxpool.Pool // of the write path alone: readers can not starve it
	db     *bun.DB
	log    *slog.Logger
	epoch  atomic.Pointer[string]
	owners ownerSet // owners whose stats row is known to exist

	queries     queryCounter
	dumpStep    int           // of a test of dumps; 0: the constant
	dumpTimeout time.Duration // the same
}

// Open connects to the server at dsn and refuses one older than PostgreSQL 15. The caller closes the store.
func Open(ctx context.Context, dsn string, log *slog.Logger) (*Store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	s := &Store{log: log}
	config.MaxConns, config.MinConns = max(config.MaxConns, maxConns), max(config.MinConns, minConns)
	config.ConnConfig.Tracer = &s.queries
	// Bun writes literals into its statements: a cache of prepared statements would only thrash.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.ConnConfig.ConnectTimeout = connectTimeout
	params := config.ConnConfig.RuntimeParams
	params["application_name"] = "worklog"
	params["timezone"] = "UTC"
	params["statement_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	params["idle_in_transaction_session_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	config.AfterConnect = syncCommits
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	config = config.Copy()
	config.MaxConns, config.MinConns = writerConns, writerConns
	// The write path's statements take arrays and always find their rows by index: planning each batch anew took a third
	// of it. A plan that is made once must not be that of a table that was small then.
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	writer, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.pool, s.writer = pool, writer
	s.db = bun.NewDB(stdlib.OpenDBFromPool(pool), pgdialect.New())
	if err := s.checkVersion(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// syncCommits has commits wait for the disk where the server is set to answer before: what was acknowledged is stored.
func syncCommits(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
	return err
}

func (s *Store) checkVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var number int
	var name string
	err := s.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version')").Scan(&number, &name)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if number < minVersion {
		return fmt.Errorf("PostgreSQL %s is too old: worklog needs 15 or newer", name)
	}
	return nil
}

// Close waits for running queries and closes every connection.
func (s *Store) Close() {
	_ = s.db.Close() // it only wraps the pool
	s.writer.Close()
	s.pool.Close()
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return mapError(s.pool.Ping(ctx))
}

// Epoch is the installation's epoch: revs of another epoch mean nothing.
func (s *Store) Epoch(ctx context.Context) (string, error) {
	if e := s.epoch.Load(); e != nil {
		return *e, nil
	}
	var epoch string
	if err := s.db.NewSelect().Table("installation").Column("epoch").Scan(ctx, &epoch); err != nil {
		return "", mapError(err)
	}
	s.epoch.Store(&epoch)
	return epoch, nil
}

// inTx runs f in one READ COMMITTED transaction.
func (s *Store) inTx(ctx context.Context, f func(context.Context, bun.Tx) error) error {
	return mapError(s.db.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, f))
}

// inSnapshot runs f in one read-only transaction in which every query sees the same state.
func (s *Store) inSnapshot(ctx context.Context, f func(context.Context, bun.Tx) error) error {
	return mapError(s.db.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, f))
}

// lockOwners makes sure that the owners' stats rows exist and locks them in ascending order. Owners must be sorted.
func (s *Store) lockOwners(ctx context.Context, tx bun.IDB, owners ...int64) (map[int64]*statsRow, error) {
	rows := make([]statsRow, len(owners))
	for i, owner := range owners {
		rows[i].OwnerID = owner
	}
	if _, err := tx.NewInsert().Model(&rows).Column("owner_id").On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
		return nil, err
	}
	rows = rows[:0]
	err := tx.NewSelect().Model(&rows).ColumnExpr("?TableColumns").Column("st.closed").Where("owner_id IN (?)", bun.List(owners)).Order("owner_id").For("UPDATE").Scan(ctx)
	if err != nil {
		return nil, err
	}
	locked := make(map[int64]*statsRow, len(rows))
	for i := range rows {
		locked[rows[i].OwnerID] = &rows[i]
	}
	if len(locked) < len(owners) {
		return nil, worklog.Errorf(worklog.CodeNotFound, "no such user")
	}
	return locked, nil
}

// maxKnownOwners bounds the memory of ownerSet; beyond it the set starts anew.
const maxKnownOwners = 100_000

// ownerSet remembers owners. It may forget, it never invents.
type ownerSet struct {
	mu  sync.Mutex
	ids map[int64]struct{}
}

// unknown returns those of ids that are not in the set.
func (o *ownerSet) unknown(ids []int64) (missing []int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if _, ok := o.ids[id]; !ok {
			missing = append(missing, id)
		}
	}
	return missing
}

func (o *ownerSet) add(ids []int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids == nil || len(o.ids) > maxKnownOwners {
		o.ids = make(map[int64]struct{})
	}
	for _, id := range ids {
		o.ids[id] = struct{}{}
	}
}
