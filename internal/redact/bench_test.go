package redact_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/redact"
	"github.com/worklogdev/worklog/worklog"
)

// BenchmarkTypicalEntry is what redaction adds to a small entry.
func BenchmarkTypicalEntry(b *testing.B) {
	r := redact.New()
	d := worklog.Draft{
		Title: "Bash: npm test -- --watch=false", Tool: "Bash", Source: "claude-code", Conversation: "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f",
		Key:      "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f/toolu_01A2b3C4d5E6f7G8h9J0k1L2",
		Details:  "> project@1.0.0 test\n> vitest run\n\n ✓ src/a.test.ts (12 tests) 31ms\n ✗ src/b.test.ts (4 tests | 1 failed) 12ms\n\nTests  1 failed | 15 passed (16)\n",
		Metadata: worklog.Metadata{"cwd": "/home/user/project", "permission_mode": "default", "input": map[string]any{"command": "npm test -- --watch=false"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, n := r.Text(d.Details); n+r.Draft(&d) != 0 {
			b.Fatal("an ordinary entry has secrets")
		}
	}
}

// BenchmarkText is 64 KiB of the kinds of text that agents write, and of the kinds that they should not.
func BenchmarkText(b *testing.B) {
	r := redact.New()
	for name, s := range texts() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				r.Text(s)
			}
		})
	}
}

const size = 64 << 10

func fill(s string) string { return strings.Repeat(s, size/len(s)+1)[:size] }

func texts() map[string]string {
	source, err := os.ReadFile("scan.go")
	if err != nil {
		panic(err)
	}
	m := map[string]string{
		"source":  fill(string(source)),
		"output":  fill("ok  \tgithub.com/worklogdev/worklog/internal/store\t12.345s\n    redact_test.go:53: became want\n"),
		"colours": fill("\x1b[32m✓\x1b[39m src/a.test.ts \x1b[2m(12 tests)\x1b[22m \x1b[33m31ms\x1b[39m\n"),
		"base64":  fill(letters + "+/" + digits),
		"json":    fill(`{"file_path":"/src/a.go","old_string":"x := 1","new_string":"x := 2","count":12,"ok":true},`),
		"keys":    fill("ghp_" + letters[:36] + " password=hunter2 "),
	}
	for i, s := range awkward() {
		m[fmt.Sprintf("awkward-%02d", i)] = fill(s)
	}
	return m
}

// awkward are texts of which every part looks like the beginning of a secret and none is one.
func awkward() []string {
	return []string{
		"sk-", "ghp_", "eyJ-", "eyJa.", "SG.", "hvs.", "xoxe.xox", "ya29.", "key-", "AKIA", "dapi", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nA", "-----BEGIN PRIVATE KEY-----\nA: b\n", "-----BEGIN PRIVATE KEY-----\nA: ", "-----END", "Bearer ", "bearer a",
		"password=", "password=\"", "password='", "password=$", "password=\\\"", "password=`", "token:", "token=x.", "authorization:", "authorization: $", "authorization: a ", "cookie:", "cookie:a=$", "cookie:a=b",
		"a://", "a://b:", "a://b@", "://@", "--password ", "--token --", "\x1b", "\x1b]", "\x1b[", "\x1b]0;", "\x1b]0;x\a", "\u200b", "\xff", "[redacted: ", "…", "\n[cut here: ", "ghp_a…", "=", ":", "\"password\":\"a ", "\"password\":\"the password \",", "\"auth\":\"", "\"auth\":\"dXNlcjpw", "Authorization: Basic dXNl ", "hooks.slack.com/",
		"a-b_c-", "TOKEN=a;", "\"'`\\\"", "token=\x1b[1m",
	}
}

// Were any of these read in quadratic time, this much would take many seconds; it takes milliseconds. On a busy machine a
// single measurement says little: only what stays slow counts.
func TestNoTextTakesLong(t *testing.T) {
	t.Parallel()
	const times, most, tries = 4, 1500 * time.Millisecond, 3
	r := redact.New()
	for _, part := range awkward() {
		s := strings.Repeat(fill(part), times)
		least := time.Hour
		for try := 0; try < tries && least > most; try++ {
			start := time.Now()
			r.Text(s)
			least = min(least, time.Since(start))
		}
		if least > most {
			t.Errorf("%q: %v for %d KiB", part, least, len(s)>>10)
		}
	}
}
