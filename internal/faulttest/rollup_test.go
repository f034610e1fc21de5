package faulttest

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// The statistics are counted in the background by a program that is killed again and again while it writes and counts,
// with another one beside it on the same database. In the end they say what the entries say.
func TestStatisticsAreRightAfterKills(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))
	beside := apptest.Start(t, apptest.WithEnv("DATABASE_URL", app.DSN))
	w := startWriters(t, app)
	for range 5 {
		w.progress(t, between)
		app.Kill()
		app.Restart()
	}
	w.progress(t, between)
	w.stop()
	beside.Stop()
	db, err := pgx.Connect(t.Context(), app.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	var wrong []string
	defer func() {
		for _, what := range wrong {
			t.Error(what)
		}
	}()
	apptest.Eventually(t, "everything is counted, and right", func() bool {
		wrong = miscounted(t, db)
		return len(wrong) == 0
	})
}

// miscounted says what the statistics have not counted, or otherwise than it is.
func miscounted(t *testing.T, db *pgx.Conn) (wrong []string) {
	t.Helper()
	const behind = `SELECT count(*) FROM work_log_stats st LEFT JOIN rollup_marks m USING (owner_id) WHERE st.last_rev <> COALESCE(m.rev, 0)
		OR st.stored <> COALESCE(m.stored, 0) OR st.updated <> COALESCE(m.updated, 0) OR st.unchanged <> COALESCE(m.unchanged, 0)`
	if n := counted(t, db, behind)[0]; n != "0" {
		return []string{n + " owners are not counted to the end"}
	}
	for _, grain := range []string{"minute", "hour", "day", "week"} {
		got := counted(t, db, "SELECT bucket || ' ' || type || ' ' || status || ' ' || n FROM rollup_entries WHERE n <> 0 AND grain = '"+grain+"' ORDER BY 1")
		want := counted(t, db, "SELECT date_trunc('"+grain+"', created_at, 'UTC') || ' ' || type || ' ' || status || ' ' || count(*) FROM work_logs GROUP BY date_trunc('"+grain+"', created_at, 'UTC'), type, status ORDER BY 1")
		if !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("by %s:\n%v\nthe entries say:\n%v", grain, got, want))
		}
		sums := counted(t, db, "SELECT sum(stored) || ' ' || sum(updated) || ' ' || sum(unchanged) FROM rollup_ledger WHERE grain = '"+grain+"'")
		if stats := counted(t, db, "SELECT sum(stored) || ' ' || sum(updated) || ' ' || sum(unchanged) FROM work_log_stats"); !slices.Equal(sums, stats) {
			wrong = append(wrong, fmt.Sprintf("the ledger by %s is %v, the stats are %v", grain, sums, stats))
		}
	}
	return wrong
}

func counted(t *testing.T, db *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT q::text FROM ("+sql+") AS s (q)")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// From the request to what an open dashboard shows: counted by the worker, read and rendered once a second, sent.
func TestAnOpenDashboardShowsWhatCameInWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t)
	app.Admin("root@example.org")
	client := worklog.New(app.URL, app.User(apptest.Email))
	admin := app.Login("root@example.org")
	cursor := apptest.Attr(app.Get(admin, "/admin?range=1h").One("#board"), "data-cursor")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.URL+"/admin/stream?range=1h&tab=a.0&after="+cursor, nil)
	if err != nil {
		t.Fatal(err)
	}
	streaming := &http.Client{Jar: admin.Jar}
	resp, err := streaming.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	shown := func(text string) {
		for line := ""; !strings.Contains(line, text); {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Fatalf("the stream ended before %q: %v", text, err)
			}
		}
	}
	shown("hello")
	var took []time.Duration
	for i := range 5 {
		began := time.Now()
		if err := client.Log(t.Context(), worklog.Draft{Title: fmt.Sprint("step ", i), Status: worklog.StatusSuccess}); err != nil {
			t.Fatal(err)
		}
		shown(fmt.Sprintf(`<p class="big">%d</p>`, i+1))
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	if took[0] > 2*time.Second { // the others may have met a busy machine
		t.Errorf("it took %v", took)
	}
	t.Logf("from the request to the page: %v", took)
}
