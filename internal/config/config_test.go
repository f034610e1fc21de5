package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// load runs Load on a map of variables and one of files.
func load(env, files map[string]string) (Config, error) {
	return Load(
		func(name string) string { return env[name] },
		func(path string) ([]byte, error) {
			if content, ok := files[path]; ok {
				return []byte(content), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		})
}

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	got, err := load(map[string]string{"HOME": "/home/ada"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		ListenAddr: "127.0.0.1:8080", DataDir: "/home/ada/.local/share/worklog", LogFormat: "auto",
		SessionLifetime: 30 * day, RateLimit: 60, AgentRateLimit: 1200, ImportLimit: 20000, RoomPerDay: 1 << 30, Redact: true,
		TabsPerSession: 3, TabsPerUser: 12, StreamsPerToken: 10, StreamMaxAge: time.Hour,
		RetainHot: 7 * day, RetainWarm: 30 * day, RetainCold: 90 * day, CleanupAt: 3 * time.Hour,
		ArchiveURL: "file:///home/ada/.local/share/worklog/archive",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if dir := got.PostgresDir(); dir != "/home/ada/.local/share/worklog/postgres" {
		t.Errorf("PostgresDir: %s", dir)
	}
}

func TestAPortThatBrowsersLeaveOutIsNoPartOfTheOrigin(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://log.example.org:443": "https://log.example.org", "http://log.example.org:80/": "http://log.example.org", "https://[::1]:443": "https://[::1]",
		"https://log.example.org:80": "https://log.example.org:80", "http://log.example.org:443": "http://log.example.org:443",
	} {
		c, err := load(map[string]string{"HOME": "/h", "BASE_URL": address}, nil)
		if err != nil || c.BaseURL != want {
			t.Errorf("%s became %s, %v", address, c.BaseURL, err)
		}
	}
}

func TestEveryOptionReachesItsField(t *testing.T) {
	t.Parallel()
	got, err := load(map[string]string{
		"DATABASE_URL": "postgres://u:p@h/d", "LISTEN_ADDR": ":0", "BASE_URL": "https://Log.Example.org/", "DATA_DIR": "/srv/w/",
		"TRUSTED_PROXIES": "10.1.2.3/8, ::1,", "LOG_LEVEL": "WARN", "LOG_FORMAT": "json", "METRICS_ADDR": "127.0.0.1:9090",
		"SESSION_LIFETIME": "12h", "WORKLOG_RATE_LIMIT": "1", "WORKLOG_AGENT_RATE_LIMIT": "2", "WORKLOG_IMPORT_LIMIT": "1003", "WORKLOG_ROOM_PER_DAY": "5GiB", "WORKLOG_REDACT": "false",
		"WORKLOG_TABS_PER_SESSION": "4", "WORKLOG_TABS_PER_USER": "5", "WORKLOG_STREAMS_PER_TOKEN": "6", "WORKLOG_STREAM_MAX_AGE": "2s", "WORKLOG_STOP_DELAY": "7s",
		"WORKLOG_RETAIN_HOT": "1d12h", "WORKLOG_RETAIN_WARM": "48h", "WORKLOG_RETAIN_COLD": "3d", "WORKLOG_CLEANUP_AT": "23:59",
		"WORKLOG_ARCHIVE_URL": "file:///srv/w/old/", "XDG_RUNTIME_DIR": "/run/user/7",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DatabaseURL: "postgres://u:p@h/d", ListenAddr: ":0", BaseURL: "https://log.example.org", DataDir: "/srv/w",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		LogLevel:       4, LogFormat: "json", MetricsAddr: "127.0.0.1:9090",
		SessionLifetime: 12 * time.Hour, RateLimit: 1, AgentRateLimit: 2, ImportLimit: 1003, RoomPerDay: 5 << 30,
		TabsPerSession: 4, TabsPerUser: 5, StreamsPerToken: 6, StreamMaxAge: 2 * time.Second, StopDelay: 7 * time.Second,
		RetainHot: 36 * time.Hour, RetainWarm: 48 * time.Hour, RetainCold: 3 * day, CleanupAt: 23*time.Hour + 59*time.Minute,
		ArchiveURL: "file:///srv/w/old", RuntimeDir: "/run/user/7",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(map[string]string{
		"HOME": "/h", "LISTEN_ADDR": "8080", "LOG_LEVEL": "loud", "WORKLOG_RATE_LIMIT": "many", "WORKLOG_RETAIN_HOT": "7",
	}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`LISTEN_ADDR: must be an address and a port, like 127.0.0.1:8080, not "8080"`,
		`LOG_LEVEL: must be one of debug, info, warn, error, not "loud"`,
		`WORKLOG_RATE_LIMIT: must be a number from 1 to 1000000000, not "many"`,
		`WORKLOG_RETAIN_HOT: must be a duration from 1m to 36500d, like 90m, 36h or 7d, not "7"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 4 {
		t.Errorf("%d lines, want one for each of 4 mistakes:\n%v", lines, err)
	}
}

func TestMistakesAreRefusedByName(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"DATABASE_URL":           {"mysql://u@h/d", "localhost", "postgres://u:%zz@h/"},
		"LISTEN_ADDR":            {"localhost", "localhost:http", ":65536", "1.2.3.4:-1"},
		"BASE_URL":               {"https://a.example/worklog", "ftp://a.example", "a.example", "https://", "https://u:p@a.example", "https://a.example?x=1", "https://a.example/#x"},
		"TRUSTED_PROXIES":        {"10.0.0.0/33", "proxy.example", "10.0.0.1;10.0.0.2"},
		"LOG_LEVEL":              {"trace", "3"},
		"LOG_FORMAT":             {"xml"},
		"METRICS_ADDR":           {"9090", "127.0.0.1:8080"},
		"SESSION_LIFETIME":       {"0", "-1h", "59s", "forever", "d", "1d-1h", "99999d", "1d2d", "9223372036s"},
		"WORKLOG_RATE_LIMIT":     {"0", "-1", "1.5", "60/min", "1000000001"},
		"WORKLOG_IMPORT_LIMIT":   {"999", "many", "1000000001"},
		"WORKLOG_REDACT":         {"maybe", "2"},
		"WORKLOG_TABS_PER_USER":  {"2", "10001"},
		"WORKLOG_STREAM_MAX_AGE": {"999ms", "25h"},
		"WORKLOG_STOP_DELAY":     {"-1s", "61s"},
		"WORKLOG_RETAIN_HOT":     {"31d"},
		"WORKLOG_RETAIN_COLD":    {"29d"},
		"WORKLOG_CLEANUP_AT":     {"24:00", "3", "03:00 CET", "03:00:00"},
		"WORKLOG_ARCHIVE_URL":    {"s3://bucket", "s3://", "s3://k:s@bucket", "s3://bucket?acl=x", "s3://bucket?endpoint=minio:9000", "ftp://h/p", "file://host/h/.local/share/worklog/a", "file:relative", "file:///elsewhere", "file:///h/.local/share/worklog/../other"},
	} {
		for _, value := range values {
			_, err := load(map[string]string{"HOME": "/h", name: value}, nil)
			if err == nil {
				t.Errorf("%s=%s is accepted", name, value)
			} else if !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: the error does not name it: %v", name, value, err)
			}
		}
	}
}

func TestNonsenseRetentionIsRefusedWithAllMistakesNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hot, warm, cold string
		want            []string
	}{
		{"0", "-7d", "0d", []string{"WORKLOG_RETAIN_HOT: must be a duration", "WORKLOG_RETAIN_WARM: must be a duration", "WORKLOG_RETAIN_COLD: must be a duration"}},
		{"90d", "30d", "7d", []string{"WORKLOG_RETAIN_WARM: must not be shorter than WORKLOG_RETAIN_HOT (90d)", "WORKLOG_RETAIN_COLD: must not be shorter than WORKLOG_RETAIN_WARM (30d)"}},
		{"1h", "30d", "1d", []string{"WORKLOG_RETAIN_COLD: must not be shorter than WORKLOG_RETAIN_WARM (30d)"}},
		{"0", "30d", "1d", []string{"WORKLOG_RETAIN_HOT: must be a duration", "WORKLOG_RETAIN_COLD: must not be shorter than WORKLOG_RETAIN_WARM (30d)"}},
		{"60d", "30d", "x", []string{"WORKLOG_RETAIN_COLD: must be a duration", "WORKLOG_RETAIN_WARM: must not be shorter than WORKLOG_RETAIN_HOT (60d)"}},
		{"9d", "?", "7d", []string{"WORKLOG_RETAIN_WARM: must be a duration", "WORKLOG_RETAIN_COLD: must not be shorter than WORKLOG_RETAIN_HOT (9d)"}},
	} {
		_, err := load(map[string]string{"HOME": "/h", "WORKLOG_RETAIN_HOT": c.hot, "WORKLOG_RETAIN_WARM": c.warm, "WORKLOG_RETAIN_COLD": c.cold}, nil)
		if err == nil {
			t.Errorf("%v is accepted", c)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("%v: %d mistakes are named, want %d: %v", c, len(lines), len(c.want), err)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("%v: %q, want %q", c, lines[i], want)
			}
		}
	}
}

func TestAnArchiveAtS3NeedsAKey(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HOME": "/h", "WORKLOG_ARCHIVE_URL": "s3://bucket/worklog?endpoint=http://127.0.0.1:9000&region=eu"}
	if _, err := load(env, nil); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") {
		t.Errorf("without a key: %v", err)
	}
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = "id", "secret"
	c, err := load(env, nil)
	if err != nil || c.ArchiveURL != env["WORKLOG_ARCHIVE_URL"] || c.S3AccessKey != "id" || string(c.S3SecretKey) != "secret" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestWithoutAHomeTheDataDirectoryMustBeNamed(t *testing.T) {
	t.Parallel()
	if _, err := load(nil, nil); err == nil || err.Error() != "DATA_DIR: must be set, there is no home directory to put it in" {
		t.Errorf("got %v", err)
	}
	c, err := load(map[string]string{"HOME": "/h", "XDG_DATA_HOME": "/x"}, nil)
	if err != nil || c.DataDir != "/x/worklog" {
		t.Errorf("XDG_DATA_HOME: %s, %v", c.DataDir, err)
	}
	c, err = load(map[string]string{"HOME": "/h", "XDG_DATA_HOME": "relative"}, nil)
	if err != nil || c.DataDir != "/h/.local/share/worklog" {
		t.Errorf("a relative XDG_DATA_HOME: %s, %v", c.DataDir, err)
	}
}

func TestEveryOptionMayComeFromAFile(t *testing.T) {
	t.Parallel()
	valid := map[string]string{
		"DATABASE_URL": "host=/run user=w", "LISTEN_ADDR": ":1", "BASE_URL": "http://h", "DATA_DIR": "/d", "TRUSTED_PROXIES": "1.1.1.1",
		"LOG_LEVEL": "debug", "LOG_FORMAT": "text", "METRICS_ADDR": ":2", "SESSION_LIFETIME": "1h", "WORKLOG_CLEANUP_AT": "04:00 UTC",
		"WORKLOG_ARCHIVE_URL": "file:///h/.local/share/worklog/a", "WORKLOG_STREAM_MAX_AGE": "2h", "WORKLOG_STOP_DELAY": "1m",
		"WORKLOG_RETAIN_HOT": "8d", "WORKLOG_RETAIN_WARM": "31d", "WORKLOG_RETAIN_COLD": "91d", "WORKLOG_REDACT": "off", "WORKLOG_ROOM_PER_DAY": "2GiB", "WORKLOG_IMPORT_LIMIT": "1100",
	}
	for _, o := range Options() {
		value, ok := valid[o.Name]
		if !ok {
			value = "11"
		}
		direct, err := load(map[string]string{"HOME": "/h", o.Name: value}, nil)
		if err != nil {
			t.Errorf("%s: %v", o.Name, err)
			continue
		}
		fromFile, err := load(map[string]string{"HOME": "/h", o.Name + "_FILE": "/f"}, map[string]string{"/f": value + "\n"})
		if err != nil || !reflect.DeepEqual(direct, fromFile) {
			t.Errorf("%s_FILE: %v\ngot  %+v\nwant %+v", o.Name, err, fromFile, direct)
		}
	}
}

func TestMistakesOfFilesNameTheFileVariable(t *testing.T) {
	t.Parallel()
	files := map[string]string{"/empty": "\n", "/huge": strings.Repeat("x", maxFile+1), "/key": "PRIVATE KEY", "/good": ":1"}
	for value, want := range map[string]string{
		"/missing": "LISTEN_ADDR_FILE: open /missing: file does not exist",
		"/empty":   "LISTEN_ADDR_FILE: /empty is empty",
		"/huge":    "LISTEN_ADDR_FILE: /huge is larger than 65536 bytes",
		"/key":     "LISTEN_ADDR_FILE: must be an address and a port, like 127.0.0.1:8080",
	} {
		_, err := load(map[string]string{"HOME": "/h", "LISTEN_ADDR_FILE": value}, files)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", value, err, want)
		}
	}
	_, err := load(map[string]string{"HOME": "/h", "LISTEN_ADDR": ":2", "LISTEN_ADDR_FILE": "/good"}, files)
	if err == nil || !strings.Contains(err.Error(), "give either LISTEN_ADDR or LISTEN_ADDR_FILE") {
		t.Errorf("both: %v", err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	c, err := load(map[string]string{"HOME": "/h", "DATABASE_URL": "postgres://u:" + password + "@h/d"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%q", c.DatabaseURL), string(encoded), c.DatabaseURL.LogValue().String(),
	} {
		if strings.Contains(shown, password) {
			t.Errorf("the password is in %s", shown)
		}
	}
	_, err = load(map[string]string{"HOME": "/h", "DATABASE_URL": "postgres://u:" + password + "%zz@h/d"}, nil)
	if err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("the mistake must be reported without the password: %v", err)
	}
	if string(c.DatabaseURL) != "postgres://u:"+password+"@h/d" {
		t.Error("the program itself can not read it")
	}
}

func TestOptionsExplainThemselves(t *testing.T) {
	t.Parallel()
	for _, o := range Options() {
		if o.Help == "" {
			t.Errorf("%s has no help", o.Name)
		}
		if o.derive == nil && o.Default != "" {
			var c Config
			if err := o.set(&c, o.Default); err != nil {
				t.Errorf("the default of %s: %v", o.Name, err)
			}
		}
	}
}

func TestLoadReportsTheCauseOfAnUnreadableFile(t *testing.T) {
	t.Parallel()
	_, err := load(map[string]string{"HOME": "/h", "DATABASE_URL_FILE": "/nowhere"}, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func FuzzDuration(f *testing.F) {
	for _, v := range []string{"7d", "1d12h", "90m", "65535d2562047h", "d", "-1d", "1d-1h"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		var d time.Duration
		if err := parseDuration(&d, v, time.Minute, longest); err == nil && (d < time.Minute || d > longest) {
			t.Errorf("%q gives %s", v, d)
		}
	})
}

func TestReadmeListsEveryOption(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range Options() {
		fallback := ""
		if o.Default != "" {
			fallback = "`" + o.Default + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", o.Name, fallback, o.Help); !strings.Contains(string(readme), row) {
			t.Errorf("this row is missing in README.md:\n%s", row)
		}
	}
}
