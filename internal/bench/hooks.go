package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// agents post at the same time. Each waits hookPause, more or less, between two events: a coding agent posts a few
	// in a second when it is fast, and one in several seconds mostly.
	agents    = 50
	hookPause = 100 * time.Millisecond
	// hookOutput is the length of a step's output: the median of recorded ones is about 500 characters, the 90th
	// percentile 5,000.
	hookOutput = 1000
)

// measureHooks measures how long agents wait for the answer to a hook, at their own pace and as fast as they can, and
// how long they would wait for a transaction of their own.
func measureHooks(ctx context.Context, s *site, o options) ([]result, error) {
	base, err := newBaseline(ctx, s)
	if err != nil {
		return nil, err
	}
	var results []result
	var n numbers
	for _, kind := range []struct {
		what  string
		pause time.Duration
		aim   time.Duration
	}{
		{fmt.Sprintf("answer to a hook, %d agents, an event every %v each", agents, hookPause), hookPause, 20 * time.Millisecond},
		{fmt.Sprintf("answer to a hook, %d agents without a pause", agents), 0, 0},
	} {
		delays, err := s.postHooks(ctx, kind.pause, o.duration)
		if err != nil {
			return results, err
		}
		plain, err := agentsInTransactions(ctx, base, &n, kind.pause, o.duration)
		if err != nil {
			return results, err
		}
		p99, other := quantile(delays, 0.99), quantile(plain, 0.99)
		r := result{what: kind.what, figure: fmt.Sprintf("p50 %s, p99 %s", milliseconds(quantile(delays, 0.5)), milliseconds(p99)), against: fmt.Sprintf("a transaction each: p50 %s, p99 %s", milliseconds(quantile(plain, 0.5)), milliseconds(other))}
		r.ratio = float64(p99) / float64(other)
		fmt.Fprintf(os.Stderr, "bench: %s: %s of hooks, %s of transactions\n", kind.what, perSecond(float64(len(delays))/o.duration.Seconds()), perSecond(float64(len(plain))/o.duration.Seconds()))
		if kind.aim > 0 {
			r.aim, r.missed = "p99 < "+milliseconds(kind.aim), p99 >= kind.aim
		}
		results = append(results, r)
	}
	return results, nil
}

// postHooks lets agents run through steps, and returns how long each answer took.
func (s *site) postHooks(ctx context.Context, pause, d time.Duration) ([]time.Duration, error) {
	conns, err := dialMany(ctx, s.address, agents)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	all := make([][]time.Duration, agents)
	var run atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i, c := range conns {
		g.Go(func() error {
			h := bytes.Replace(head(s.address, s.users[i%users].token, "application/json"), []byte("/api/v1/logs"), []byte("/api/v1/hooks"), 1)
			session := fmt.Sprintf("bench-%d-%d", i, began.UnixNano())
			for n := int64(0); time.Since(began) < d && ctx.Err() == nil; n++ {
				for _, name := range []string{"PreToolUse", "PostToolUse"} {
					if err := wait(ctx, pause); err != nil {
						return nil
					}
					sent := time.Now()
					status, problem, err := c.post(h, hookEvent(name, session, run.Add(1), n))
					if err != nil {
						return err
					}
					if status != http.StatusNoContent {
						return fmt.Errorf("status %d: %s", status, problem)
					}
					all[i] = append(all[i], time.Since(sent))
				}
			}
			return nil
		})
	}
	err = g.Wait()
	return slices.Concat(all...), err
}

// agentsInTransactions is what agents would wait for, were each event a transaction straight to PostgreSQL.
func agentsInTransactions(ctx context.Context, base *baseline, n *numbers, pause, d time.Duration) ([]time.Duration, error) {
	all := make([][]time.Duration, agents)
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i := range agents {
		g.Go(func() error {
			for time.Since(began) < d {
				if err := wait(ctx, pause); err != nil {
					return nil
				}
				sent := time.Now()
				if err := base.single(ctx, &base.owners[i%len(base.owners)], n.next(1)); err != nil {
					return err
				}
				all[i] = append(all[i], time.Since(sent))
			}
			return nil
		})
	}
	err := g.Wait()
	return slices.Concat(all...), err
}

// wait waits for about d, so that agents do not march in step.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d/2 + rand.N(d)):
		return nil
	}
}

// hookEvent is the beginning or the end of step n of a session.
func hookEvent(name, session string, run, n int64) []byte {
	b := fmt.Appendf(nil, `{"session_id":%q,"prompt_id":"p","cwd":"/src","hook_event_name":%q,"tool_name":"Bash","tool_use_id":"call-%d","tool_input":{"command":"go test ./... # %d"}`, session, name, n, run)
	if name == "PostToolUse" {
		b = fmt.Appendf(b, `,"duration_ms":270,"tool_response":{"stdout":%q,"stderr":""}`, strings.Repeat("ok  \t", hookOutput/5))
	}
	return append(b, '}')
}
