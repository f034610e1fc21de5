package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// sweepTimeout bounds the sweep of a million entries on a machine that does other things, too.
	sweepTimeout = time.Hour
	// scanRounds is how often each scan is measured.
	scanRounds = 5
	// dayOf is a day as a duration.
	dayOf = 24 * time.Hour
)

// measureCleanup compares the sweep's scan with and without its index, then sweeps while two users go on posting: the
// first owns half of what is due, the second nothing.
func measureCleanup(ctx context.Context, s *site, o options) ([]result, error) {
	if err := s.fillDue(ctx, o.due); err != nil {
		return nil, err
	}
	scan, err := s.measureScan(ctx, o.due)
	if err != nil {
		return nil, err
	}
	if err := s.restartProgram(ctx); err != nil {
		return nil, err
	}
	before, err := s.residentKB()
	if err != nil {
		return nil, err
	}
	var calm, waits [2][]time.Duration
	if err := s.bystanders(ctx, &calm, func(ctx context.Context) error { return rest(ctx, 4*o.duration) }); err != nil {
		return nil, err
	}
	var sweep store.Sweep
	began := time.Now()
	if err := s.bystanders(ctx, &waits, func(ctx context.Context) (err error) { sweep, err = s.cleanup(ctx); return err }); err != nil {
		return nil, err
	}
	took := time.Since(began)
	peak, err := s.peakKB()
	if err != nil {
		return nil, err
	}
	moved := sweep.Warm + sweep.Cold + sweep.Archived + sweep.Deleted
	if sweep.State != store.SweepDone || moved < int64(o.due) {
		return nil, fmt.Errorf("the sweep is %s after %d of %d entries: %s", sweep.State, moved, o.due, sweep.Error)
	}
	results := []result{scan, {
		what:    fmt.Sprintf("sweep of %s due entries (%s warm, %s cold, %s deleted)", thousands(moved), thousands(sweep.Warm), thousands(sweep.Cold), thousands(sweep.Deleted)),
		figure:  perSecond(float64(moved) / took.Seconds()),
		against: fmt.Sprintf("%v; peak memory %d MB, %d MB before", took.Round(time.Second), peak>>10, before>>10),
	}}
	for i, who := range []string{"who owns half of what is due", "who owns nothing of it"} {
		during, without := quantile(waits[i], 0.99), quantile(calm[i], 0.99)
		results = append(results, result{
			what: "POST p50 / p99 / worst during the sweep, of a user " + who, figure: spread(waits[i]), against: "without: " + spread(calm[i]),
			ratio: float64(during) / float64(without), aim: "p99 <= 2x", missed: during > 2*without,
		})
	}
	return results, nil
}

// fillDue writes twice as many entries as are due: half of the due ones have reached the age of warm, a quarter that of
// cold, a quarter the end. What is due has a kilobyte of details; the other half is fresh and short.
func (s *site) fillDue(ctx context.Context, due int) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var others []int64
	for _, u := range s.users[2:] {
		others = append(others, u.id)
	}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{"SET LOCAL statement_timeout = 0", nil},
		{"SET LOCAL session_replication_role = replica", nil}, // no row has a conversation: there is no key to check
		{"INSERT INTO work_log_stats (owner_id) SELECT id FROM users ON CONFLICT DO NOTHING", nil},
		{"CREATE TEMPORARY TABLE made (owner bigint, n bigint, due boolean) ON COMMIT DROP", nil},
		{`INSERT INTO made SELECT CASE WHEN n % 2 = 0 THEN $2::bigint ELSE ($3::bigint[])[1 + n / 2 % array_length($3::bigint[], 1)] END, n, n <= $1 FROM generate_series(1, 2 * $1::bigint) n`,
			[]any{due, s.users[0].id, others}},
		{`INSERT INTO work_logs (owner_id, seq, rev, id, type, status, tool, title, details, metadata, source, logged_at, created_at, updated_at)
			SELECT owner, last_rev + row_number() OVER w, last_rev + row_number() OVER w, gen_random_uuid(), 'tool_call', 'success', 'Bash', 'Bash: go test ./internal/store -run ' || n,
				CASE WHEN due THEN n || $1 ELSE '' END, CASE WHEN due THEN '{"exit_code": 0, "command": "go test"}'::jsonb ELSE '{}' END, 'bench',
				now() - CASE WHEN NOT due THEN interval '1 day' WHEN n % 4 < 2 THEN interval '10 days' WHEN n % 4 = 2 THEN interval '40 days' ELSE interval '100 days' END
					- n * interval '1 millisecond', now(), now()
			FROM made JOIN work_log_stats ON owner_id = owner WINDOW w AS (PARTITION BY owner ORDER BY n)`, []any{details()}},
		{`UPDATE work_log_stats s SET last_rev = m.rev, stored = m.n, hot = m.n, bytes = m.bytes FROM (SELECT owner_id, max(rev) AS rev, count(*) AS n,
			sum(octet_length(title) + octet_length(details) + octet_length(metadata::text)) AS bytes FROM work_logs GROUP BY owner_id) m WHERE m.owner_id = s.owner_id`, nil},
		{`INSERT INTO rollup_marks (owner_id, rev, stored) SELECT owner_id, last_rev, stored FROM work_log_stats
			ON CONFLICT (owner_id) DO UPDATE SET rev = EXCLUDED.rev, stored = EXCLUDED.stored`, nil}, // the rollup is not what is measured
	} {
		if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
			return fmt.Errorf("%.60s: %w", q.sql, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, "VACUUM ANALYZE work_logs")
	return err
}

