package view_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// board is a lifelike dashboard of an hour.
func board() view.Board {
	b := view.Board{
		Range: "1h", Ranges: []string{"1h", "24h", "7d", "90d"}, Cursor: 7, From: ago(time.Hour), To: now(), Step: time.Minute,
		Before: view.StatusCounts{worklog.StatusSuccess: 900, worklog.StatusError: 30}, ThisMinute: 12, LastHour: 1234, OwnerCount: 11, ToolCount: 14,
		Types:  []view.BoardCount{{Name: "tool_call", Entries: 900, Failed: 13}},
		Owners: []view.BoardCount{{Name: "ada@example.org", Entries: 800, Failed: 13}, {Entries: 3}},
		Tools: []view.BoardTool{
			{BoardCount: view.BoardCount{Name: "Bash <b>", Entries: 700, Failed: 13}, P50: 900 * time.Millisecond, P95: 14 * time.Second, P99: 257 * time.Second},
			{BoardCount: view.BoardCount{Entries: 20}},
		},
		Ledger:  view.BoardLedger{Counts: worklog.Counts{Stored: 1200, Updated: 700, Merged: 3, Limited: 40, Invalid: 1}, Redacted: 2},
		AllTime: view.BoardLedger{Counts: worklog.Counts{Stored: 15604, Updated: 9000}},
		Storage: []view.BoardTier{{Name: "hot", Entries: 600, Bytes: 4 << 30}, {Name: "warm", Entries: 300, Bytes: 1 << 30}, {Name: "cold", Entries: 100, Bytes: 5000}, {Name: "archived"}},
		Bytes:   5<<30 + 5000, DatabaseSize: 7 << 30, Archive: view.BoardArchive{Objects: 12, Bytes: 3 << 20},
		Cut: 5, Spool: view.BoardSpool{Waiting: 3, Bytes: 4096, MaxBytes: 64 << 20, Lost: 2},
		Tabs:    view.BoardTabs{Open: 61, Users: 34, Opened: 900, Evicted: 3, Expired: 80, P50: 4 * time.Millisecond, P99: 11 * time.Millisecond},
		Commits: view.BoardCommits{Batches: 1000, Writes: 3200, Failed: 1, Recent: 40, SizeP50: 3, SizeP99: 40, TookP50: 4 * time.Millisecond, TookP95: 9 * time.Millisecond, TookP99: 20 * time.Millisecond, Since: ago(5 * time.Hour)},
		Sweep:   view.BoardSweep{Started: ago(9 * time.Hour), Finished: ago(9*time.Hour - time.Minute), Next: now().Add(15 * time.Hour), State: "failed", Error: "archive: the disk is full", Warm: 5000, Freed: 1 << 20},
	}
	for i := range 60 {
		b.Bars = append(b.Bars, view.BoardBar{At: b.From.Add(time.Duration(i) * time.Minute), Counts: view.StatusCounts{
			worklog.StatusSuccess: int64(i), worklog.StatusError: int64(i % 7 / 5), worklog.StatusInfo: int64(i / 3),
		}})
	}
	return b
}

// emptyBoard is a dashboard before the first entry.
func emptyBoard() view.Board {
	b := view.Board{Range: "24h", Ranges: []string{"1h", "24h", "7d", "90d"}, From: ago(24 * time.Hour), To: now(), Step: 15 * time.Minute, Commits: view.BoardCommits{Since: ago(time.Minute)}}
	for i := range 96 {
		b.Bars = append(b.Bars, view.BoardBar{At: b.From.Add(time.Duration(i) * b.Step)})
	}
	for _, tier := range worklog.StorageStatuses() {
		b.Storage = append(b.Storage, view.BoardTier{Name: tier})
	}
	return b
}

func dashboard(b view.Board) view.Dashboard {
	sh := shell("Dashboard", "/admin")
	sh.Admin, sh.Dashboard = true, true
	return view.Dashboard{Shell: sh, Board: b}
}

// withDashboard adds the dashboard to the samples.
func withDashboard(all map[string]templ.Component) map[string]templ.Component {
	all["dashboard"], all["dashboard-empty"] = view.DashboardPage(dashboard(board())), view.DashboardPage(dashboard(emptyBoard()))
	return all
}

