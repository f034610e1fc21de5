package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// appendStatements are the statements of a group commit.
func appendStatements() [11]string {
	return [...]string{
		sqlLock, sqlKnownKeys, sqlKnownIDs, sqlKnownConversations, sqlInsertConversations, sqlTouchConversations, sqlInsertEntries, sqlUpdateEntries, sqlCloseStats,
		sqlKnownTools, sqlTeachTools,
	}
}

// prepare makes sure that conn knows the statements; after the first time it costs nothing.
func prepare(ctx context.Context, conn *pgxpool.Conn) error {
	for _, sql := range appendStatements() {
		if _, err := conn.Conn().Prepare(ctx, sql, sql); err != nil {
			return err
		}
	}
	return nil
}

// Warm opens the connections of the write path and runs its statements on nothing: the first batches of a connection
// took 20 to 150 ms, for which the first writers after a start waited. The schema must be there.
func (s *Store) Warm(ctx context.Context) error {
	for range writerConns {
		conn, err := s.writer.Acquire(ctx)
		if err != nil {
			return mapError(err)
		}
		defer conn.Release()
		if err := warm(ctx, conn); err != nil {
			return mapError(err)
		}
	}
	return nil
}

// warm runs every statement with NULL for each of its arrays, which has no rows.
func warm(ctx context.Context, conn *pgxpool.Conn) error {
	var b pgx.Batch
	for _, sql := range appendStatements() {
		statement, err := conn.Conn().Prepare(ctx, sql, sql)
		if err != nil {
			return err
		}
		b.Queue(sql, make([]any, len(statement.ParamOIDs))...)
	}
	return conn.SendBatch(ctx, &b).Close()
}
