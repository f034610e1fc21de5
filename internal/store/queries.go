package store

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// queryCounter is a pgx tracer that counts statements, those of a pipeline one by one.
type queryCounter struct{ n atomic.Int64 }

// Queries is how many statements went to the database since Open, pings and the statements around transactions included.
func (s *Store) Queries() int64 { return s.queries.n.Load() }

// TraceQueryStart counts a statement.
func (q *queryCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	q.n.Add(1)
	return ctx
}

// TraceQueryEnd does nothing.
func (q *queryCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart counts the statements of a pipeline.
func (q *queryCounter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	q.n.Add(int64(data.Batch.Len()))
	return ctx
}

// TraceBatchQuery does nothing: its statement is counted already.
func (q *queryCounter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd does nothing.
func (q *queryCounter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
