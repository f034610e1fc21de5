package faulttest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/worklog"
)

// metric returns a figure of the program's, as it is written in its metrics.
func metric(t *testing.T, app *apptest.App, name string) string {
	t.Helper()
	at := regexp.MustCompile(`"metrics listening","url":"([^"]+)"`).FindStringSubmatch(app.Logs())
	if at == nil {
		t.Fatal("the metrics do not listen")
	}
	res, err := http.Get(at[1])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(string(body))
	if found == nil {
		t.Fatalf("no figure %s", name)
	}
	return found[1]
}

// underWay starts a program with an open stream in which one write waits: somebody holds its owner until release. It does
// not wait for ever, so that whatever takes long comes before it. The answer's status comes through a channel.
func underWay(t *testing.T, options ...apptest.Option) (app *apptest.App, token string, stream <-chan string, release func(), status <-chan int) {
	t.Helper()
	app = apptest.Start(t, append(options, apptest.WithEnv("METRICS_ADDR", "localhost:0"))...)
	token = app.User(apptest.Email)
	if res := post(t, app, token, `{"title":"makes the stats row"}`); res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status)
	}
	dsn := app.DSN
	if dsn == "" {
		var err error
		if dsn, err = postgres.RunningDSN(filepath.Join(app.DataDir, "postgres")); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	stream = follow(t, app, token)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM work_log_stats FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan int, 1)
	go func() {
		defer close(answer)
		req, _ := http.NewRequest(http.MethodPost, app.URL+"/api/v1/logs", strings.NewReader(`{"title":"under way"}`))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			answer <- res.StatusCode
		}
	}()
	apptest.Eventually(t, "the write waits", func() bool { return metric(t, app, "worklog_queued_drafts") == "1" })
	return app, token, stream, func() {
		if err := tx.Rollback(context.Background()); err != nil {
			t.Error(err)
		}
	}, answer
}

// follow opens a stream and returns its last event when it ends.
func follow(t *testing.T, app *apptest.App, token string) <-chan string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, app.URL+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("stream: %v, %v", res, err)
	}
	last := make(chan string, 1)
	go func() {
		defer res.Body.Close()
		retry := ""
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if after, ok := strings.CutPrefix(lines.Text(), "retry: "); ok {
				retry = after
			}
		}
		last <- retry
	}()
	return last
}

func TestASignalEndsStreamsFirstAndLetsAWriteThatIsUnderWayFinish(t *testing.T) {
	t.Parallel()
	app, _, stream, release, status := underWay(t, apptest.WithEnv("WORKLOG_STOP_DELAY", "1s"))
	var stopped sync.WaitGroup
	stopped.Go(app.Stop)
	apptest.Eventually(t, "a balancer is told to look elsewhere", func() bool {
		res, err := http.Get(app.URL + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	if retry := <-stream; retry == "" {
		t.Error("the stream was not told when to come back")
	}
	select {
	case s := <-status:
		t.Errorf("the write was answered with %d before its owner was free", s)
	default:
	}
	release()
	if s := <-status; s != http.StatusCreated {
		t.Errorf("the write was answered with %d", s)
	}
	stopped.Wait()
	conn, err := pgx.Connect(t.Context(), app.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM work_logs WHERE title = 'under way'").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d entries, %v", n, err)
	}
	listening, streams, database := strings.Index(app.Logs(), `"stopping"`), strings.LastIndex(app.Logs(), `"stream ended"`), strings.LastIndex(app.Logs(), "/api/v1/logs")
	if listening < 0 || streams < listening || database < streams {
		t.Errorf("stopping, the stream's end and the write's answer are at %d, %d and %d in the log", listening, streams, database)
	}
}

func TestThePrivateDatabaseIsStoppedAfterTheLastWrite(t *testing.T) {
	t.Parallel()
	app, token, stream, release, status := underWay(t, apptest.WithPrivatePostgres())
	var stopped sync.WaitGroup
	stopped.Go(app.Stop)
	<-stream
	release()
	if s := <-status; s != http.StatusCreated {
		t.Errorf("the write was answered with %d", s)
	}
	stopped.Wait()
	app.Restart()
	page, err := worklog.New(app.URL, token).Entries(t.Context(), worklog.Query{})
	if err != nil || len(page.Entries) != 2 || page.Entries[0].Title != "under way" {
		t.Errorf("%+v, %v", page.Entries, err)
	}
}

func TestASecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	app, _, stream, release, status := underWay(t)
	defer release()
	pid := app.PID()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-stream // it stops, and waits for the write
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s, ok := <-status; ok {
		t.Errorf("the write was answered with %d", s)
	}
	app.Kill() // it is gone already; this takes note of it
}

func TestFiveHundredStreamsEndWithTheProgram(t *testing.T) {
	t.Parallel()
	const streams = 500
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_STREAMS_PER_TOKEN", fmt.Sprint(streams)))
	token := app.User(apptest.Email)
	var ends []<-chan string
	for range streams {
		ends = append(ends, follow(t, app, token))
	}
	began := time.Now()
	app.Stop()
	t.Logf("%d streams ended and the program with them within %v", streams, time.Since(began).Round(time.Millisecond))
	pauses := map[string]int{}
	for _, end := range ends {
		pauses[<-end]++
	}
	if pauses[""] > 0 || len(pauses) < streams/10 {
		t.Errorf("%d streams were not told when to come back, the others have %d different pauses", pauses[""], len(pauses)-1)
	}
}
