package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
)

const (
	// looks is how often each range of the dashboard is read.
	looks = 30
	// lookLimit is what a look may take, whatever the range.
	lookLimit = 50 * time.Millisecond
)

// measureDashboard reads every range of the dashboard on rollups of ten million entries.
func measureDashboard(ctx context.Context, s *site, _ options) (results []result, err error) {
	if err := s.fillRollups(ctx); err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, s.postgres.DSN(), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer st.Close()
	for _, r := range rollup.Ranges() {
		var times []time.Duration
		for range looks {
			began := time.Now()
			if _, err := st.Dashboard(ctx, r, began, 0); err != nil {
				return nil, err
			}
			times = append(times, time.Since(began))
		}
		p50 := quantile(times, 0.5)
		results = append(results, result{
			what: "dashboard of " + r.Name + " with rollups of 10,000,000 entries, p50 / p99 / worst", figure: spread(times), aim: "p50 < " + milliseconds(lookLimit), missed: p50 >= lookLimit,
		})
	}
	return results, nil
}

// fillRollups writes what ten million entries of a thousand users in ninety days leave: every bucket has as many tools and
// users as it can have of so many entries.
func (s *site) fillRollups(ctx context.Context) error {
	statements := []string{
		`INSERT INTO users (email, created_at) SELECT 'writer' || i || '@example.org', now() FROM generate_series(1, 1000) i`,
		`INSERT INTO work_log_stats (owner_id, last_rev, stored) SELECT id, 10000, 10000 FROM users ON CONFLICT (owner_id) DO UPDATE SET last_rev = 10000, stored = 10000`,
		`INSERT INTO rollup_marks (owner_id, rev, stored) SELECT id, 10000, 10000 FROM users ON CONFLICT (owner_id) DO UPDATE SET rev = 10000, stored = 10000`,
	}
	for _, g := range []struct {
		grain                 rollup.Grain
		buckets, tools, users int
	}{{rollup.Minute, 3000, 40, 60}, {rollup.Hour, 360, 150, 400}, {rollup.Day, 180, 200, 1000}, {rollup.Week, 26, 200, 1000}} {
		bucket := fmt.Sprintf("'%s', '%s'::timestamptz - b * interval '1 %s', ", g.grain, g.grain.Bucket(time.Now()).Format(time.RFC3339), g.grain)
		series := fmt.Sprintf("FROM generate_series(0, %d) b", g.buckets-1)
		statements = append(statements,
			"INSERT INTO rollup_entries SELECT "+bucket+"t, s, 1000 "+series+", unnest('{tool_call,ai_response,info}'::text[]) t, unnest('{working,success,warning,error,info}'::text[]) s ON CONFLICT DO NOTHING",
			"INSERT INTO rollup_owners SELECT "+bucket+"(b * 7 + u) % 1000 + 1, 100 + u % 17, 3 "+series+fmt.Sprintf(", generate_series(1, %d) u ON CONFLICT DO NOTHING", g.users),
			"INSERT INTO rollup_tools SELECT "+bucket+"'tool-' || u, 1000 - u, 3, array_fill(u, ARRAY[20 + u % 50]) "+series+fmt.Sprintf(", generate_series(1, %d) u ON CONFLICT DO NOTHING", g.tools),
			"INSERT INTO rollup_ledger SELECT "+bucket+"1, 2, 3, 4, 5, 6, 7 "+series+" ON CONFLICT DO NOTHING",
		)
	}
	for _, sql := range append(statements, "VACUUM ANALYZE") {
		if _, err := s.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%.60s: %w", sql, err)
		}
	}
	return nil
}
