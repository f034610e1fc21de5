package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// maxSocketPath is what fits into the socket address of every system: 104 bytes on BSD, 108 on Linux, with the NUL.
	maxSocketPath = 103
	socketFile    = ".s.PGSQL.5432"
	// socketPrefix begins the names of socket directories outside of Options.Dir.
	socketPrefix = "worklog-pg-"
	dialTimeout  = 2 * time.Second
)

// ErrNotRunning reports that no server runs in a directory.
var ErrNotRunning = errors.New("no server runs here")

// makeSocketDir makes a directory that only the server and its program enter, and records it in dir.
// Outside of dir its name is random: a name that can be guessed could be taken first, by a stranger's server.
func makeSocketDir(dir, runtimeDir string, a *account) (string, error) {
	removeSocketDir(dir)
	var failed error
	// PostgreSQL takes a comma for the beginning of the next directory.
	for _, base := range []string{dir, runtimeDir, os.TempDir(), "/tmp"} {
		if base == "" || strings.Contains(base, ",") || !a.reaches(base) || len(filepath.Join(base, socketPrefix+"0123456789", socketFile)) > maxSocketPath {
			continue
		}
		socket, err := os.MkdirTemp(base, socketPrefix)
		if err == nil {
			err = errors.Join(a.own(socket), os.WriteFile(filepath.Join(dir, "socket"), []byte(socket+"\n"), 0o600))
		}
		if err == nil {
			return socket, nil
		}
		failed = errors.Join(failed, err)
	}
	if failed == nil {
		failed = fmt.Errorf("no directory has a path short enough for a socket (%d bytes)", maxSocketPath)
	}
	return "", failed
}

// removeSocketDir removes the recorded directory and what a server leaves in it, and nothing else.
func removeSocketDir(dir string) {
	socket, err := recordedSocket(dir)
	if err != nil || !strings.HasPrefix(filepath.Base(socket), socketPrefix) {
		return
	}
	removeSocketFiles(socket)
	_ = os.Remove(socket)
	_ = os.Remove(filepath.Join(dir, "socket"))
}

func removeSocketFiles(socket string) {
	_ = os.Remove(filepath.Join(socket, socketFile))
	_ = os.Remove(filepath.Join(socket, socketFile+".lock"))
}

func recordedSocket(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "socket"))
	return strings.TrimSpace(string(text)), err
}

// RunningDSN returns the connection string of the server that a running program has started in dir, so that commands
// reach the database of a running worklog. Without such a server the error is [ErrNotRunning].
func RunningDSN(dir string) (string, error) {
	socket, err := recordedSocket(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	if err != nil {
		return "", err
	}
	conn, err := net.DialTimeout("unix", filepath.Join(socket, socketFile), dialTimeout)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return "", fmt.Errorf("%s: %w", dir, ErrNotRunning)
	case err != nil:
		return "", err
	}
	return dsn(socket), conn.Close()
}

// dsn names everything, so that no PGPORT or PGSSLMODE of the environment leads elsewhere.
func dsn(socket string) string {
	q := url.Values{"host": {socket}, "port": {"5432"}, "sslmode": {"disable"}}
	return "postgres://" + role + "@/" + database + "?" + strings.ReplaceAll(q.Encode(), "+", "%20") // pgx takes a plus for itself
}
