package faulttest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// post sends one draft without a client that would try again.
func post(t *testing.T, app *apptest.App, token, body string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.URL+"/api/v1/logs", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestWritersAreToldThatTheDatabaseIsAwayAndStoredWhenItIsBack_S23(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	w := storetest.NewWire(t, dsn)
	app := apptest.Start(t, apptest.WithEnv("DATABASE_URL", w.DSN))
	token := app.User(apptest.Email)
	if res := post(t, app, token, `{"title":"before","key":"before"}`); res.StatusCode != http.StatusCreated {
		t.Fatalf("before: %s", res.Status)
	}

	w.Cut()
	for _, key := range []string{"away-1", "away-2"} {
		res := post(t, app, token, `{"title":"while the database is away","key":"`+key+`"}`)
		if res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %s, want 503", key, res.Status)
		}
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || s < 1 {
			t.Errorf("%s: Retry-After %q", key, res.Header.Get("Retry-After"))
		}
		if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") {
			t.Errorf("%s: content type %q", key, got)
		}
	}
	wantStatus(t, app.URL+"/readyz", http.StatusServiceUnavailable)
	wantStatus(t, app.URL+"/healthz", http.StatusOK)

	w.Mend(t)
	client := worklog.New(app.URL, token, worklog.WithTimeout(time.Minute))
	for _, key := range []string{"before", "away-1", "away-2"} {
		title := "while the database is away"
		want := worklog.OutcomeStored
		if key == "before" {
			title, want = "before", worklog.OutcomeUnchanged
		}
		receipts, err := client.Append(t.Context(), worklog.Draft{Title: title, Key: key})
		if err != nil || receipts[0].Outcome != want {
			t.Errorf("%s: %v, %v, want %s", key, receipts, err, want)
		}
	}
	wantReady(t, app)
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	checkCounters(t, db)
}

// wantReady waits until the program says that it is ready; that it is not for a moment is a busy machine's fault.
func wantReady(t *testing.T, app *apptest.App) {
	t.Helper()
	apptest.Eventually(t, "the program is ready", func() bool {
		res, err := http.Get(app.URL + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func wantStatus(t *testing.T, url string, want int) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != want {
		t.Errorf("%s: %s, want %d", url, res.Status, want)
	}
}

func TestNothingAcknowledgedIsLostWhenEveryConnectionIsCutAgainAndAgain_S23(t *testing.T) {
	t.Parallel()
	wire := storetest.NewWire(t, storetest.DSN(t))
	app := apptest.Start(t, apptest.WithEnv("DATABASE_URL", wire.DSN), apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))
	w := startWriters(t, app)
	for range 10 {
		w.progress(t, between/2)
		wire.Cut()
		wire.Mend(t)
	}
	w.progress(t, between)
	w.check(t, wire.DSN)
}

func TestNothingAcknowledgedIsLostInAStormOfTerminatedBackends_S23(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))
	w := startWriters(t, app)
	db, err := pgx.Connect(t.Context(), app.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	ended := 0
	for range 20 {
		w.progress(t, between/4)
		var n int
		err := db.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		ended += n
	}
	if ended < 20 {
		t.Errorf("only %d backends were ended: nothing is proven", ended)
	}
	w.progress(t, between)
	w.check(t, app.DSN)
}