func TestTheDashboardHasATableBehindEveryChart(t *testing.T) {
	t.Parallel()
	doc := find(t, view.DashboardPage(dashboard(board())))
	doc.one(`svg.bars[role=img][aria-label]`)
	if rows := len(doc.all("#board-entries tbody tr")); rows != 59 { // the first minute had none
		t.Errorf("%d rows behind the chart, want 59", rows)
	}
	if n := len(doc.all("#board-entries .hit title")); n != 59 {
		t.Errorf("%d bars say their numbers", n)
	}
	for _, n := range doc.all("svg") {
		if attrOf(n, "role") != "img" && attrOf(n, "aria-hidden") != "true" {
			t.Errorf("a drawing has neither a name nor is it hidden: %s", attrOf(n, "class"))
		}
	}
	doc.one(`.rooms a[href="/admin"][aria-current=page]`)
	if got := doc.attr("#live", "sse-connect"); got != "/admin/stream?range=1h" {
		t.Errorf("the stream is %q", got)
	}
	doc.absent("script[src*=rows]")
}

func TestTheDashboardSaysWhatIsNotThere(t *testing.T) {
	t.Parallel()
	doc := find(t, view.DashboardPage(dashboard(emptyBoard())))
	for part, want := range map[string]string{
		"#board-entries .none": "Nothing came in.", "#board-tools .none": "No tool", "#board-users .none": "Nobody wrote.", "#board-sweep": "there was none yet", "#board-now": "no step has ended",
	} {
		if got := doc.text(part); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q", part, got, want)
		}
	}
	doc.absent("#board-entries details, .tiers rect")
}

func TestTheLedgerAddsUp(t *testing.T) {
	t.Parallel()
	doc := find(t, view.DashboardPage(dashboard(board())))
	sum, total := int64(0), int64(0)
	for i, n := range doc.all("#board-ledger tbody td:nth-child(2)")[:7] {
		v, err := strconv.ParseInt(strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, textOf(n)), 10, 64)
		switch {
		case err != nil:
			t.Fatal(err)
		case i == 0:
			total = v
		default:
			sum += v
		}
	}
	if total != 1944 || sum != total {
		t.Errorf("received %d, the outcomes are %d", total, sum)
	}
}

func TestNamesOfToolsStayText(t *testing.T) {
	t.Parallel()
	doc := find(t, view.DashboardPage(dashboard(board())))
	doc.absent("#board-tools b")
	if got := textOf(doc.all("#board-tools tbody th")[0]); got != "Bash <b>" {
		t.Errorf("the first tool is %q", got)
	}
	if got := textOf(doc.all("#board-tools tbody th")[1]); got != "other tools" {
		t.Errorf("the tools without a name are %q", got)
	}
	if got := textOf(doc.all("#board-users tbody th")[1]); got != "a deleted user" {
		t.Errorf("a user who is gone is %q", got)
	}
}

func TestEveryPieceOfTheDashboardReplacesItself(t *testing.T) {
	t.Parallel()
	page := find(t, view.DashboardPage(dashboard(board())))
	for _, p := range view.BoardParts(board()) {
		page.one("#board section#" + p.ID)
		piece := html(t, p.Component)
		if !strings.HasPrefix(piece, `<section id="`+p.ID+`"`) || !strings.Contains(piece[:200], `hx-swap-oob="true"`) || !strings.HasSuffix(strings.TrimSpace(piece), "</section>") {
			t.Errorf("%s can not replace itself: %.200s", p.ID, piece)
		}
	}
}

func TestTheDashboardSaysHowMuchEachTierHas(t *testing.T) {
	t.Parallel()
	doc := find(t, view.DashboardPage(dashboard(board())))
	var got []string
	for _, n := range doc.all("#board-storage tbody td:last-child") {
		got = append(got, textOf(n))
	}
	if want := "4.0 GB,1.0 GB,4.9 KB,0 bytes"; strings.Join(got, ",") != want {
		t.Errorf("bytes by tier are %v, want %s", got, want)
	}
	if head := doc.text("#board-storage header"); !strings.Contains(head, "as of now") {
		t.Errorf("the figures are of when? %q", head)
	}
}
