package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// measureIdle counts what the program asks its database over a while, without and with many idle pages.
func measureIdle(ctx context.Context, s *site, o options) ([]result, error) {
	doors, err := s.doors(ctx)
	if err != nil {
		return nil, err
	}
	without, err := s.queriesDuring(ctx, o.idle)
	if err != nil {
		return nil, err
	}
	a, err := s.watch(ctx, doors[0], idleTabs, users)
	if err != nil {
		return nil, err
	}
	defer a.close()
	with, err := s.queriesDuring(ctx, o.idle)
	if err != nil {
		return nil, err
	}
	sweeps := int64(o.idle/sweepEvery) + 1 // one more may fall on the edge
	return []result{{
		what:    fmt.Sprintf("database queries in %v with %s idle tabs", o.idle, thousands(idleTabs)),
		figure:  thousands(with),
		against: fmt.Sprintf("without tabs: %s", thousands(without)),
		aim:     fmt.Sprintf("at most %d more (one sweep per %v)", sweeps, sweepEvery),
		missed:  with-without > sweeps,
	}}, nil
}

// sweepEvery is how often the hub asks for what it may have missed, once for all tabs.
const sweepEvery = 15 * time.Second

// queriesDuring counts what the program asks the database in d.
func (s *site) queriesDuring(ctx context.Context, d time.Duration) (int64, error) {
	if err := rest(ctx, settled); err != nil {
		return 0, err
	}
	before, err := s.queries(ctx)
	if err != nil {
		return 0, err
	}
	if err := rest(ctx, d); err != nil {
		return 0, err
	}
	after, err := s.queries(ctx)
	return after - before, err
}

// queries reads the program's own counter.
func (s *site) queries(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	const name = "\nworklog_database_queries_total "
	_, value, found := strings.Cut(string(raw), name)
	value, _, _ = strings.Cut(value, "\n")
	n, err := strconv.ParseFloat(value, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("/metrics does not tell%s", strings.TrimSpace(name))
	}
	return int64(n), nil
}
