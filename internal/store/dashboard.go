package store

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/rollup"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// topOwners and topTools are how many of them a dashboard names.
	topOwners = 8
	topTools  = 12
	// dashboardTimeout bounds all questions of a dashboard together.
	dashboardTimeout = 5 * time.Second
)

// Dashboard is what the rollups say about a window of time, and the stats about all time. It holds no word that
// anybody wrote except the names of users and tools.
type Dashboard struct {
	At, From, To time.Time
	Bars         []DashboardBar
	Types        map[worklog.Type]rollup.Count
	Before       Outcomes // of the window of the same length before
	ThisMinute   int64
	LastHour     int64
	Owners       []DashboardOwner // those with most entries
	OwnerCount   int              // with any entry in the window
	Tools        []DashboardTool  // those with most calls
	ToolCount    int
	Ledger       worklog.Counts // of the window
	Redacted     int64
	Totals       worklog.Stats
	TierBytes    map[worklog.StorageStatus]int64 // of Totals.Bytes
	AllRedacted  int64
	Users        int64 // who have ever written
	Full         int64 // users who have written today what they may in a day, or are so near that long details are cut
	Behind       time.Duration
	DatabaseSize int64

	ArchiveObjects, ArchiveBytes int64
	Sweep                        *Sweep // the last one that began; nil: there was none
}

// DashboardBar is one bar of the chart: the entries that came in from At on, by status.
type DashboardBar struct {
	At time.Time
	Outcomes
}

// Outcomes counts entries by status.
type Outcomes map[worklog.Status]int64

// Entries is how many there are.
func (o Outcomes) Entries() (n int64) {
	for _, c := range o {
		n += c
	}
	return n
}

// Ended is how many of them are steps that ended, well or not.
func (o Outcomes) Ended() int64 {
	return o[worklog.StatusSuccess] + o[worklog.StatusWarning] + o[worklog.StatusError]
}

// DashboardOwner is a user's share of a window.
type DashboardOwner struct {
	ID    int64
	Email string // empty: the user does not exist any more
	rollup.Count
}

// DashboardTool is a tool's share of a window.
type DashboardTool struct {
	Name string // rollup.OtherTools: all that have no row of their own
	rollup.Count
	Durations rollup.Histogram
}

