package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// baseline writes the same rows into the same tables without worklog: what PostgreSQL does for one transaction per
// entry, and what it does for one COPY. Its owners are accounts of their own with conversations of their own.
type baseline struct {
	site   *site
	owners []baseOwner
	// copied are the owners of COPY's rows. Those have no counters: worklog's rollups, which follow the others' while they
	// are measured, would read COPY's rows again with each of their news.
	copied []baseOwner
	// plainAddress is where the plain server listens.
	plainAddress string
}

type baseOwner struct {
	id            int64
	token         uuid.UUID
	conversations [conversationsPerUser]uuid.UUID
	seq           int64 // the last one of COPY
}

func newBaseline(ctx context.Context, s *site) (*baseline, error) {
	b := &baseline{site: s}
	for _, owners := range []*[]baseOwner{&b.owners, &b.copied} {
		for i := range users {
			o, err := newBaseOwner(ctx, s, s.users[i].tokenID)
			if err != nil {
				return nil, err
			}
			*owners = append(*owners, o)
		}
	}
	return b, nil
}

func newBaseOwner(ctx context.Context, s *site, token uuid.UUID) (o baseOwner, err error) {
	o.token = token
	err = s.pool.QueryRow(ctx, "INSERT INTO users (email, created_at) VALUES ($1, now()) RETURNING id", uuid.NewString()+"@example.org").Scan(&o.id)
	if err != nil {
		return o, err
	}
	for c := range o.conversations {
		o.conversations[c] = uuid.New()
		_, err := s.pool.Exec(ctx, "INSERT INTO conversations (owner_id, id, key, created_at) VALUES ($1, $2, $3, now())", o.id, o.conversations[c], conversationKey(int64(c)))
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

const (
	baseStats = `INSERT INTO work_log_stats AS st (owner_id, last_rev, stored, hot, bytes, last_logged_at) VALUES ($1, 1, 1, 1, $2, $3)
		ON CONFLICT (owner_id) DO UPDATE SET last_rev = st.last_rev + 1, stored = st.stored + 1, hot = st.hot + 1, bytes = st.bytes + EXCLUDED.bytes,
			last_logged_at = EXCLUDED.last_logged_at
		RETURNING last_rev`
	baseInsert = `INSERT INTO work_logs (owner_id, seq, rev, id, conversation_id, key, type, status, tool, title, details, metadata, source, token_id,
			repeats, inferred, keep, ended_at, logged_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`
)

// singles returns the entries per second of one transaction each, from as many connections as there are clients.
func (b *baseline) singles(ctx context.Context, n *numbers, d time.Duration) (float64, error) {
	var stored atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i := range fewClients {
		g.Go(func() error {
			for time.Since(began) < d && ctx.Err() == nil {
				if err := b.single(ctx, &b.owners[i%users], n.next(1)); err != nil {
					return err
				}
				stored.Add(1)
			}
			return nil
		})
	}
	err := g.Wait()
	return float64(stored.Load()) / time.Since(began).Seconds(), err
}

func (b *baseline) single(ctx context.Context, o *baseOwner, n int64) error {
	return pgx.BeginFunc(ctx, b.site.pool, func(tx pgx.Tx) error {
		now := time.Now()
		var rev int64
		if err := tx.QueryRow(ctx, baseStats, o.id, int64(detailsBytes), now).Scan(&rev); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, baseInsert, copyRow(o.id, rev, n, uuid.New(), o.conversations[n%conversationsPerUser], o.token, false, now)...)
		return err
	})
}

// copy returns the rows per second of one COPY in one transaction, the commit included.
func (b *baseline) copy(ctx context.Context, n *numbers, count int, withKey bool) (float64, error) {
	rows := make([][]any, 0, count)
	now := time.Now()
	for i := range count {
		o := &b.copied[i%users]
		o.seq++
		k := n.next(1)
		rows = append(rows, copyRow(o.id, o.seq, k, uuid.New(), o.conversations[k%conversationsPerUser], o.token, withKey, now))
	}
	began := time.Now()
	err := pgx.BeginFunc(ctx, b.site.pool, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"work_logs"}, copyColumns(), pgx.CopyFromRows(rows))
		return err
	})
	return float64(count) / time.Since(began).Seconds(), err
}
