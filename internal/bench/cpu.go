package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// cpu is the processor time that each side has used so far, and the number of the next transaction. Unlike a throughput
// they hardly change when something else keeps the machine busy.
type cpu struct {
	program, database, bench time.Duration
	transaction              int64
}

// clockTick is the unit of /proc: a hundredth of a second on every Linux.
const clockTick = 10 * time.Millisecond

func (s *site) cpu(ctx context.Context) (c cpu, err error) {
	if c.program, err = cpuOf(s.program.Process.Pid); err != nil {
		return c, err
	}
	if s.plain != 0 {
		d, err := cpuOf(s.plain)
		if err != nil {
			return c, err
		}
		c.program += d
	}
	if c.bench, err = cpuOf(os.Getpid()); err != nil {
		return c, err
	}
	if err := s.pool.QueryRow(ctx, "SELECT pg_current_xact_id()::text::bigint").Scan(&c.transaction); err != nil {
		return c, err
	}
	rows, err := s.pool.Query(ctx, "SELECT pid FROM pg_stat_activity")
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			return c, err
		}
		if d, err := cpuOf(pid); err == nil { // a session may have ended meanwhile
			c.database += d
		}
	}
	return c, rows.Err()
}

// cpuOf is what a process has used, by itself, in user and system mode.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name before may hold blanks
	const utime, stime = 11, 12
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[stime], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// account runs a throughput measurement and notes what an entry has cost each side.
func (s *site) account(ctx context.Context, what string, measure func() (perSecond float64, err error)) (float64, error) {
	before, err := s.cpu(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	v, err := measure()
	if err != nil {
		return 0, err
	}
	after, err := s.cpu(ctx)
	if err != nil {
		return 0, err
	}
	entries := v * time.Since(began).Seconds()
	each := func(before, after time.Duration) float64 { return float64((after - before).Microseconds()) / entries }
	fmt.Fprintf(os.Stderr, "bench:   %-32s %8s   CPU per entry: program %.0f us, PostgreSQL %.0f us, bench %.0f us; %.1f entries a transaction\n",
		what, perSecond(v), each(before.program, after.program), each(before.database, after.database), each(before.bench, after.bench),
		entries/float64(after.transaction-before.transaction))
	return v, nil
}