// The questions of a dashboard. Windows come as spans: $1 grains, $2 and $3 bounds.
const (
	sqlSpans = ` FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS s (grain, low, high) `

	sqlDashboardBars = `SELECT date_bin($4::interval, bucket, $2), type, status, sum(n) FROM rollup_entries
		WHERE grain = $1 AND bucket >= $2 AND bucket < $3 GROUP BY 1, 2, 3`

	sqlDashboardBefore = `SELECT r.status, sum(r.n)` + sqlSpans + `
		JOIN rollup_entries r ON r.grain = s.grain AND r.bucket >= s.low AND r.bucket < s.high GROUP BY 1`

	sqlDashboardRates = `SELECT COALESCE(sum(n) FILTER (WHERE bucket >= $2), 0), COALESCE(sum(n), 0) FROM rollup_entries
		WHERE grain = 'minute' AND bucket >= $1`

	sqlDashboardOwners = `WITH top AS (SELECT r.owner_id, sum(r.n) AS n, sum(r.failed) AS failed, count(*) OVER () AS owners` + sqlSpans + `
			JOIN rollup_owners r ON r.grain = s.grain AND r.bucket >= s.low AND r.bucket < s.high GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $4)
		SELECT t.owner_id, COALESCE(u.email, ''), t.n, t.failed, t.owners FROM top t LEFT JOIN users u ON u.id = t.owner_id ORDER BY t.n DESC, t.owner_id`

	sqlDashboardTools = `WITH top AS (SELECT r.tool, sum(r.n) AS n, sum(r.failed) AS failed, count(*) OVER () AS tools` + sqlSpans + `
			JOIN rollup_tools r ON r.grain = s.grain AND r.bucket >= s.low AND r.bucket < s.high GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $4)
		SELECT t.tool, t.n, t.failed, t.tools, r.durations FROM top t
		CROSS JOIN unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS s (grain, low, high)
		JOIN rollup_tools r ON r.grain = s.grain AND r.bucket >= s.low AND r.bucket < s.high AND r.tool = t.tool
		WHERE t.n > 0 ORDER BY t.n DESC, t.tool`

	sqlDashboardLedger = `SELECT COALESCE(sum(stored), 0)::bigint, COALESCE(sum(updated), 0)::bigint, COALESCE(sum(unchanged), 0)::bigint,
		COALESCE(sum(merged), 0)::bigint, COALESCE(sum(limited), 0)::bigint, COALESCE(sum(invalid), 0)::bigint, COALESCE(sum(redacted), 0)::bigint` + sqlSpans + `
		JOIN rollup_ledger r ON r.grain = s.grain AND r.bucket >= s.low AND r.bucket < s.high`

	sqlDashboardTotals = `SELECT COALESCE(sum(stored), 0)::bigint, COALESCE(sum(updated), 0)::bigint, COALESCE(sum(unchanged), 0)::bigint,
		COALESCE(sum(merged), 0)::bigint, COALESCE(sum(limited), 0)::bigint, COALESCE(sum(invalid), 0)::bigint, COALESCE(sum(hot), 0)::bigint,
		COALESCE(sum(warm), 0)::bigint, COALESCE(sum(cold), 0)::bigint, COALESCE(sum(archived), 0)::bigint, COALESCE(sum(bytes), 0)::bigint,
		COALESCE(sum(warm_bytes), 0)::bigint, COALESCE(sum(cold_bytes), 0)::bigint, COALESCE(sum(archived_bytes), 0)::bigint,
		COALESCE(sum(redacted), 0)::bigint, COALESCE(sum(cut), 0)::bigint, max(last_logged_at), count(*) FILTER (WHERE stored > 0),
		count(*) FILTER (WHERE day = $1::date AND day_bytes > $2), pg_database_size(current_database()) FROM work_log_stats`

	sqlDashboardSweep = `SELECT state, started_at, finished_at, warm, cold, archived, deleted, freed_bytes, error FROM sweeps ORDER BY started_at DESC LIMIT 1`

	// sqlDashboardBehind is the only one that looks at entries: at the first that is not yet counted of a few owners.
	sqlDashboardBehind = `SELECT min(w.updated_at) FROM (SELECT st.owner_id, COALESCE(m.rev, 0) AS rev FROM work_log_stats st LEFT JOIN rollup_marks m USING (owner_id)
			WHERE st.last_rev > COALESCE(m.rev, 0) LIMIT 20) o
		CROSS JOIN LATERAL (SELECT updated_at FROM work_logs w WHERE w.owner_id = o.owner_id AND w.rev > o.rev ORDER BY w.rev LIMIT 1) w`
)

// Dashboard returns the figures of a range at the moment at, all of one snapshot and in one round trip. What it costs
// depends on the number of buckets, users and tools, not on that of entries. The bound of perDay bytes is the one of
// Room.
func (s *Store) Dashboard(ctx context.Context, r rollup.Range, at time.Time, perDay int64) (*Dashboard, error) {
	ctx, cancel := context.WithTimeout(ctx, dashboardTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, mapError(err)
	}
	defer conn.Release()
	d := &Dashboard{At: at.UTC(), Types: map[worklog.Type]rollup.Count{}, Before: Outcomes{}}
	d.From, d.To = r.Window(d.At)
	d.Bars = make([]DashboardBar, r.Bars)
	for i := range d.Bars {
		d.Bars[i] = DashboardBar{At: d.From.Add(time.Duration(i) * r.Step), Outcomes: Outcomes{}}
	}
	var b pgx.Batch
	b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	d.queue(&b, r, perDay)
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		rollback(ctx, conn)
		return nil, mapError(err)
	}
	return d, nil
}

