package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestLogWritesAndCompletesAnEntry(t *testing.T) {
	t.Parallel()
	a := apptest.Start(t)
	s := shellOf(a, apptest.Email)
	s.stdin = strings.NewReader("line one\nline two")
	args := []string{"log", "npm test", "--type", "tool_call", "--status", "working", "--tool", "Bash", "--conversation", "c", "--key", "k", "--details", "-", "--metadata", "a=1;b,c=2", "--metadata", "d=x=y"}
	if code := s.run(t.Context(), args...); code != 0 {
		t.Fatalf("exit %d: %s", code, s.stderr.String())
	}
	id := strings.TrimSpace(s.stdout.String())
	if code := s.run(t.Context(), "log", "npm test", "--status", "success", "--key", "k"); code != 0 || strings.TrimSpace(strings.TrimPrefix(s.stdout.String(), id)) != id {
		t.Errorf("the end is another entry: exit %d, %s %s", code, s.stdout.String(), s.stderr.String())
	}
	e, err := a.Client().Entry(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if e.Title != "npm test" || e.Type != worklog.TypeToolCall || e.Status != worklog.StatusSuccess || e.Tool != "Bash" || e.Details != "line one\nline two" ||
		e.Metadata["a"] != "1;b,c=2" || e.Metadata["d"] != "x=y" || e.ConversationID == "" {
		t.Errorf("%+v", e)
	}
	if code := s.run(t.Context(), "log", "x", "--status", "done"); code != 2 {
		t.Errorf("a wrong status: exit %d", code)
	}
	if code := s.run(t.Context(), "log", strings.Repeat("x", 501)); code != 1 || !strings.Contains(s.stderr.String(), "title must have at most 500 characters") {
		t.Errorf("a long title: exit %d, %s", code, s.stderr.String())
	}
}

func TestClientCommandsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"log", "x"}, {"tail"}, {"import"}, {"demo"}} {
		s := newShell()
		if code := s.run(t.Context(), args...); code != 1 || !strings.Contains(s.stderr.String(), "WORKLOG_TOKEN") {
			t.Errorf("%v: exit %d, %s", args, code, s.stderr.String())
		}
	}
	s := newShell("WORKLOG_TOKEN_FILE", filepath.Join(t.TempDir(), "none"))
	if code := s.run(t.Context(), "log", "x"); code != 1 || !strings.Contains(s.stderr.String(), "WORKLOG_TOKEN_FILE") {
		t.Errorf("exit %d, %s", code, s.stderr.String())
	}
}

func TestATokenMayStandInAFile(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer wlg_from_a_file" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"outcome":"stored","entry":{"id":"the-id"}}`))
	}))
	defer srv.Close()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("wlg_from_a_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newShell("WORKLOG_URL", srv.URL, "WORKLOG_TOKEN_FILE", path)
	if code := s.run(t.Context(), "log", "x"); code != 0 || s.stdout.String() != "the-id\n" {
		t.Errorf("exit %d, %q %q", code, s.stdout.String(), s.stderr.String())
	}
}

func TestHealthcheckTellsByItsExitCode(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(status)
		}
	}))
	s := newShell("LISTEN_ADDR", strings.TrimPrefix(srv.URL, "http://"))
	if code := s.run(t.Context(), "healthcheck"); code != 0 {
		t.Errorf("ready: exit %d, %s", code, s.stderr.String())
	}
	status = http.StatusServiceUnavailable
	if code := s.run(t.Context(), "healthcheck"); code != 1 || !strings.Contains(s.stderr.String(), "503") {
		t.Errorf("not ready: exit %d, %s", code, s.stderr.String())
	}
	if code := s.run(t.Context(), "healthcheck", "--live"); code != 0 {
		t.Errorf("live: exit %d, %s", code, s.stderr.String())
	}
	srv.Close()
	if code := s.run(t.Context(), "healthcheck", "--url", srv.URL, "--live"); code != 1 {
		t.Errorf("gone: exit %d", code)
	}
}

func TestAServerIsAskedWhereItListens(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", ":8080": "http://127.0.0.1:8080", "0.0.0.0:80": "http://127.0.0.1:80", "[::]:80": "http://[::1]:80",
		"[fe80::1]:80": "http://[fe80::1]:80", "db.lan:81": "http://db.lan:81",
	} {
		if got := localURL(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestNothingThatAServerSaysReachesTheTerminalAsACommand(t *testing.T) {
	t.Parallel()
	const evil = `\u001b[2J\u001b]0;title\u0007\u202e`
	for name, answer := range map[string]string{
		"a refusal":  `{"code":"invalid","detail":"` + evil + `","errors":[{"field":"title","message":"` + evil + `"}]}`,
		"no room":    `{"outcome":"limited","reason":"` + evil + `","entry":{"title":"x"}}`,
		"an entry":   `{"outcome":"stored","entry":{"id":"` + evil + `","title":"x"}}`,
		"not a fact": evil,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if name == "a refusal" {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusUnprocessableEntity)
			}
			_, _ = w.Write([]byte(answer))
		}))
		defer server.Close()
		s := newShell("WORKLOG_URL", server.URL, "WORKLOG_TOKEN", "wlg_x")
		_ = s.run(t.Context(), "log", "x")
		said := s.stdout.String() + s.stderr.String()
		if strings.ContainsFunc(strings.ReplaceAll(said, "\n", ""), harmful) || strings.TrimSpace(said) == "" {
			t.Errorf("%s: %q", name, said)
		}
	}
}

// A redirect of the kind that web servers and proxies answer with makes a GET of what writes, and that has an answer.
func TestAServerThatHasMovedIsNamedAndNothingCountsAsWritten(t *testing.T) {
	t.Parallel()
	a := apptest.Start(t)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, a.URL+r.URL.RequestURI(), status)
		}))
		defer proxy.Close()
		for _, args := range [][]string{{"log", "x"}, {"import"}} {
			s := shellOf(a, apptest.Email)
			s.env["WORKLOG_URL"], s.stdin = proxy.URL, strings.NewReader(`{"title":"x"}`)
			if code := s.run(t.Context(), args...); code != 1 || !strings.Contains(s.stderr.String(), "the server has moved to "+a.URL+": use that address") || s.stdout.String() != "" {
				t.Errorf("%d, %v: exit %d, %q %q", status, args, code, s.stdout.String(), s.stderr.String())
			}
		}
	}
	if stats, err := a.Client().Stats(t.Context()); err != nil || stats.Counts.Received() != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestAnAnswerOfAnotherProgramIsNoEntry(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ok"}`)) }))
	defer server.Close()
	for _, args := range [][]string{{"log", "x"}, {"import"}} {
		s := newShell("WORKLOG_URL", server.URL, "WORKLOG_TOKEN", "wlg_x")
		s.stdin = strings.NewReader(`{"title":"x"}`)
		if code := s.run(t.Context(), args...); code != 1 || !strings.Contains(s.stderr.String(), server.URL+" does not answer as worklog does") || s.stdout.String() != "" {
			t.Errorf("%v: exit %d, %q %q", args, code, s.stdout.String(), s.stderr.String())
		}
	}
}
