package config

import (
	"path/filepath"
	"time"
)

// Option describes one variable, for help texts and documentation.
type Option struct {
	Name    string
	Default string // as shown; the real default of directories depends on the environment
	Help    string
	Secret  bool

	set func(*Config, string) error
	// derive, if set, is the default in place of Default.
	derive func(getenv func(string) string) string
}

func (o Option) fallback(getenv func(string) string) string {
	if o.derive != nil {
		return o.derive(getenv)
	}
	return o.Default
}

// Options lists every variable in the order of the documentation. Each may also be given as NAME_FILE.
func Options() []Option { return table() }

// Longest and shortest of the settings that are times. The limits only catch slips like "7" for "7d".
const (
	day         = 24 * time.Hour
	longest     = 100 * 365 * day
	maxCount    = 1_000_000_000
	maxTabs     = 10_000
	shortestAge = time.Second
)

// table is longer than other functions because it is the table: one option after the other.
func table() []Option {
	return []Option{
		{Name: "DATABASE_URL", Secret: true, Help: "PostgreSQL 15 or newer to use (postgres://user:password@host/name); unset: a private one in DATA_DIR",
			set: func(c *Config, v string) error { return parseDatabaseURL(&c.DatabaseURL, v) }},
		{Name: "LISTEN_ADDR", Default: "127.0.0.1:8080", Help: "address and port of the site; port 0 picks a free one",
			set: func(c *Config, v string) error { return parseAddr(&c.ListenAddr, v) }},
		{Name: "BASE_URL", Help: "the origin that people use (https://worklog.example.org), needed behind a proxy",
			set: func(c *Config, v string) error { return parseOrigin(&c.BaseURL, v) }},
		{Name: "DATA_DIR", Default: "$XDG_DATA_HOME/worklog", derive: defaultDataDir, Help: "directory for the private PostgreSQL, archives, and hooks that wait for the database",
			set: func(c *Config, v string) error { return parseDir(&c.DataDir, v) }},
		{Name: "TRUSTED_PROXIES", Help: "addresses or networks whose X-Forwarded-* headers are believed, separated by commas",
			set: func(c *Config, v string) error { return parsePrefixes(&c.TrustedProxies, v) }},
		{Name: "LOG_LEVEL", Default: "info", Help: "debug, info, warn or error",
			set: func(c *Config, v string) error { return parseLevel(&c.LogLevel, v) }},
		{Name: "LOG_FORMAT", Default: "auto", Help: "text, json, or auto: text on a terminal, else json",
			set: func(c *Config, v string) error { return parseChoice(&c.LogFormat, v, "auto", "text", "json") }},
		{Name: "METRICS_ADDR", Help: "address and port of a separate listener for /metrics; unset: on the site, for admin tokens",
			set: func(c *Config, v string) error { return parseOptionalAddr(&c.MetricsAddr, v) }},
		{Name: "WORKLOG_STOP_DELAY", Default: "0s", Help: "how long /readyz answers 503 before a stop begins, so that a balancer looks elsewhere",
			set: func(c *Config, v string) error { return parseDuration(&c.StopDelay, v, 0, time.Minute) }},
		{Name: "SESSION_LIFETIME", Default: "30d", Help: "how long a login lasts",
			set: func(c *Config, v string) error { return parseDuration(&c.SessionLifetime, v, time.Minute, longest) }},
		{Name: "WORKLOG_RATE_LIMIT", Default: "60", Help: "new entries per minute and user",
			set: func(c *Config, v string) error { return parseCount(&c.RateLimit, v, maxCount) }},
		{Name: "WORKLOG_AGENT_RATE_LIMIT", Default: "1200", Help: "new entries per minute and token through agents' hooks and OTLP",
			set: func(c *Config, v string) error { return parseCount(&c.AgentRateLimit, v, maxCount) }},
		{Name: "WORKLOG_IMPORT_LIMIT", Default: "20000", Help: "entries dated more than a minute back, per minute and token",
			set: func(c *Config, v string) error { return parseImportLimit(&c.ImportLimit, v) }},
		{Name: "WORKLOG_ROOM_PER_DAY", Default: "1GiB", Help: "what a user may store in a day (UTC); beyond it details are cut, titles and facts stay; off: no bound",
			set: func(c *Config, v string) error { return parseBytes(&c.RoomPerDay, v) }},
		{Name: "WORKLOG_REDACT", Default: "true", Help: "replace passwords, keys and tokens in entries before they are stored",
			set: func(c *Config, v string) error { return parseBool(&c.Redact, v) }},
		{Name: "WORKLOG_TABS_PER_SESSION", Default: "3", Help: "live pages per login; one more pauses the oldest",
			set: func(c *Config, v string) error { return parseCount(&c.TabsPerSession, v, maxTabs) }},
		{Name: "WORKLOG_TABS_PER_USER", Default: "12", Help: "live pages per user over all logins",
			set: func(c *Config, v string) error { return parseCount(&c.TabsPerUser, v, maxTabs) }},
		{Name: "WORKLOG_STREAMS_PER_TOKEN", Default: "10", Help: "open API streams per token; one more is refused",
			set: func(c *Config, v string) error { return parseCount(&c.StreamsPerToken, v, maxTabs) }},
		{Name: "WORKLOG_STREAM_MAX_AGE", Default: "1h", Help: "a stream is renewed after this time, unnoticed",
			set: func(c *Config, v string) error { return parseDuration(&c.StreamMaxAge, v, shortestAge, day) }},
		{Name: "WORKLOG_RETAIN_HOT", Default: "7d", Help: "age at which entries leave the hot store",
			set: func(c *Config, v string) error { return parseDuration(&c.RetainHot, v, time.Minute, longest) }},
		{Name: "WORKLOG_RETAIN_WARM", Default: "30d", Help: "age at which warm entries become cold",
			set: func(c *Config, v string) error { return parseDuration(&c.RetainWarm, v, time.Minute, longest) }},
		{Name: "WORKLOG_RETAIN_COLD", Default: "90d", Help: "age at which cold entries are deleted",
			set: func(c *Config, v string) error { return parseDuration(&c.RetainCold, v, time.Minute, longest) }},
		{Name: "WORKLOG_CLEANUP_AT", Default: "03:00 UTC", Help: "when the daily sweep starts, in UTC",
			set: func(c *Config, v string) error { return parseTimeOfDay(&c.CleanupAt, v) }},
		{Name: "WORKLOG_ARCHIVE_URL", Help: "where archives go: a file:// URL in DATA_DIR, or s3://bucket/prefix?endpoint=https://host&region=name; unset: DATA_DIR/archive",
			set: func(c *Config, v string) error { return parseArchiveURL(&c.ArchiveURL, v, c.DataDir) }},
		{Name: "AWS_ACCESS_KEY_ID", Help: "who opens an archive at s3://",
			set: func(c *Config, v string) error { c.S3AccessKey = v; return nil }},
		{Name: "AWS_SECRET_ACCESS_KEY", Secret: true, Help: "the key that opens an archive at s3://",
			set: func(c *Config, v string) error { c.S3SecretKey = Secret(v); return nil }},
	}
}

// defaultDataDir follows the XDG base directory specification. It is empty when there is no home.
func defaultDataDir(getenv func(string) string) string {
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // the specification says to ignore others
		return filepath.Join(dir, "worklog")
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "worklog")
	}
	return ""
}
