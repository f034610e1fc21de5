package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

func rangeNamed(t testing.TB, name string) rollup.Range {
	t.Helper()
	r, ok := rollup.RangeNamed(name)
	if !ok {
		t.Fatalf("no range %q", name)
	}
	return r
}

func (b *bundle) dashboard(t testing.TB, name string, at time.Time) *store.Dashboard {
	t.Helper()
	d, err := b.Dashboard(b.ctx, rangeNamed(t, name), at, 0)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDashboardOfAnEmptyDatabaseIsZero(t *testing.T) {
	b := setup(t)
	for _, r := range rollup.Ranges() {
		d := b.dashboard(t, r.Name, time.Now())
		if len(d.Bars) != r.Bars || d.LastHour != 0 || len(d.Owners)+len(d.Tools) != 0 || d.Totals.Received != 0 || d.Behind != 0 || d.DatabaseSize == 0 {
			t.Errorf("%s: %+v", r.Name, d)
		}
	}
}

func TestTheDashboardSaysWhatHappened(t *testing.T) {
	b := setup(t)
	now := now2026()
	step := func(tool string, status worklog.Status, took time.Duration) worklog.Draft {
		start, end := now.Add(-took), now
		return worklog.Draft{Title: "secret plan", Type: worklog.TypeToolCall, Status: status, Tool: tool, StartedAt: &start, EndedAt: &end}
	}
	b.appendAt(t, now.Add(-30*24*time.Hour), step("Bash", worklog.StatusError, time.Second))
	b.appendAt(t, now.Add(-26*time.Hour), step("Bash", worklog.StatusError, time.Second), step("Bash", worklog.StatusSuccess, time.Second))
	b.appendAt(t, now.Add(-5*time.Hour), step("Bash", worklog.StatusSuccess, 2*time.Second), step("Read", worklog.StatusSuccess, 50*time.Millisecond))
	b.appendAt(t, now, step("Bash", worklog.StatusError, 90*time.Second), worklog.Draft{Title: "note"}, worklog.Draft{Title: "on", Key: "k", Status: worklog.StatusWorking})
	b.rollAll(t, now, 0)
	for _, c := range []struct {
		name                           string
		entries, failed, before, tools int64
		median                         time.Duration
	}{
		{"1h", 3, 1, 0, 1, 90 * time.Second}, {"24h", 5, 1, 2, 2, 2 * time.Second}, {"7d", 7, 2, 0, 2, time.Second}, {"90d", 8, 3, 0, 2, time.Second},
	} {
		d := b.dashboard(t, c.name, now)
		sum := store.Outcomes{}
		for _, bar := range d.Bars {
			for status, n := range bar.Outcomes {
				sum[status] += n
			}
		}
		if sum.Entries() != c.entries || sum[worklog.StatusError] != c.failed || d.Before.Entries() != c.before || int64(len(d.Tools)) != c.tools || int64(d.ToolCount) != c.tools {
			t.Errorf("%s: %v, before %v, tools %+v", c.name, sum, d.Before, d.Tools)
		}
		if last := d.Bars[len(d.Bars)-1].Outcomes; last.Entries() < 3 || last[worklog.StatusWorking] != 1 {
			t.Errorf("%s: the last bar is %v", c.name, last)
		}
		if len(d.Owners) != 1 || d.OwnerCount != 1 || d.Owners[0].Email != "ann@example.org" || d.Owners[0].Entries != c.entries || d.Owners[0].Failed != c.failed {
			t.Errorf("%s: owners %+v", c.name, d.Owners)
		}
		if got := d.Tools[0].Durations.Quantile(0.5); d.Tools[0].Name != "Bash" || got < c.median*8/10 || got > c.median*125/100 {
			t.Errorf("%s: %s has the median %v, want about %v", c.name, d.Tools[0].Name, got, c.median)
		}
		if d.ThisMinute != 3 || d.LastHour != 3 || d.Ledger.Stored != 8 || d.Totals.Stored != 8 || d.Users != 1 || d.Types[worklog.TypeToolCall].Failed != c.failed {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

func TestTheDashboardSaysHowFarItIsBehind(t *testing.T) {
	b := setup(t)
	b.appendAt(t, now2026(), worklog.Draft{Title: "a"})
	if got := b.dashboard(t, "1h", now2026().Add(90*time.Second)).Behind; got != 90*time.Second {
		t.Errorf("behind %v", got)
	}
	b.rollAll(t, now2026(), 0)
	if got := b.dashboard(t, "1h", now2026().Add(90*time.Second)).Behind; got != 0 {
		t.Errorf("behind %v after everything was counted", got)
	}
}

// tenMillion fills the rollups as ten million entries of a thousand users in ninety days do: every bucket has as many
// tools and users as it can have of so many entries.
func tenMillion(t testing.TB, b *bundle, at time.Time) {
	t.Helper()
	for _, g := range []struct {
		grain                 rollup.Grain
		buckets, tools, users int
	}{{rollup.Minute, 3000, 40, 60}, {rollup.Hour, 360, 150, 400}, {rollup.Day, 180, 200, 1000}, {rollup.Week, 26, 200, 2000}} {
		series := fmt.Sprintf("FROM generate_series(0, %d) b, ", g.buckets-1)
		bucket := fmt.Sprintf("'%s', '%s'::timestamptz - b * interval '1 %s', ", g.grain, g.grain.Bucket(at).Format(time.RFC3339), g.grain)
		b.exec(t, "INSERT INTO rollup_entries SELECT "+bucket+`t, s, 1000 `+series+`unnest('{tool_call,ai_response,info}'::text[]) t, unnest('{working,success,warning,error,info}'::text[]) s`)
		b.exec(t, "INSERT INTO rollup_owners SELECT "+bucket+`(b * 7 + u) % 2000 + 1, 100 + u % 17, 3 `+series+fmt.Sprintf("generate_series(1, %d) u", g.users))
		b.exec(t, "INSERT INTO rollup_tools SELECT "+bucket+`'tool-' || u, 1000 - u, 3, array_fill(u, ARRAY[20 + u % 50]) `+series+fmt.Sprintf("generate_series(1, %d) u", g.tools))
		b.exec(t, "INSERT INTO rollup_ledger SELECT "+bucket+"1, 2, 3, 4, 5, 6, 7 "+strings.TrimSuffix(series, ", "))
	}
	b.exec(t, `INSERT INTO users (email, created_at) SELECT 'user' || i || '@example.org', now() FROM generate_series(1, 2000) i`)
	b.exec(t, `INSERT INTO work_log_stats (owner_id, last_rev, stored) SELECT id, 5000, 5000 FROM users`)
	b.exec(t, `INSERT INTO rollup_marks (owner_id, rev, stored) SELECT id, 5000, 5000 FROM users`)
	b.exec(t, `INSERT INTO work_logs (owner_id, seq, rev, id, type, status, title, logged_at, created_at, updated_at)
		SELECT id, r, r, gen_random_uuid(), 'info', 'info', 'x', now(), now(), now() FROM users, generate_series(1, 20) r`)
	b.exec(t, `VACUUM ANALYZE`)
}

// The size of the table of entries plays no part: one question looks at it, at the first entry of each owner that waits.
func TestTheDashboardReadsRollupsByIndex(t *testing.T) {
	b := setup(t)
	now := now2026()
	tenMillion(t, b, now)
	for _, r := range rollup.Ranges() {
		plans, err := b.PlansOfDashboard(b.ctx, r, now)
		if err != nil {
			t.Fatal(err)
		}
		for sql, plan := range plans {
			for _, n := range nodes(plan) {
				rolled := strings.HasPrefix(n.Relation, "rollup_") && n.Relation != "rollup_marks"
				if n.Type == "Seq Scan" && (rolled || n.Relation == "work_logs") {
					t.Errorf("%s: %s reads all of %s", r.Name, sql, n.Relation)
				}
			}
		}
		took := make([]time.Duration, 7)
		for i := range took {
			began := time.Now()
			d := b.dashboard(t, r.Name, now)
			took[i] = time.Since(began)
			if len(d.Tools) != 12 || len(d.Owners) != 8 || d.OwnerCount < 60 {
				t.Fatalf("%s: %d tools, %d owners of %d", r.Name, len(d.Tools), len(d.Owners), d.OwnerCount)
			}
		}
		slices.Sort(took)
		t.Logf("%s: median %v, best %v", r.Name, took[len(took)/2], took[0])
	}
}

func nodes(n store.PlanNode) []store.PlanNode {
	all := []store.PlanNode{n}
	for _, p := range n.Plans {
		all = append(all, nodes(p)...)
	}
	return all
}

func TestTheDashboardCountsUsersWithoutRoomToday(t *testing.T) {
	b := setup(t)
	now := now2026()
	const perDay = 1 << 20
	for i, c := range []struct {
		day   string
		bytes int
	}{{"today", perDay}, {"today", perDay - 5000}, {"today", perDay / 2}, {"yesterday", perDay}} {
		day := now
		if c.day == "yesterday" {
			day = now.Add(-24 * time.Hour)
		}
		b.exec(t, fmt.Sprintf(`WITH u AS (INSERT INTO users (email, created_at) VALUES ('user%d@example.org', now()) RETURNING id)
			INSERT INTO work_log_stats (owner_id, day, day_bytes) SELECT id, '%s', %d FROM u`, i, day.Format(time.DateOnly), c.bytes))
	}
	for bound, want := range map[int64]int64{perDay: 2, 4 * perDay: 0, 0: 0} {
		d, err := b.Dashboard(b.ctx, rangeNamed(t, "1h"), now, bound)
		if err != nil || d.Full != want {
			t.Errorf("with a bound of %d bytes %d users are beyond it, want %d (%v)", bound, d.Full, want, err)
		}
	}
}
