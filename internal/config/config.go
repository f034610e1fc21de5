// Package config reads the settings of worklog from the environment.
//
// One table (option.go) holds every variable with its default, its check and its help. Load reports all mistakes at once,
// and never repeats the value of a secret.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// maxFile bounds what a NAME_FILE may hold.
const maxFile = 64 << 10

// Config is every setting of the program. Load fills all fields; the table of options says what each one means.
type Config struct {
	DatabaseURL     Secret // empty: the program manages a PostgreSQL of its own
	ListenAddr      string
	BaseURL         string // an origin without a trailing slash; empty: what the listener says
	DataDir         string // absolute
	TrustedProxies  []netip.Prefix
	LogLevel        slog.Level
	LogFormat       string // text, json; auto: text on a terminal, else json
	MetricsAddr     string // empty: /metrics is on the main listener, for admin tokens
	SessionLifetime time.Duration

	RateLimit       int   // new entries per minute and user
	AgentRateLimit  int   // new entries per minute and token at the agents' doors
	ImportLimit     int   // back-dated entries per minute and token
	RoomPerDay      int64 // bytes that a user may write on a day; 0: as many as there are
	Redact          bool  // secrets in entries are replaced before they are stored
	TabsPerSession  int
	TabsPerUser     int
	StreamsPerToken int
	StreamMaxAge    time.Duration
	StopDelay       time.Duration

	RetainHot  time.Duration
	RetainWarm time.Duration
	RetainCold time.Duration
	CleanupAt  time.Duration // after midnight UTC
	ArchiveURL string        // file:// or s3://
	// S3AccessKey and S3SecretKey open an s3:// archive.
	S3AccessKey string
	S3SecretKey Secret

	RuntimeDir string // $XDG_RUNTIME_DIR: where the socket of the private PostgreSQL may go; may be empty
}

// PostgresDir is where the private PostgreSQL lives.
func (c Config) PostgresDir() string { return filepath.Join(c.DataDir, "postgres") }

// ArchiveDir is the folder of the archive; empty: it lies elsewhere.
func (c Config) ArchiveDir() string {
	dir, ok := strings.CutPrefix(c.ArchiveURL, "file://")
	if !ok {
		return ""
	}
	return dir
}

// SpoolDir is where hooks wait while the database is away.
func (c Config) SpoolDir() string { return filepath.Join(c.DataDir, "spool", "hooks") }

// Secret is a value that must not appear in a log or a message. Convert it to string to use it.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Load reads every option through getenv. An empty variable counts as unset. NAME_FILE names a file, read by readFile,
// that holds the value of NAME; giving both is a mistake. The error joins one error per mistake.
func Load(getenv func(string) string, readFile func(string) ([]byte, error)) (Config, error) {
	c := Config{RuntimeDir: getenv("XDG_RUNTIME_DIR")}
	var mistakes []error
	wrong := map[string]bool{}
	for _, o := range table() {
		value, name, err := lookup(o.Name, getenv, readFile)
		if err == nil {
			if value == "" {
				value = o.fallback(getenv)
			}
			err = o.set(&c, value)
		}
		wrong[o.Name] = err != nil
		switch {
		case err == nil:
		case o.Secret || value == "" || name != o.Name: // the content of a file may be anything, a key even
			mistakes = append(mistakes, fmt.Errorf("%s: %w", name, err))
		default:
			mistakes = append(mistakes, fmt.Errorf("%s: %w, not %q", name, err, value))
		}
	}
	mistakes = append(mistakes, c.contradictions(func(a, b string) bool { return !wrong[a] && !wrong[b] })...)
	if len(mistakes) > 0 {
		return Config{}, errors.Join(mistakes...)
	}
	return c, nil
}

// lookup returns a variable's value and the name it was really given by.
func lookup(name string, getenv func(string) string, readFile func(string) ([]byte, error)) (value, given string, err error) {
	value = getenv(name)
	path := getenv(name + "_FILE")
	if path == "" {
		return value, name, nil
	}
	given = name + "_FILE"
	if value != "" {
		return "", given, fmt.Errorf("give either %s or %s_FILE", name, name)
	}
	content, err := readFile(path)
	switch {
	case err != nil:
		return "", given, err
	case len(content) > maxFile:
		return "", given, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	value = strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", given, fmt.Errorf("%s is empty", path)
	}
	return value, given, nil
}

// contradictions finds settings that are fine alone and wrong together. Both says of two options that each is fine alone.
func (c Config) contradictions(both func(a, b string) bool) (found []error) {
	if both("METRICS_ADDR", "LISTEN_ADDR") && c.MetricsAddr == c.ListenAddr {
		found = append(found, errors.New("METRICS_ADDR: must differ from LISTEN_ADDR"))
	}
	if both("WORKLOG_TABS_PER_USER", "WORKLOG_TABS_PER_SESSION") && c.TabsPerUser < c.TabsPerSession {
		found = append(found, errors.New("WORKLOG_TABS_PER_USER: must not be less than WORKLOG_TABS_PER_SESSION"))
	}
	type age struct {
		name string
		at   time.Duration
	}
	hot, warm, cold := age{"WORKLOG_RETAIN_HOT", c.RetainHot}, age{"WORKLOG_RETAIN_WARM", c.RetainWarm}, age{"WORKLOG_RETAIN_COLD", c.RetainCold}
	pairs := [][2]age{{hot, warm}, {warm, cold}}
	if !both(warm.name, warm.name) { // what lies between them is to be corrected anyway
		pairs = append(pairs, [2]age{hot, cold})
	}
	for _, x := range pairs {
		if early, late := x[0], x[1]; both(early.name, late.name) && late.at < early.at {
			found = append(found, fmt.Errorf("%s: must not be shorter than %s (%s)", late.name, early.name, short(early.at)))
		}
	}
	return append(found, c.archiveContradictions(both)...)
}

func (c Config) archiveContradictions(both func(a, b string) bool) (found []error) {
	dir := c.ArchiveDir()
	switch {
	case c.ArchiveURL == "" || !both("WORKLOG_ARCHIVE_URL", "DATA_DIR") || !both("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
	case dir != "":
		inside, err := filepath.Rel(c.DataDir, dir)
		if err != nil || inside == ".." || strings.HasPrefix(inside, "../") {
			found = append(found, fmt.Errorf("WORKLOG_ARCHIVE_URL: must lie in DATA_DIR (%s)", c.DataDir))
		}
	case c.S3AccessKey == "" || c.S3SecretKey == "":
		found = append(found, errors.New("WORKLOG_ARCHIVE_URL: an archive at s3:// needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
	}
	return found
}
