package faulttest

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// fillDisk lets the server answer as it does when its disk is full: a table can not grow, or, when the log can not, a
// commit is not done. That it also stops itself then is what the tests of a killed server are about.
const fillDisk = `CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = 'disk_full';
	END $$;
	CREATE %s TRIGGER disk_is_full AFTER INSERT OR UPDATE ON %s %s FOR EACH ROW EXECUTE FUNCTION disk_is_full()`

const emptyDisk = "DROP FUNCTION disk_is_full CASCADE"

func TestAFullDiskIsSaidAndWorklogRecoversWhenThereIsRoom(t *testing.T) {
	for place, sql := range map[string]string{
		"entries do not fit":      fmt.Sprintf(fillDisk, "", "work_logs", ""),
		"counters do not fit":     fmt.Sprintf(fillDisk, "", "work_log_stats", ""),
		"the commit does not fit": fmt.Sprintf(fillDisk, "CONSTRAINT", "work_logs", "DEFERRABLE INITIALLY DEFERRED"),
		"durations do not fit":    fmt.Sprintf(fillDisk, "", "tool_times", ""),
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			app := apptest.Start(t, apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))
			token := app.User(apptest.Email)
			step := `{"title":"a step","key":"step","type":"tool_call","tool":"Bash","status":"%s","started_at":"2026-01-02T03:04:05Z"%s}`
			if res := post(t, app, token, fmt.Sprintf(step, "working", "")); res.StatusCode != http.StatusCreated {
				t.Fatalf("before: %s", res.Status)
			}
			db := connect(t, app.DSN)
			if _, err := db.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			end := fmt.Sprintf(step, "success", `,"ended_at":"2026-01-02T03:04:06Z"`)
			for range 3 {
				res := post(t, app, token, end)
				if s, err := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode != http.StatusServiceUnavailable || err != nil || s < 1 {
					t.Errorf("%s, Retry-After %q; want 503", res.Status, res.Header.Get("Retry-After"))
				}
			}
			if n := count(t, db, "SELECT count(*) FROM work_logs WHERE status <> 'working'"); n != 0 {
				t.Errorf("%d changes are there that nobody was told of", n)
			}
			if _, err := db.Exec(t.Context(), emptyDisk); err != nil {
				t.Fatal(err)
			}
			receipts, err := worklog.New(app.URL, token).Append(t.Context(), worklog.Draft{Title: "a step", Key: "step", Status: worklog.StatusSuccess}, worklog.Draft{Title: "another"})
			if err != nil || receipts[0].Outcome != worklog.OutcomeUpdated || receipts[1].Outcome != worklog.OutcomeStored {
				t.Errorf("with room again: %+v, %v", receipts, err)
			}
			checkCounters(t, db)
		})
	}
}
