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

	"github.com/worklogdev/worklog/internal/apptest"
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

// underWay is a program with an open stream in which one write waits: somebody holds its owner until release.
type underWay struct {
	app     *apptest.App
	token   string
	stream  <-chan string
	release func()
	status  <-chan int // of the answer
	since   time.Time
}

// late reports whether a write that is refused has waited for as long as the program lets it, which a busy machine may be
// to blame for.
func (u *underWay) late() bool { return time.Since(u.since) > 4*time.Second }

// again runs a scenario until it says that it was in time.
func again(t *testing.T, scenario func() (inTime bool)) {
	t.Helper()
	for range 5 {
		if scenario() {
			return
		}
	}
	t.Error("never in time")
}

// writeUnderWay starts it. What takes long comes before the write, which does not wait for ever.
func writeUnderWay(t *testing.T, options ...apptest.Option) *underWay {
	t.Helper()
	app := apptest.Start(t, append(options, apptest.WithEnv("METRICS_ADDR", "localhost:0"))...)
	token := app.User(apptest.Email)
	if res := post(t, app, token, `{"title":"makes the stats row"}`); res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status)
	}
	dsn := app.DSN
	if dsn == "" {
		dsn = runningDSN(t, filepath.Join(app.DataDir, "postgres"))
	}
	u := &underWay{app: app, token: token, stream: follow(t, app, token)}
	tx, err := connect(t, dsn).Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "SELECT 1 FROM work_log_stats FOR UPDATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan int, 1)
	u.status, u.since = answer, time.Now()
	go func() {
		defer close(answer)
		req, _ := http.NewRequest(http.MethodPost, app.URL+"/api/v1/logs", strings.NewReader(`{"title":"under way"}`))
		req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			answer <- res.StatusCode
		}
	}()
	for metric(t, app, "worklog_queued_drafts") != "1" && !u.late() {
		<-time.After(time.Millisecond)
	}
	u.release = func() {
		if err := tx.Rollback(context.Background()); err != nil {
			t.Error(err)
		}
	}
	return u
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
	again(t, func() bool {
		u := writeUnderWay(t, apptest.WithEnv("WORKLOG_STOP_DELAY", "1s"))
		var stopped sync.WaitGroup
		stopped.Go(u.app.Stop)
		told := notReady(u.app)
		if retry := <-u.stream; retry == "" {
			t.Error("the stream was not told when to come back")
		}
		answered := false
		select {
		case s := <-u.status:
			if answered = true; !u.late() {
				t.Errorf("the write was answered with %d before its owner was free", s)
			}
		default:
		}
		u.release()
		if answered {
			stopped.Wait()
			return false
		}
		s := <-u.status
		late := u.late()
		stopped.Wait()
		if s != http.StatusCreated && !late {
			t.Errorf("the write was answered with %d", s)
		}
		if !told || s != http.StatusCreated {
			return false
		}
		u.checkStopped(t)
		return true
	})
}

// notReady waits until a balancer is told to look elsewhere; false: the program does not listen any more.
func notReady(app *apptest.App) bool {
	for {
		res, err := http.Get(app.URL + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable {
			return true
		}
		<-time.After(time.Millisecond)
	}
}

// checkStopped checks that the write is stored, and in which order the program has ended what it did.
func (u *underWay) checkStopped(t *testing.T) {
	t.Helper()
	if n := count(t, connect(t, u.app.DSN), "SELECT count(*) FROM work_logs WHERE title = 'under way'"); n != 1 {
		t.Errorf("%d entries", n)
	}
	log := u.app.Logs()
	listening, streams, database := strings.Index(log, `"stopping"`), strings.LastIndex(log, `"stream ended"`), strings.LastIndex(log, "/api/v1/logs")
	if listening < 0 || streams < listening || database < streams {
		t.Errorf("stopping, the stream's end and the write's answer are at %d, %d and %d in the log", listening, streams, database)
	}
}

func TestThePrivateDatabaseIsStoppedAfterTheLastWrite(t *testing.T) {
	t.Parallel()
	again(t, func() bool {
		u := writeUnderWay(t, apptest.WithPrivatePostgres())
		var stopped sync.WaitGroup
		stopped.Go(u.app.Stop)
		<-u.stream
		u.release()
		s := <-u.status
		late := u.late()
		stopped.Wait()
		if s != http.StatusCreated && late {
			return false
		}
		if s != http.StatusCreated {
			t.Errorf("the write was answered with %d", s)
		}
		u.app.Restart()
		page, err := worklog.New(u.app.URL, u.token).Entries(t.Context(), worklog.Query{})
		if err != nil || len(page.Entries) != 2 || page.Entries[0].Title != "under way" {
			t.Errorf("%+v, %v", page.Entries, err)
		}
		return true
	})
}

func TestASecondSignalEndsTheProgramAtOnce(t *testing.T) {
	t.Parallel()
	again(t, func() bool {
		u := writeUnderWay(t)
		defer u.release()
		pid := u.app.PID()
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-u.stream // it stops, and waits for the write
		err := syscall.Kill(pid, syscall.SIGTERM)
		s, answered := <-u.status
		late := u.late()
		u.app.Kill() // it is gone already; this takes note of it
		if (answered || err != nil) && late {
			return false
		}
		if answered || err != nil {
			t.Errorf("the write was answered with %d, and the second signal with %v", s, err)
		}
		return true
	})
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
