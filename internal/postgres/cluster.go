package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// initTimeout bounds the creation of a cluster, which takes about two seconds on a slow disk.
const initTimeout = 2 * time.Minute

// walSegment is the size of a file of PostgreSQL's log in megabytes.
const walSegment = "1"

// cluster is a data directory together with the programs that open it.
type cluster struct {
	dir     string // Options.Dir, absolute
	bin     string
	account *account // whom the server runs as; nil: whoever runs this program
}

func (c cluster) data() string { return filepath.Join(c.dir, "data") }

// openCluster finds the programs for the cluster in dir, and creates it when there is none.
func openCluster(ctx context.Context, dir string, sync bool, log *slog.Logger) (cluster, error) {
	c := cluster{dir: dir}
	all := installations(binDirs())
	major, err := majorOf(c.data())
	if errors.Is(err, fs.ErrNotExist) {
		inst, err := newest(all)
		if err != nil {
			return c, err
		}
		c.bin = inst.bin
		if c.account, err = serverAccount(c.dir); err != nil {
			return c, err
		}
		log.Info("creating a database", "dir", dir, "postgresql", inst.major)
		return c, c.create(ctx, inst.major, sync)
	}
	if err != nil {
		return c, err
	}
	inst, err := forMajor(all, dir, major)
	if err != nil {
		return c, err
	}
	c.bin = inst.bin
	if c.account, err = serverAccount(c.data()); err != nil {
		return c, err
	}
	return c, c.account.own(c.data())
}

// majorOf reads which PostgreSQL a data directory belongs to.
func majorOf(data string) (int, error) {
	if _, err := os.Stat(data); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("%s is not a PostgreSQL data directory: %w", data, errNoVersion(err))
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// errNoVersion hides "does not exist" from errors.Is: a directory without PG_VERSION must not be taken for a missing
// one and created anew.
func errNoVersion(err error) error { return errors.New(err.Error()) }

// create makes a cluster with the program's database in a directory of another name and moves it into place, so a
// program that is killed half-way leaves nothing that looks like data.
func (c cluster) create(ctx context.Context, major int, sync bool) error {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	lock, err := lockServer(ctx, c.dir) // an initdb of a killed program may still be at work
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()

	unfinished := filepath.Join(c.dir, "data.new")
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return err
	}
	if err := c.account.own(unfinished); err != nil {
		return err
	}
	if err := c.initdb(ctx, unfinished, lock, major); err != nil {
		return err
	}
	if err := c.createDatabase(ctx, unfinished, lock); err != nil {
		return err
	}
	if sync { // once, at the end: half a second less than syncing after each step
		if out, err := c.run(ctx, unfinished, lock, "", "initdb", "--sync-only"); err != nil {
			return fmt.Errorf("sync the new database: %w: %s", err, lastLine(out))
		}
	}
	if err := os.Rename(unfinished, c.data()); err != nil {
		return err
	}
	return syncDir(c.dir)
}

// initdb tries the locales from the best to the one that every system has. The collation is always C: it is fast and
// no change of the system's C library can break an index. The character type decides what ILIKE and lower take for a letter.
//
// A young cluster fills every new segment of its log with zeros while commits wait: 16 MB took 90 to 160 ms on a disk
// where 1 MB went unnoticed.
func (c cluster) initdb(ctx context.Context, data string, lock *os.File, major int) error {
	locales := [][]string{{"--locale=C", "--lc-ctype=C.UTF-8"}, {"--locale=C"}}
	if major >= 17 {
		locales = append([][]string{{"--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"}}, locales...)
	}
	var failed error
	for _, locale := range locales {
		args := append([]string{
			"--username=" + role, "--auth=trust", "--encoding=UTF8", "--data-checksums", "--no-instructions", "--no-sync", "--wal-segsize=" + walSegment,
		}, locale...)
		out, err := c.run(ctx, data, lock, "", "initdb", args...)
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, fmt.Errorf("initdb: %w: %s", err, lastLine(out)))
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}

// createDatabase uses the single-user mode: no server, no socket, and the directory is not in place yet.
func (c cluster) createDatabase(ctx context.Context, data string, lock *os.File) error {
	out, err := c.run(ctx, data, lock, "CREATE DATABASE "+database+"\n", "postgres", "--single",
		"-c", "exit_on_error=on", "-c", "fsync=off", "template1")
	if err != nil {
		return fmt.Errorf("create the database: %w: %s", err, lastLine(out))
	}
	return nil
}

// run executes one of PostgreSQL's programs on data to its end and returns all it wrote.
func (c cluster) run(ctx context.Context, data string, lock *os.File, stdin, program string, args ...string) (string, error) {
	cmd, closeData, err := c.command(data, lock, program, args)
	if err != nil {
		return "", err
	}
	defer closeData()
	var out strings.Builder
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &out, &out
	err = runCommand(ctx, cmd)
	return out.String(), err
}

func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
