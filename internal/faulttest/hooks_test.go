package faulttest

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/internal/store/storetest"
)

// postHook posts an event as an agent does: once. It returns the status; 0: no answer.
func postHook(t *testing.T, app *apptest.App, token, body string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.URL+"/api/v1/hooks", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// step is the beginning or the end of a step.
func step(name string, n int) string {
	return fmt.Sprintf(`{"session_id":"run","prompt_id":"p","hook_event_name":%q,"tool_name":"Bash","tool_use_id":"call-%d","tool_input":{"command":"make %d"},"tool_response":"ok"}`, name, n, n)
}

// wantSteps waits until the database holds n finished steps, each once and in order, and nothing else.
func wantSteps(t *testing.T, dsn string, n int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	var done int
	apptest.Eventually(t, fmt.Sprintf("%d steps are finished", n), func() bool {
		return db.QueryRow(t.Context(), "SELECT count(*) FROM work_logs WHERE status = 'success' AND NOT inferred").Scan(&done) == nil && done >= n
	})
	rows, err := db.Query(t.Context(), "SELECT key FROM work_logs ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(keys) != n {
		t.Fatalf("%d rows, want %d, %v", len(keys), n, err)
	}
	for i, key := range keys {
		if want := fmt.Sprintf("run/call-%d", i); key != want {
			t.Fatalf("row %d is %s", i, key)
		}
	}
	checkCounters(t, db)
}

func TestHooksAreTakenWhileTheDatabaseIsAwayAndSurviveAKill(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	wire := storetest.NewWire(t, dsn)
	app := apptest.Start(t, apptest.WithEnv("DATABASE_URL", wire.DSN))
	token := app.Token(apptest.Email, account.ScopeWrite)
	send := func(from, to int) {
		for n := from; n < to; n++ {
			for _, name := range []string{"PreToolUse", "PostToolUse"} {
				if status := postHook(t, app, token, step(name, n)); status != http.StatusNoContent {
					t.Fatalf("%s of step %d: %d", name, n, status)
				}
			}
		}
	}
	send(0, 5)
	wire.Cut()
	send(5, 20)
	if status := postHook(t, app, strings.Replace(token, "wlg_", "wlg_x", 1), step("PreToolUse", 99)); status != http.StatusUnauthorized {
		t.Errorf("something that is no token: %d", status)
	}
	if status := postHook(t, app, account.NewSecret(), step("PreToolUse", 99)); status != http.StatusServiceUnavailable {
		t.Errorf("a token that nobody has checked: %d", status)
	}
	app.Kill()
	if paths, err := filepath.Glob(filepath.Join(app.DataDir, "spool", "hooks", "*.spool")); err != nil || len(paths) == 0 {
		t.Fatalf("nothing is spooled: %v, %v", paths, err)
	}
	wire.Mend(t)
	app.Restart()
	send(20, 25) // behind what is spooled
	wantSteps(t, dsn, 25)
	if text := app.Logs(); !strings.Contains(text, "hooks wait in the spool of an earlier run") {
		t.Error("the log does not tell of the spool")
	}
}

func TestADatabaseThatGoesAwayAgainAtOnceLosesNoHook(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	wire := storetest.NewWire(t, dsn)
	app := apptest.Start(t, apptest.WithEnv("DATABASE_URL", wire.DSN))
	token := app.Token(apptest.Email, account.ScopeWrite)
	send := func(n int) {
		for _, name := range []string{"PreToolUse", "PostToolUse"} {
			if status := postHook(t, app, token, step(name, n)); status != http.StatusNoContent {
				t.Fatalf("%s of step %d: %d", name, n, status)
			}
		}
	}
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	listener := 0
	hears := func() bool { // on another connection than before
		before := listener
		err := db.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> $1", before).Scan(&listener)
		return err == nil
	}
	apptest.Eventually(t, "the program hears of revoked tokens", hears)
	send(0)
	for n := range 3 { // nobody asks for the token while the database is there
		wire.Cut()
		wire.Mend(t)
		apptest.Eventually(t, "the program hears of revoked tokens again", hears)
		wire.Cut()
		send(n + 1)
		wire.Mend(t)
	}
	wantSteps(t, dsn, 4)
}

func TestNoHookIsLostOrDoubledWhenPostgreSQLIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t, apptest.WithPrivatePostgres())
	token := app.Token(apptest.Email, account.ScopeWrite)
	cluster := filepath.Join(app.DataDir, "postgres")
	const steps, kills = 60, 3
	for n := range steps {
		if n > 0 && n%(steps/kills) == 0 {
			runningDSN(t, cluster)
			killPostmaster(t, cluster)
		}
		for _, name := range []string{"PreToolUse", "PostToolUse"} {
			if status := postHook(t, app, token, step(name, n)); status != http.StatusNoContent {
				t.Fatalf("%s of step %d: %d", name, n, status)
			}
		}
	}
	wantSteps(t, runningDSN(t, cluster), steps)
}

// runningDSN waits until the private PostgreSQL answers.
func runningDSN(t *testing.T, cluster string) (dsn string) {
	t.Helper()
	apptest.Eventually(t, "the database runs", func() bool {
		var err error
		if dsn, err = postgres.RunningDSN(cluster); err != nil {
			return false
		}
		db, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return false
		}
		return db.Close(t.Context()) == nil
	})
	return dsn
}
