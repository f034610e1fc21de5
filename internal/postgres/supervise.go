package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// A server that ends by itself is started again at once; one that does not stay up is given more and more time, and
// is given up after about a minute.
const (
	maxRestarts     = 10
	firstBackOff    = 100 * time.Millisecond
	maxBackOff      = 15 * time.Second
	stableAfter     = time.Minute
	maxConnections  = "120" // the program's pool, commands, and room for a curious psql
	idleTransaction = "5min"
)

// arguments are the settings of the server. Those that safety rests on come last: they win.
func (s *Server) arguments() []string {
	settings := map[string]string{
		"max_connections":    maxConnections,
		"shared_buffers":     "256MB",
		"max_wal_size":       "2GB",
		"checkpoint_timeout": "10min",
		"random_page_cost":   "1.1", // solid state disks
		"jit":                "off", // our queries are short: compiling costs more than it saves
		// What background work has written goes to the disk by and by. Otherwise the kernel writes hundreds of megabytes
		// at once every 30 s, and each commit meanwhile waits for 200 to 300 ms.
		"backend_flush_after": "256kB",
		// A transaction that was forgotten holds an owner's counters locked and stops vacuum.
		"idle_in_transaction_session_timeout": idleTransaction,
		"timezone":                            "UTC",
		"log_timezone":                        "UTC",
		"cluster_name":                        "worklog",
	}
	maps.Copy(settings, s.settings)
	maps.Copy(settings, map[string]string{
		"listen_addresses":        "",
		"port":                    "5432",
		"unix_socket_directories": s.socket,
		"unix_socket_permissions": "0700",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_line_prefix":         "",
		"log_error_verbosity":     "terse", // the detail of an error quotes values
		"log_min_error_statement": "panic", // and the statement holds them
	})
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// launch starts the server when nothing of an earlier one is left, and waits until it accepts connections.
func (s *Server) launch(ctx context.Context) (*process, error) {
	lock, err := s.takeOver(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }() // the server's processes hold it from here on
	if err := s.clearLeftovers(); err != nil {
		return nil, err
	}
	p, err := s.cluster.startProcess(lock, s.log, s.outlive, s.arguments())
	if err != nil {
		return nil, err
	}
	if err := p.waitReady(ctx, s.cluster.data()); err != nil {
		select {
		case <-p.exited:
		default:
			err = errors.Join(err, p.stop())
		}
		return nil, err
	}
	return p, nil
}

// takeOver ends what an earlier, killed program left running, and returns the lock that proves that nothing is.
func (s *Server) takeOver(ctx context.Context) (*os.File, error) {
	data := s.cluster.data()
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{0, pollInterval}, {syscall.SIGINT, fastPatience}, {syscall.SIGQUIT, immediatePatience}, {syscall.SIGKILL, killPatience}} {
		if step.signal != 0 {
			s.endLeftovers(step.signal)
		}
		waitCtx, cancel := context.WithTimeout(ctx, step.patience)
		lock, err := s.cluster.waitAlone(waitCtx)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return lock, err
		}
	}
	return nil, fmt.Errorf("processes of an earlier server are still at work in %s: %v", data, serverProcesses(data))
}

// endLeftovers sends a signal to the processes of an earlier server. SIGINT ends a postmaster, but only interrupts the
// query of a backend that has lost its postmaster; such a one gets the harder signal at once.
func (s *Server) endLeftovers(signal syscall.Signal) {
	data := s.cluster.data()
	pids := serverProcesses(data)
	s.log.Warn("stopping a server that an earlier run left behind", "processes", pids, "signal", signal.String())
	postmaster := 0
	if lines := pidFile(data); len(lines) > 0 {
		postmaster, _ = strconv.Atoi(lines[0])
	}
	led := slices.Contains(pids, postmaster)
	for _, pid := range pids {
		switch {
		case signal != syscall.SIGINT || pid == postmaster:
			_ = syscall.Kill(pid, signal)
		case !led:
			_ = syscall.Kill(pid, syscall.SIGQUIT)
		}
	}
}

// waitAlone takes the server's lock when no process works in the data directory. Those of a server that somebody started
// by hand do not hold the lock.
func (c cluster) waitAlone(ctx context.Context) (*os.File, error) {
	lock, err := lockServer(ctx, c.dir)
	if err != nil {
		return nil, err
	}
	for len(serverProcesses(c.data())) > 0 {
		if err := pause(ctx, pollInterval); err != nil {
			_ = lock.Close()
			return nil, err
		}
	}
	return lock, nil
}

// clearLeftovers removes the files that would stop the server from starting. It is called with the server's lock held,
// so they are stale. A postmaster.pid with the id of a dead process is left to PostgreSQL, which makes checks of its own.
func (s *Server) clearLeftovers() error {
	if err := os.MkdirAll(s.socket, 0o700); err != nil { // cleaners of /tmp may have been here
		return err
	}
	if err := s.cluster.account.own(s.socket); err != nil {
		return err
	}
	removeSocketFiles(s.socket)
	lines := pidFile(s.cluster.data())
	if len(lines) == 0 {
		return nil
	}
	if pid, err := strconv.Atoi(lines[0]); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil
	}
	return os.Remove(filepath.Join(s.cluster.data(), "postmaster.pid"))
}

// supervise owns the server until ctx ends or it can not be kept up.
func (s *Server) supervise(ctx context.Context, p *process) {
	defer close(s.done)
	defer s.release()
	defer func() {
		if r := recover(); r != nil {
			s.err = fmt.Errorf("supervising PostgreSQL: panic: %v", r)
		}
	}()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			s.err = p.stop()
			return
		case <-p.exited:
		}
		s.log.Error("PostgreSQL ended by itself; starting it again", "error", p.failure())
		if time.Since(p.started) > stableAfter {
			failures = 0
		}
		var err error
		if p, err = s.relaunch(ctx, &failures); err != nil {
			if ctx.Err() == nil {
				s.err = err
			}
			return
		}
		s.log.Info("PostgreSQL is up again")
	}
}

// relaunch tries to start the server until it runs, ctx ends, or it has failed too often. failures counts over all calls.
func (s *Server) relaunch(ctx context.Context, failures *int) (*process, error) {
	var err error
	for *failures < maxRestarts {
		if *failures > 0 {
			if err := pause(ctx, min(firstBackOff<<(*failures-1), maxBackOff)); err != nil {
				return nil, err
			}
		}
		*failures++
		tryCtx, cancel := context.WithTimeout(ctx, readyTimeout)
		var p *process
		p, err = s.launch(tryCtx)
		cancel()
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.log.Error("PostgreSQL does not start", "attempt", *failures, "error", err)
	}
	return nil, fmt.Errorf("PostgreSQL does not stay up, given up after %d attempts: %w", maxRestarts, err)
}
