package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/demo"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// output is a writer that a test can read while the program writes.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	news chan struct{}
}

func newOutput() *output { return &output{news: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait returns the first group of pattern as soon as it was written.
func (o *output) wait(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(2 * time.Minute)
	for {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[1]
		}
		select {
		case <-o.news:
		case <-deadline:
			t.Fatalf("%q was not written in:\n%s", pattern, o.String())
		}
	}
}

// world is an app whose environment is the test's.
func world(t *testing.T, env map[string]string) (a *app, stdout, stderr *output) {
	t.Helper()
	stdout, stderr = newOutput(), newOutput()
	if env["DATA_DIR"] == "" {
		env["DATA_DIR"] = t.TempDir()
	}
	return &app{
		ctx: t.Context(), env: func(k string) string { return env[k] }, readFile: os.ReadFile, stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, now: time.Now,
	}, stdout, stderr
}

func TestServeAnswersUntilASignalAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	a, stdout, stderr := world(t, map[string]string{"DATABASE_URL": storetest.Empty(t), "LISTEN_ADDR": "127.0.0.1:0", "METRICS_ADDR": "localhost:0"})
	ctx, signal := context.WithCancel(a.ctx)
	a.ctx = ctx
	ended := make(chan int, 1)
	go func() { ended <- a.run([]string{"serve"}) }()
	url := stderr.wait(t, `msg":"listening","url":"([^"]+)"`)
	metrics := stderr.wait(t, `msg":"metrics listening","url":"([^"]+)"`)
	stdout.wait(t, `(/enter/\S+)`)
	for path, want := range map[string]string{url + "/healthz": "", url + "/readyz": "", url + "/login": "password", metrics: "worklog_drafts_total"} {
		if body := fetch(t, path); !strings.Contains(body, want) {
			t.Errorf("%s answers %.200q", path, body)
		}
	}
	signal()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, err := http.Get(url + "/healthz"); err == nil {
		t.Error("still answers")
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("%s: %s, %v", url, r.Status, err)
	}
	return string(body)
}

func TestEveryMistakeInTheSettingsIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	a, _, stderr := world(t, map[string]string{"LISTEN_ADDR": "nowhere", "WORKLOG_RATE_LIMIT": "-1", "BASE_URL": "https://example.org/path"})
	if code := a.run([]string{"serve"}); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{"LISTEN_ADDR", "WORKLOG_RATE_LIMIT", "BASE_URL"} {
		if !strings.Contains(stderr.String(), name) {
			t.Errorf("%s is not named in %s", name, stderr)
		}
	}
}

func TestMigrateGoesDownOnlyWhenToldTwice(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": storetest.DSN(t)}
	for _, step := range []struct {
		args string
		code int
		want string
	}{
		{"migrate status", 0, "applied"}, {"migrate down", 1, ""}, {"migrate status", 0, "applied"},
		{"migrate down --yes", 0, ""}, {"migrate status", 0, "missing"}, {"migrate up", 0, ""}, {"migrate status", 0, "applied"},
	} {
		a, stdout, stderr := world(t, env)
		if code := a.run(strings.Fields(step.args)); code != step.code || !strings.Contains(stdout.String(), step.want) {
			t.Errorf("%s: exit code %d, %q, %q", step.args, code, stdout, stderr)
		}
	}
}

func TestAWrongCommandLineIsNotAFailureOfTheProgram(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"version": 0, "--help": 0, "": 0, "serve --odd": 2, "odd": 2} {
		a, _, _ := world(t, map[string]string{})
		if code := a.run(strings.Fields(args)); code != want {
			t.Errorf("%q exits with %d, want %d", args, code, want)
		}
	}
}

func TestAPartThatPanicsIsStartedAgain(t *testing.T) {
	t.Parallel()
	a, _, _ := world(t, map[string]string{})
	cfg, err := a.config()
	if err != nil {
		t.Fatal(err)
	}
	g := newParts(newLog(a, cfg))
	runs := 0
	g.run("odd", t.Context(), func(context.Context) error {
		if runs++; runs == 1 {
			panic("odd")
		}
		if runs == 2 {
			return errors.New("odd")
		}
		return nil
	})
	g.wait()
	if runs != 3 {
		t.Errorf("%d runs", runs)
	}
}

func TestTheDemoGoesOnAfterARestartAndEndsWhatWasRunning(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": storetest.Empty(t), "LISTEN_ADDR": "127.0.0.1:0", "WORKLOG_RATE_LIMIT": "100000"}
	st := func() *store.Store { return storetest.Open(t, env["DATABASE_URL"]) }
	serve := func(until func(*store.Store) bool) {
		a, stdout, stderr := world(t, env)
		ctx, signal := context.WithCancel(a.ctx)
		a.ctx = ctx
		ended := make(chan int, 1)
		go func() { ended <- a.run([]string{"serve", "--demo"}) }()
		stdout.wait(t, `(/enter/\S+)`)
		seen := st()
		deadline := time.Now().Add(30 * time.Second)
		for tick := time.NewTicker(50 * time.Millisecond); !until(seen); <-tick.C {
			if time.Now().After(deadline) {
				t.Fatalf("the demo stands still:\n%s", stderr)
			}
		}
		signal()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	}
	count := func(st *store.Store, f store.EntryFilter) int {
		user, _, err := st.UserByEmail(t.Context(), account.DemoEmail)
		if err != nil {
			return 0
		}
		page, err := st.Entries(t.Context(), store.EntryQuery{Owner: user.ID, Filter: f, Limit: store.MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Rows)
	}
	serve(func(st *store.Store) bool { return count(st, store.EntryFilter{}) > 0 })
	left := count(st(), store.EntryFilter{})
	leaveRunning(t, st())
	ended := store.EntryFilter{Status: worklog.StatusWarning, Query: "left running"}
	serve(func(st *store.Store) bool { return count(st, ended) == 1 && count(st, store.EntryFilter{}) > left+1 })
}

// leaveRunning writes a running step of the demo's user, as a demo does that is stopped in the middle.
func leaveRunning(t *testing.T, st *store.Store) {
	t.Helper()
	user, _, err := st.UserByEmail(t.Context(), account.DemoEmail)
	if err != nil {
		t.Fatal(err)
	}
	facts := change.Facts{Title: "left running", Type: worklog.TypeInfo, Status: worklog.StatusWorking, LoggedAt: time.Now().UTC()}
	w := store.Write{Owner: user.ID, EntryID: uuid.NewString(), Key: demo.Keys + "left", Facts: facts}
	if _, _, err := st.Append(t.Context(), store.Batch{Now: time.Now().UTC(), Writes: []store.Write{w}}); err != nil {
		t.Fatal(err)
	}
}
