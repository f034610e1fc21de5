// Package postgres runs a private PostgreSQL server for a worklog that was given no DATABASE_URL.
//
// The server belongs to one running program: it listens on a Unix socket only, in a directory that nobody else may
// enter, and ends with the program. Two locks and a rename keep its data safe:
//
//   - "lock" is held by the program. A second program on the same directory is refused.
//   - "postgres.lock" is held by the server and by every process it forks, because they inherit the open file. Who gets
//     that lock knows that nothing of an earlier server is alive, so its postmaster.pid and socket are leftovers.
//     The process ids in these files prove nothing: after a reboot or in a container they belong to somebody else.
//   - "data" appears by a rename after initdb has finished and synced, so it is complete or absent.
//
// PostgreSQL refuses to run as root. Started by root, the server runs as an unprivileged user and gets its data directory
// as an open file (/proc/self/fd/N): such a user can not reach a path like /root/.local/share.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// MinMajor is the oldest PostgreSQL that worklog works with: ON DELETE SET NULL with a column list came with 15.
const MinMajor = 15

// database and role are the names inside the private cluster.
const (
	database = "worklog"
	role     = "worklog"
)

// readyTimeout bounds one start, crash recovery included.
const readyTimeout = 10 * time.Minute

// Options say where and how to run the server. Only Dir is required.
type Options struct {
	// Dir holds the cluster, its locks and the record of its socket. It is created with mode 0700.
	Dir string
	// RuntimeDir is where the socket goes when Dir is too long for one: $XDG_RUNTIME_DIR. Empty: the directory for temporary files.
	RuntimeDir string
	// Settings are further server settings; they win over the built-in ones. With fsync=off initdb does not sync either.
	Settings map[string]string
	// Outlive leaves the server running when the program ends without a Stop, to look into it.
	Outlive bool
	// Log receives what the server says, without contents of rows. Nil: nothing.
	Log *slog.Logger
}

// Server is a running PostgreSQL.
type Server struct {
	cluster  cluster
	settings map[string]string
	outlive  bool
	socket   string
	lock     *os.File
	log      *slog.Logger

	cancel context.CancelFunc // tells supervise to stop
	done   chan struct{}
	err    error // why the server is down; written before done is closed
}

// Start finds PostgreSQL, creates the cluster on first use, clears up after an earlier run that was killed, and
// returns when the server accepts connections. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Server, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockProgram(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{settings: o.Settings, outlive: o.Outlive, lock: lock, log: log, done: make(chan struct{})}
	if err := s.start(ctx, dir, o); err != nil {
		s.release()
		return nil, fmt.Errorf("start PostgreSQL in %s: %w", dir, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, dir string, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	c, err := openCluster(ctx, dir, o.Settings["fsync"] != "off", s.log)
	if err != nil {
		return err
	}
	s.cluster = c
	if s.socket, err = makeSocketDir(dir, o.RuntimeDir, c.account); err != nil {
		return err
	}
	p, err := s.launch(ctx)
	if err != nil {
		return err
	}
	var life context.Context
	life, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go s.supervise(life, p)
	return nil
}

// DSN is the connection string of the server. It stays the same when the server is restarted.
func (s *Server) DSN() string { return dsn(s.socket) }

// Done is closed when the server is down for good: it was stopped, or it ended and could not be started again.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server is down for good; nil while it is up, and after a Stop that went well.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server: open transactions are rolled back, the data is synced. A server that does not obey within
// seconds is made to. Stop returns when the server is gone or ctx has ended. It may be called more than once.
func (s *Server) Stop(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("stop PostgreSQL: %w", ctx.Err())
	}
}

// Discard removes a directory that Start has filled, with all data and what lies outside of it. It refuses while a
// program or a server uses the directory.
func Discard(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	program, err := lockProgram(dir)
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	server, err := openLock(dir, serverLock)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	if free, err := tryLock(server); err != nil || !free {
		return errors.Join(fmt.Errorf("%s is %w", dir, ErrInUse), err)
	}
	removeSocketDir(dir)
	return os.RemoveAll(dir)
}

// release gives back what other programs could be waiting for.
func (s *Server) release() {
	if s.socket != "" {
		removeSocketDir(s.cluster.dir)
	}
	_ = s.lock.Close()
}