// measureScan finds the first page of what is due among all entries, with the index of retention and without.
func (s *site) measureScan(ctx context.Context, due int) (r result, err error) {
	st, err := store.Open(ctx, s.postgres.DSN(), slog.New(slog.DiscardHandler))
	if err != nil {
		return r, err
	}
	defer st.Close()
	now := time.Now()
	d := store.Due{From: []worklog.StorageStatus{worklog.StorageHot}, Until: now.Add(-90 * dayOf), Now: now}
	scan := func() (time.Duration, error) {
		var times []time.Duration
		for range scanRounds {
			began := time.Now()
			if _, err := st.DueEntries(ctx, worklog.StorageHot, d, store.DueEntry{}, 5000); err != nil {
				return 0, err
			}
			times = append(times, time.Since(began))
		}
		return quantile(times, 0.5), nil
	}
	with, err := scan()
	if err != nil {
		return r, err
	}
	if _, err = s.pool.Exec(ctx, "DROP INDEX work_logs_retention"); err != nil {
		return r, err
	}
	without, err := scan()
	if err != nil {
		return r, err
	}
	if _, err = s.pool.Exec(ctx, "CREATE INDEX work_logs_retention ON work_logs (storage_status, logged_at)"); err != nil {
		return r, err
	}
	ratio := float64(without) / float64(with)
	return result{
		what: fmt.Sprintf("finding 5,000 due entries among %s", thousands(2*int64(due))), figure: milliseconds(with), against: "without the index: " + milliseconds(without),
		ratio: ratio, aim: ">= 20x", missed: ratio < 20,
	}, nil
}

// cleanup sweeps as an administrator does, and waits for the end.
func (s *site) cleanup(ctx context.Context) (sw store.Sweep, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	token, err := s.adminToken(ctx)
	if err != nil {
		return sw, err
	}
	if err := s.admin(ctx, http.MethodPost, token, `{"dry_run":false}`, &sw); err != nil {
		return sw, err
	}
	for sw.State == store.SweepRunning || sw.State == "" {
		if err := rest(ctx, time.Second); err != nil {
			return sw, err
		}
		var history struct{ Sweeps []store.Sweep }
		if err := s.admin(ctx, http.MethodGet, token, "", &history); err != nil {
			return sw, err
		}
		sw = history.Sweeps[0]
	}
	return sw, nil
}

func (s *site) admin(ctx context.Context, method, token, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+"/api/v1/admin/cleanup", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s cleanup: %s", method, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// adminToken makes an administrator.
func (s *site) adminToken(ctx context.Context) (string, error) {
	st, err := store.Open(ctx, s.postgres.DSN(), slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer st.Close()
	u, err := st.CreateUser(ctx, "admin-"+uuid.NewString()+"@example.org", "", true)
	if err != nil {
		return "", err
	}
	secret := account.NewSecret()
	token := account.Token{
		ID: uuid.NewString(), OwnerID: u.ID, Name: "bench", Prefix: secret[:account.ShownPrefix], Scopes: []account.Scope{account.ScopeAdmin}, CreatedAt: time.Now(),
	}
	return secret, st.CreateToken(ctx, token, account.HashSecret(secret))
}
