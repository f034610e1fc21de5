package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// retentionLock is the advisory lock that lets one process at a time sweep, restore or prune.
	retentionLock = 0x776c7377 // "wlsw"
	// retentionLockWait is how long a newcomer waits for a process that was killed to be noticed by the server.
	retentionLockWait = 5 * time.Second
	// keptSweeps bounds the history.
	keptSweeps = 1000
)

// SweepState says how a sweep stands.
type SweepState string

// The states. A sweep whose process was killed is marked as interrupted by whoever comes next.
const (
	SweepRunning     SweepState = "running"
	SweepDone        SweepState = "done"
	SweepFailed      SweepState = "failed" // a step was stopped, see Error; the others went on
	SweepInterrupted SweepState = "interrupted"
)

// Sweep is one pass of retention in the history.
type Sweep struct {
	bun.BaseModel `bun:"table:sweeps,alias:sw" json:"-"`

	ID           int64      `bun:"id,pk,autoincrement" json:"id"`
	StartedBy    string     `bun:"started_by" json:"started_by"` // schedule, command, api or page
	UserID       *int64     `bun:"user_id" json:"-"`
	ScheduledFor *time.Time `bun:"scheduled_for" json:"scheduled_for,omitempty"`
	State        SweepState `bun:"state" json:"state"`
	StartedAt    time.Time  `bun:"started_at" json:"started_at"`
	UpdatedAt    time.Time  `bun:"updated_at" json:"updated_at"`
	FinishedAt   *time.Time `bun:"finished_at" json:"finished_at"`
	// Entries that became warm, cold, archived, and that were deleted.
	Warm     int64 `bun:"warm" json:"warm"`
	Cold     int64 `bun:"cold" json:"cold"`
	Archived int64 `bun:"archived" json:"archived"`
	Deleted  int64 `bun:"deleted" json:"deleted"`
	// Bytes that left the database, that were written to the archive, and that were deleted from it.
	FreedBytes   int64  `bun:"freed_bytes" json:"freed_bytes"`
	StoredBytes  int64  `bun:"stored_bytes" json:"stored_bytes"`
	DroppedBytes int64  `bun:"dropped_bytes" json:"dropped_bytes"`
	Error        string `bun:"error" json:"error"` // a line for each step that was stopped
}

// LockRetention lets the caller be the only one that sweeps, restores or prunes, in all processes on the database. It
// is a conflict while another does. Lost tells that the lock went with its connection; the caller calls release.
func (s *Store) LockRetention(ctx context.Context) (lost func(context.Context) error, release func(), err error) {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, mapError(err)
	}
	conn := pooled.Hijack() // whatever happens, the lock must not return to the pool
	release = func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitCheckTimeout)
		defer cancel()
		_ = conn.Close(closing)
	}
	ok, err := tryRetentionLock(ctx, conn)
	if err == nil && !ok {
		err = worklog.Errorf(worklog.CodeConflict, "a sweep or a restore is running already")
	}
	if err != nil {
		release()
		return nil, nil, mapError(err)
	}
	lost = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, commitCheckTimeout)
		defer cancel()
		return mapError(conn.Ping(ctx))
	}
	return lost, release, nil
}

func tryRetentionLock(ctx context.Context, conn *pgx.Conn) (ok bool, err error) {
	for deadline := time.Now().Add(retentionLockWait); ; {
		err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", retentionLock).Scan(&ok)
		if err != nil || ok || time.Now().After(deadline) {
			return ok, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(retentionLockWait / 20):
		}
	}
}

// BeginSweep notes that a sweep begins that nobody asked for, and that those which never ended were interrupted. The
// caller holds the lock.
func (s *Store) BeginSweep(ctx context.Context, sw *Sweep) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error { return beginSweep(ctx, tx, sw) })
}

// BeginSweep is the one of Store for a sweep that somebody asked for.
func (a Admin) BeginSweep(ctx context.Context, sw *Sweep) error {
	if a.by.User != 0 {
		sw.UserID = &a.by.User
	}
	return a.do(ctx, account.Act{Action: account.ActSweep}, func(ctx context.Context, tx bun.Tx) error { return beginSweep(ctx, tx, sw) })
}

func beginSweep(ctx context.Context, tx bun.Tx, sw *Sweep) error {
	if err := endKilled(ctx, tx); err != nil {
		return err
	}
	sw.State = SweepRunning
	_, err := tx.NewInsert().Model(sw).Exec(ctx)
	return err
}

func endKilled(ctx context.Context, db bun.IDB) error {
	_, err := db.NewUpdate().Model((*Sweep)(nil)).Set("state = ?", SweepInterrupted).Set("finished_at = updated_at").
		Where("sw.state = ?", SweepRunning).Exec(ctx)
	return err
}

// SweepRuns reports whether the history has a sweep that has not ended: it runs, or its process was killed.
func (s *Store) SweepRuns(ctx context.Context) (runs bool, err error) {
	err = s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM sweeps WHERE state = 'running')").Scan(&runs)
	return runs, mapError(err)
}

// EndKilledSweeps notes that sweeps which never ended were interrupted. The caller holds the lock.
func (s *Store) EndKilledSweeps(ctx context.Context) error { return mapError(endKilled(ctx, s.db)) }

// UpdateSweep stores the figures and the state of a sweep. When it has ended, the oldest of the history go.
func (s *Store) UpdateSweep(ctx context.Context, sw *Sweep) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewUpdate().Model(sw).WherePK().Exec(ctx); err != nil || sw.State == SweepRunning {
			return err
		}
		_, err := tx.NewDelete().Model((*Sweep)(nil)).Where("sw.id <= ?", sw.ID-keptSweeps).Exec(ctx)
		return err
	})
}

// Sweeps returns the history, newest first.
func (s *Store) Sweeps(ctx context.Context, limit int) (list []Sweep, err error) {
	err = s.db.NewSelect().Model(&list).Order("sw.id DESC").Limit(int64(min(max(limit, 1), keptSweeps))).Scan(ctx)
	return list, mapError(err)
}

// LastSweep returns the newest sweep that has ended; false when none has.
func (s *Store) LastSweep(ctx context.Context) (sw Sweep, ok bool, err error) {
	err = s.db.NewSelect().Model(&sw).Where("sw.finished_at IS NOT NULL").Order("sw.id DESC").Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return sw, false, nil
	}
	return sw, err == nil, mapError(err)
}

// SweptFor reports whether the sweep of that time has run to its end, or need not: the installation is younger.
func (s *Store) SweptFor(ctx context.Context, at time.Time) (done bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sweeps WHERE scheduled_for = $1::timestamptz AND state IN ('done', 'failed'))
		OR EXISTS (SELECT FROM installation WHERE created_at > $1::timestamptz)`, at).Scan(&done)
	return done, mapError(err)
}

// errHeld refuses what an admin's hold forbids.
func errHeld() error {
	return worklog.Errorf(worklog.CodeConflict, "an administrator holds this conversation: it can not be deleted")
}

// Installation is the id of the installation: the first part of the names of its archive objects.
func (s *Store) Installation(ctx context.Context) (id string, err error) {
	err = s.pool.QueryRow(ctx, "SELECT id::text FROM installation").Scan(&id)
	if err != nil {
		return "", fmt.Errorf("installation: %w", mapError(err))
	}
	return id, nil
}
