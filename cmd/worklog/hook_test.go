package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

const promptEvent = `{"session_id":"s","prompt_id":"p","hook_event_name":"UserPromptSubmit","prompt":"%"}`

func prompt(text string) string { return strings.Replace(promptEvent, "%", text, 1) }

// hookRun is a hook as an agent runs it, and fails unless the agent notices nothing.
func (s *shell) hookRun(t *testing.T, stdin io.Reader, args ...string) {
	t.Helper()
	s.stdin = stdin
	if code := s.run(t.Context(), append([]string{"hook"}, args...)...); code != 0 || s.stdout.String() != "" {
		t.Errorf("exit %d, the agent reads %q", code, s.stdout.String())
	}
}

func TestAHookHandsOverItsEvent(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t)
	s := shellOf(app, apptest.Email)
	s.env["HOME"] = t.TempDir()
	s.hookRun(t, strings.NewReader(prompt("Fix it")))
	if code := s.run(t.Context(), "hook", "--flush"); code != 0 { // a busy server may have needed longer than an agent waits
		t.Fatalf("exit %d: %s", code, s.stderr.String())
	}
	page, err := app.Client().Entries(t.Context(), worklog.Query{})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Title != "Prompt: Fix it" {
		t.Errorf("%+v, %v", page, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.env["HOME"], ".local", "state", "worklog", "outbox", "*", "*.json")); err != nil || len(left) != 0 {
		t.Errorf("a hook that works leaves %v, %v", left, err)
	}
}

func TestNothingThatAHookMeetsReachesItsAgent(t *testing.T) {
	t.Parallel()
	never, _ := io.Pipe()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer down.Close()
	for name, c := range map[string]struct {
		env   []string
		args  []string
		stdin io.Reader
	}{
		"no token":              {nil, nil, strings.NewReader("{}")},
		"no such agent":         {nil, []string{"--agent", "codex"}, strings.NewReader("{}")},
		"a flag of tomorrow":    {nil, []string{"--tomorrow"}, strings.NewReader("{}")},
		"input that never ends": {[]string{"WORKLOG_TOKEN", "t"}, nil, never},
		"a server with a fault": {[]string{"WORKLOG_TOKEN", "t", "WORKLOG_URL", down.URL}, nil, strings.NewReader("{}")},
		"no disk":               {[]string{"WORKLOG_TOKEN", "t", "WORKLOG_URL", down.URL, "XDG_STATE_HOME", "/proc/none"}, nil, strings.NewReader("{}")},
		"too much":              {[]string{"WORKLOG_TOKEN", "t", "WORKLOG_URL", down.URL}, nil, io.LimitReader(zeros{}, 17<<20)},
	} {
		s := newShell(append(c.env, "HOME", t.TempDir())...)
		began := time.Now()
		s.hookRun(t, c.stdin, c.args...)
		t.Logf("%s: %v, %s", name, time.Since(began), strings.TrimSpace(s.stderr.String()))
		if name != "a server with a fault" && s.stderr.String() == "" {
			t.Errorf("%s: nobody can find out what is wrong", name)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestWhatAHookCouldNotHandOverIsDeliveredLater(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t)
	s := shellOf(app, apptest.Email)
	s.env["HOME"] = t.TempDir()
	app.Kill()
	for _, text := range []string{"one", "two", "three"} {
		s.hookRun(t, strings.NewReader(prompt(text)))
	}
	if len(s.detached) != 3 || !slices.Equal(s.detached[0], []string{"hook", "--deliver"}) {
		t.Errorf("started: %v", s.detached)
	}
	app.Restart()
	if code := s.run(t.Context(), "hook", "--flush"); code != 0 || !strings.Contains(s.stderr.String(), "3 events delivered, 0 refused by the server, 0 given up, 0 waiting") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
	var titles []string
	for e, err := range app.Client().All(t.Context(), worklog.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		titles = append(titles, e.Title)
	}
	if got := strings.Join(titles, ", "); got != "Prompt: three, Prompt: two, Prompt: one" {
		t.Error(got)
	}
}

// The real program, as agents run it: it hands over, spools, and delivers in a process that outlives it.
func TestTheProgramDeliversBehindTheBackOfTheAgent(t *testing.T) {
	t.Parallel()
	state, got := t.TempDir(), make(chan string, 100)
	var well atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if !well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got <- string(raw)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_URL", server.URL), apptest.WithEnv("WORKLOG_TOKEN", account.NewSecret()), apptest.WithEnv("XDG_STATE_HOME", state))
	hookInTime(t, app, prompt("one"))
	waiting := func() int {
		files, err := filepath.Glob(filepath.Join(state, "worklog", "outbox", "*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if waiting() == 0 {
		t.Fatalf("%d events wait", waiting())
	}
	well.Store(true)
	hookInTime(t, app, prompt("two"))
	for _, text := range []string{"one", "two"} {
		for raw := range got { // one that was not in time may have been kept all the same
			if raw == prompt(text) {
				break
			}
			if text == "one" || raw != prompt("one") {
				t.Fatalf("%s came instead of %s", raw, text)
			}
		}
	}
	apptest.Eventually(t, "nothing waits", func() bool { return waiting() == 0 })
}

// inTime has a hook run again that says that this machine was busy for longer than an agent waits.
func inTime(hook func() (said string)) (said string) {
	for range 20 {
		if said = hook(); !strings.Contains(said, "in time") {
			break
		}
	}
	return said
}

// hookInTime has the real program hand over an event.
func hookInTime(t *testing.T, app *apptest.App, event string) {
	t.Helper()
	inTime(func() string {
		out, said, err := app.TryCommand(event, "hook")
		if out != "" || err != nil {
			t.Fatalf("%q, %s, %v", out, said, err)
		}
		return said
	})
}

// An agent may start its hooks without HOME: a folder of the project that it works in is no place for prompts and tokens.
func TestWithoutAHomeNothingIsWrittenIntoTheProject(t *testing.T) {
	project := t.TempDir()
	t.Chdir(project)
	s := newShell("WORKLOG_TOKEN", "t", "WORKLOG_URL", "http://127.0.0.1:1")
	for _, args := range [][]string{{"hook"}, {"hook", "--agent", "codex"}, {"connect", "codex", "--yes"}} {
		s.stdin = strings.NewReader(`{"hook_event_name":"Stop","session_id":"s"}`)
		if code := s.run(t.Context(), args...); code != 0 && args[0] == "hook" {
			t.Errorf("%v: exit %d", args, code)
		}
	}
	if text := s.stderr.String(); strings.Count(text, "there is no home directory: set HOME") != 3 {
		t.Errorf("it says\n%s", text)
	}
	s.account, s.stdin = t.TempDir(), strings.NewReader(`{"hook_event_name":"Stop","session_id":"s"}`)
	if code := s.run(t.Context(), "hook"); code != 0 {
		t.Errorf("exit %d", code)
	}
	if kept, err := filepath.Glob(filepath.Join(s.account, ".local", "state", "worklog", "outbox", "*", "*.json")); err != nil || len(kept) != 1 {
		t.Errorf("in the home that the system knows: %v, %v", kept, err)
	}
	if files, err := os.ReadDir(project); err != nil || len(files) != 0 {
		t.Errorf("in the project: %v, %v", files, err)
	}
}
