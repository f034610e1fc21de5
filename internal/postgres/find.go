package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// versionTimeout bounds a question for the version; the answer takes milliseconds.
const versionTimeout = 10 * time.Second

// ErrNotFound reports that no usable PostgreSQL is installed.
var ErrNotFound = errors.New("PostgreSQL is not installed")

// installation is a directory with the programs of one PostgreSQL.
type installation struct {
	bin   string
	major int
}

// Find returns the directory of the newest installed PostgreSQL's programs and its major version.
func Find() (bin string, major int, err error) {
	all := installations(binDirs())
	newest, err := newest(all)
	return newest.bin, newest.major, err
}

func newest(all []installation) (installation, error) {
	switch {
	case len(all) == 0:
		return installation{}, fmt.Errorf("%w: %s, or set DATABASE_URL", ErrNotFound, installHint("postgresql"))
	case all[0].major < MinMajor:
		return installation{}, fmt.Errorf("%w in a usable version: %s holds PostgreSQL %d, worklog needs %d or newer",
			ErrNotFound, all[0].bin, all[0].major, MinMajor)
	}
	return all[0], nil
}

// forMajor returns the installation that opens a cluster of the given major version.
func forMajor(all []installation, dir string, major int) (installation, error) {
	for _, i := range all {
		if i.major == major {
			return i, nil
		}
	}
	return installation{}, fmt.Errorf("the data in %s belongs to PostgreSQL %d, which is not installed: %s",
		dir, major, installHint(fmt.Sprintf("postgresql-%d", major)))
}

// installHint names the package; Homebrew writes versions with an @.
func installHint(pkg string) string {
	if runtime.GOOS == "darwin" {
		return "install it with: brew install " + strings.Replace(pkg, "postgresql-", "postgresql@", 1)
	}
	return "install the package " + pkg
}

// binDirs lists the places where PostgreSQL's programs may be, the user's own choice (PATH) first.
func binDirs() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if out, err := output("pg_config", "--bindir"); err == nil {
		dirs = append(dirs, out)
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // packages of the PostgreSQL project for Red Hat
		"/usr/libexec/postgresql*",  // Alpine
		"/usr/local/pgsql/bin",      // make install
		"/usr/local/bin",            // FreeBSD
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin", // Homebrew on Intel
		"/opt/local/lib/postgresql*/bin", // MacPorts
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		dirs = append(dirs, found...)
	}
	return dirs
}

// installations asks what is in dirs, newest first; of equal ones the earlier wins.
func installations(dirs []string) []installation {
	var all []installation
	for i, dir := range dirs {
		if slices.Contains(dirs[:i], dir) || !executable(filepath.Join(dir, "initdb")) {
			continue
		}
		out, err := output(filepath.Join(dir, "postgres"), "--version")
		if err != nil {
			continue
		}
		if major, err := parseMajor(out); err == nil {
			all = append(all, installation{bin: dir, major: major})
		}
	}
	slices.SortStableFunc(all, func(a, b installation) int { return cmp.Compare(b.major, a.major) })
	return all
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func output(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	return strings.TrimSpace(string(out)), err
}

// parseMajor reads "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"; betas are "18beta1", nightlies "19devel".
func parseMajor(version string) (int, error) {
	fields := strings.Fields(version)
	if len(fields) < 3 || fields[1] != "(PostgreSQL)" {
		return 0, fmt.Errorf("not a version of PostgreSQL: %q", version)
	}
	digits := fields[2]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	return strconv.Atoi(digits)
}