func (d *Dashboard) queue(b *pgx.Batch, r rollup.Range, perDay int64) {
	window := spanArgs(d.From, d.To)
	b.Queue(sqlDashboardBars, string(r.Grain), d.From, d.To, r.Step).Query(d.readBars)
	b.Queue(sqlDashboardBefore, spanArgs(d.From.Add(d.From.Sub(d.To)), d.From)...).Query(func(rows pgx.Rows) error {
		var status worklog.Status
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&status, &n}, func() error { d.Before[status] = n; return nil })
		return err
	})
	minute := rollup.Minute.Bucket(d.At)
	b.Queue(sqlDashboardRates, minute.Add(-59*time.Minute), minute).QueryRow(func(row pgx.Row) error { return row.Scan(&d.ThisMinute, &d.LastHour) })
	b.Queue(sqlDashboardOwners, append(window, topOwners)...).Query(func(rows pgx.Rows) error {
		var o DashboardOwner
		_, err := pgx.ForEachRow(rows, []any{&o.ID, &o.Email, &o.Entries, &o.Failed, &d.OwnerCount}, func() error { d.Owners = append(d.Owners, o); return nil })
		return err
	})
	b.Queue(sqlDashboardTools, append(window, topTools)...).Query(d.readTools)
	l := &d.Ledger
	b.Queue(sqlDashboardLedger, window...).QueryRow(func(row pgx.Row) error {
		return row.Scan(&l.Stored, &l.Updated, &l.Unchanged, &l.Merged, &l.Limited, &l.Invalid, &d.Redacted)
	})
	b.Queue(sqlDashboardTotals, today(d.At), fullFrom(perDay)).QueryRow(d.readTotals)
	b.Queue("SELECT count(*), COALESCE(sum(bytes), 0)::bigint FROM archive_objects").QueryRow(func(row pgx.Row) error {
		return row.Scan(&d.ArchiveObjects, &d.ArchiveBytes)
	})
	b.Queue(sqlDashboardSweep).Query(func(rows pgx.Rows) error {
		var sw Sweep
		_, err := pgx.ForEachRow(rows, []any{&sw.State, &sw.StartedAt, &sw.FinishedAt, &sw.Warm, &sw.Cold, &sw.Archived, &sw.Deleted, &sw.FreedBytes, &sw.Error}, func() error {
			d.Sweep = &sw
			return nil
		})
		return err
	})
	b.Queue(sqlDashboardBehind).QueryRow(func(row pgx.Row) error {
		var oldest *time.Time
		err := row.Scan(&oldest)
		if oldest != nil {
			d.Behind = max(d.At.Sub(*oldest), 0)
		}
		return err
	})
}

// spanArgs are the arguments of a question about [from, to).
func spanArgs(from, to time.Time) []any {
	var grains []string
	var low, high []time.Time
	for _, s := range rollup.Cover(from, to) {
		grains, low, high = append(grains, string(s.Grain)), append(low, s.From), append(high, s.To)
	}
	return slices.Clip([]any{grains, low, high}) // appended to more than once
}

func (d *Dashboard) readBars(rows pgx.Rows) error {
	step := d.To.Sub(d.From) / time.Duration(len(d.Bars))
	var at time.Time
	var kind worklog.Type
	var status worklog.Status
	var n int64
	_, err := pgx.ForEachRow(rows, []any{&at, &kind, &status, &n}, func() error {
		bar := int(at.Sub(d.From) / step)
		d.Bars[bar].Outcomes[status] += n
		c := d.Types[kind]
		c.Entries += n
		if status == worklog.StatusError {
			c.Failed += n
		}
		d.Types[kind] = c
		return nil
	})
	return err
}

// readTools reads a row for each bucket of each tool, a tool's rows together.
func (d *Dashboard) readTools(rows pgx.Rows) error {
	var t DashboardTool
	_, err := pgx.ForEachRow(rows, []any{&t.Name, &t.Entries, &t.Failed, &d.ToolCount, &t.Durations}, func() error {
		if last := len(d.Tools) - 1; last >= 0 && d.Tools[last].Name == t.Name {
			d.Tools[last].Durations.Add(t.Durations)
			return nil
		}
		d.Tools = append(d.Tools, t)
		d.Tools[len(d.Tools)-1].Durations = slices.Clone(t.Durations)
		return nil
	})
	return err
}

func (d *Dashboard) readTotals(row pgx.Row) error {
	var st statsRow
	err := row.Scan(&st.Stored, &st.Updated, &st.Unchanged, &st.Merged, &st.Limited, &st.Invalid, &st.Hot, &st.Warm, &st.Cold, &st.Archived, &st.Bytes,
		&st.WarmBytes, &st.ColdBytes, &st.ArchivedBytes, &d.AllRedacted, &st.Cut, &st.LastLoggedAt, &d.Users, &d.Full, &d.DatabaseSize)
	d.Totals, d.TierBytes = st.stats(), st.tierBytes()
	return err
}
