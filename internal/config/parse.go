package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func parseDatabaseURL(to *Secret, v string) error {
	*to = Secret(v)
	if v == "" || strings.Contains(v, "=") && !strings.Contains(v, "://") { // "host=... user=..." is fine as well
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" { // url errors quote the password
		return errors.New("must look like postgres://user:password@host/name")
	}
	return nil
}

func parseAddr(to *string, v string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be an address and a port, like 127.0.0.1:8080")
	}
	*to = v
	return nil
}

func parseOptionalAddr(to *string, v string) error {
	if v == "" {
		return nil
	}
	return parseAddr(to, v)
}

// parseOrigin refuses a path: cookies with the __Host- prefix need the path "/".
func parseOrigin(to *string, v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("must be an origin like https://worklog.example.org")
	case u.Path != "" && u.Path != "/":
		return errors.New("must be an origin without a path; worklog needs a host name of its own")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return errors.New("must be an origin, nothing after the host and port")
	}
	host := strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; u.Port() != "" {
		host = strings.TrimSuffix(host, port) // browsers leave it out
	}
	*to = u.Scheme + "://" + host
	return nil
}

func parseDir(to *string, v string) error {
	if v == "" {
		return errors.New("must be set, there is no home directory to put it in")
	}
	dir, err := filepath.Abs(v)
	*to = dir
	return err
}

func parsePrefixes(to *[]netip.Prefix, v string) error {
	for part := range strings.SplitSeq(v, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if addr, addrErr := netip.ParseAddr(part); err != nil && addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return errors.New("must be addresses or networks like 10.0.0.0/8, separated by commas")
		}
		*to = append(*to, prefix.Masked())
	}
	return nil
}

func parseLevel(to *slog.Level, v string) error {
	var name string
	if err := parseChoice(&name, strings.ToLower(v), "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return to.UnmarshalText([]byte(name))
}

func parseChoice(to *string, v string, choices ...string) error {
	if !slices.Contains(choices, v) {
		return fmt.Errorf("must be one of %s", strings.Join(choices, ", "))
	}
	*to = v
	return nil
}

func parseBool(to *bool, v string) error {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "1":
		*to = true
	case "false", "off", "no", "0":
		*to = false
	default:
		return errors.New("must be true or false")
	}
	return nil
}

func parseCount(to *int, v string, most int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return fmt.Errorf("must be a number from 1 to %d", most)
	}
	*to = n
	return nil
}

// leastImports is how many drafts a request may hold: a budget below that would refuse it however long it waits.
const leastImports = 1000

func parseImportLimit(to *int, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < leastImports || n > maxCount {
		return fmt.Errorf("must be a number from %d, the drafts of one request, to %d", leastImports, maxCount)
	}
	*to = n
	return nil
}

// Sizes are powers of 1024, whatever one calls them.
const (
	mebibyte  = 1 << 20
	gibibyte  = 1 << 30
	maxBytes  = 1 << 50
	leastSize = mebibyte
)

// parseBytes reads a size like 512MiB or 1GiB, and off as 0.
func parseBytes(to *int64, v string) error {
	mistake := errors.New("must be a size from 1MiB on, like 512MiB or 1GiB, or off")
	unit := int64(1)
	text := strings.ToLower(v)
	switch number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz"); text[len(number):] {
	case "gib", "gb", "g":
		unit, text = gibibyte, number
	case "mib", "mb", "m":
		unit, text = mebibyte, number
	case "off":
		*to = 0
		if number != "" {
			return mistake
		}
		return nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > maxBytes/unit || n*unit < leastSize {
		return mistake
	}
	*to = n * unit
	return nil
}

// parseDuration reads what time.ParseDuration reads, and days in front: 7d, 1d12h.
func parseDuration(to *time.Duration, v string, least, most time.Duration) error {
	mistake := fmt.Errorf("must be a duration from %s to %s, like 90m, 36h or 7d", short(least), short(most))
	var total time.Duration
	rest := v
	if days, after, ok := strings.Cut(v, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16) // 65,535 days fit into a Duration
		if err != nil {
			return mistake
		}
		total, rest = time.Duration(n)*day, after
	}
	if rest != "" || v == "" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || d > most {
			return mistake
		}
		total += d
	}
	if total < least || total > most {
		return mistake
	}
	*to = total
	return nil
}

func short(d time.Duration) string {
	if d >= day {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String() // 1m0s, 2h0m0s
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func parseTimeOfDay(to *time.Duration, v string) error {
	t, err := time.Parse("15:04", strings.TrimSpace(strings.TrimSuffix(v, "UTC")))
	if err != nil {
		return errors.New("must be a time in UTC like 03:00")
	}
	*to = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	return nil
}

func parseArchiveURL(to *string, v, dataDir string) error {
	if v == "" {
		if dataDir != "" {
			*to = "file://" + filepath.Join(dataDir, "archive")
		}
		return nil
	}
	u, err := url.Parse(v)
	if err == nil && u.Scheme == "s3" {
		*to = v
		return checkS3(u)
	}
	if err != nil || u.Scheme != "file" || u.Host != "" || !filepath.IsAbs(u.Path) || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be a URL like file:///srv/worklog/archive or s3://bucket/prefix?endpoint=https://s3.example.org")
	}
	*to = "file://" + filepath.Clean(u.Path)
	return nil
}

// checkS3 refuses what would fail at night only, with the first sweep.
func checkS3(u *url.URL) error {
	q := u.Query()
	endpoint, err := url.Parse(q.Get("endpoint"))
	given := q.Has("endpoint")
	q.Del("endpoint")
	q.Del("region")
	switch {
	case u.Host == "" || u.User != nil || u.Fragment != "" || len(q) > 0:
		return errors.New("must be a URL like s3://bucket/prefix?endpoint=https://s3.example.org&region=name, without a key")
	case given && (err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" || endpoint.User != nil):
		return errors.New("must name its endpoint by a URL like https://s3.example.org")
	}
	return nil
}
