package view

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/worklogdev/worklog/worklog"
)

// Dashboard is the page "/admin": counts of everybody, and no word that anybody wrote but the names of users and tools.
type Dashboard struct {
	Shell
	Board
}

// Board is what the dashboard shows of one range, at one moment.
type Board struct {
	Range  string // as in addresses: "24h"
	Ranges []string
	Cursor int64 // of the moment, for the stream

	From, To   time.Time
	Step       time.Duration // the width of a bar
	Bars       []BoardBar
	Before     StatusCounts // of the window of the same length before this one
	ThisMinute int64
	LastHour   int64
	Behind     time.Duration // how old the oldest entry is that is not counted yet

	Types      []BoardCount
	Owners     []BoardCount
	OwnerCount int
	Tools      []BoardTool
	ToolCount  int

	Ledger, AllTime BoardLedger
	Cut             int64 // entries of all time whose details were cut because there was no room
	Spool           BoardSpool

	Storage      []BoardTier
	Bytes        int64 // of titles, details and metadata
	DatabaseSize int64
	Archive      BoardArchive
	Room         BoardRoom

	Tabs    BoardTabs
	Commits BoardCommits
	Sweep   BoardSweep
}

// BoardBar is one bar of the chart: the entries that came in from At on.
type BoardBar struct {
	At     time.Time
	Counts StatusCounts
}

// StatusCounts counts entries by status.
type StatusCounts map[worklog.Status]int64

// BoardCount is a line of a table.
type BoardCount struct {
	Name            string // empty: it does not exist any more
	Entries, Failed int64
}

// BoardTool is a tool with the time that its steps took; 0: unknown.
type BoardTool struct {
	BoardCount
	P50, P95, P99 time.Duration
}

// BoardLedger accounts for every draft.
type BoardLedger struct {
	worklog.Counts
	Redacted int64 // secrets that were taken out
}

// BoardSpool is where hooks wait while the database is away.
type BoardSpool struct {
	Waiting, Bytes, MaxBytes int64
	Lost                     int64 // since the start: refused by a full spool, damaged by the disk, stored by nobody
}

// BoardTier is a storage status with its entries and what they have in the database: the payload of cold and archived ones
// is elsewhere.
type BoardTier struct {
	Name           worklog.StorageStatus
	Entries, Bytes int64
}

// BoardArchive is what lies in the archive.
type BoardArchive struct{ Objects, Bytes int64 }

// BoardTabs is the hub of this process.
type BoardTabs struct {
	Open, Users                                     int
	Opened, Evicted, Expired, Slow, Refused, Failed int64
	P50, P99                                        time.Duration // from a commit to the page; 0: nothing was delivered
}

// BoardCommits is the write path of this process: totals since its start, the rest of the last minutes.
type BoardCommits struct {
	Batches, Failed, Writes   int64
	Queued                    int
	Recent                    int64
	SizeP50, SizeP99          float64
	TookP50, TookP95, TookP99 time.Duration
	Since                     time.Time // the start of this process
}

// BoardSweep is the last pass of retention, and when the next one is due.
type BoardSweep struct {
	Started, Finished, Next              time.Time
	State, Error                         string
	Warm, Cold, Archived, Deleted, Freed int64
}

func (c StatusCounts) entries() (n int64) {
	for _, k := range c {
		n += k
	}
	return n
}

// ended counts the steps that ended, well or not.
func (c StatusCounts) ended() int64 {
	return c[worklog.StatusSuccess] + c[worklog.StatusWarning] + c[worklog.StatusError]
}

func (c StatusCounts) failed() int64 { return c[worklog.StatusError] }

// sum is the whole window's.
func (b Board) sum() StatusCounts {
	sum := StatusCounts{}
	for _, bar := range b.Bars {
		for s, n := range bar.Counts {
			sum[s] += n
		}
	}
	return sum
}

// rangeWords is a range as people say it.
func rangeWords(name string) string {
	switch name {
	case "1h":
		return "1 h"
	case "24h":
		return "24 h"
	case "7d":
		return "7 d"
	default:
		return "90 d"
	}
}

// rangeTitle is a range behind "the last".
func rangeTitle(name string) string {
	switch name {
	case "1h":
		return "hour"
	case "24h":
		return "24 hours"
	case "7d":
		return "7 days"
	default:
		return "90 days"
	}
}

// stepWords is the width of a bar behind "per".
func stepWords(d time.Duration) string {
	switch d {
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	default:
		return strconv.Itoa(int(d.Minutes())) + " minutes"
	}
}

// share is part of whole in percent; a dash for a part of nothing.
func share(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case part == 0:
		return "0 %"
	case p < 0.1:
		return "< 0.1 %"
	}
	return percent(p)
}

// percent is a share that is known in percent.
func percent(p float64) string {
	if p < 9.95 {
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + " %"
}

// trend compares with the window before: "+12 %".
func trend(now, before int64) string {
	if before <= 0 {
		return ""
	}
	p := math.Round(100 * float64(now-before) / float64(before))
	switch {
	case p == 0:
		return "as many as"
	case p > 999:
		return "more than ten times"
	case p > 0:
		return "+" + strconv.FormatFloat(p, 'f', 0, 64) + " % on"
	}
	return "−" + strconv.FormatFloat(-p, 'f', 0, 64) + " % on"
}

// bytesWords is n bytes in words.
func bytesWords(n int64) string {
	const k = 1 << 10
	units := []string{"bytes", "KB", "MB", "GB", "TB"}
	v, i := float64(n), 0
	for v >= 999.5 && i < len(units)-1 {
		v /= k
		i++
	}
	if i == 0 || v >= 99.5 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + units[i]
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[i]
}

// lasted is a duration of a table, to two digits or so; a dash for none.
func lasted(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return duration(d.Round(time.Millisecond))
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 0, 64) + " s"
	}
	return duration(d.Round(time.Second))
}

func average(sum, n int64) string {
	if n == 0 {
		return "–"
	}
	return strconv.FormatFloat(float64(sum)/float64(n), 'f', 1, 64)
}

// ended is how many drafts the ledger accounts for.
func (l BoardLedger) received() int64 { return l.Received() }

// lines are the terms of the ledger's sum, in the order of the equation.
func (l BoardLedger) lines() []int64 {
	return []int64{l.Stored, l.Updated, l.Unchanged, l.Merged, l.Limited, l.Invalid}
}

// ledgerLine names a term of the ledger.
type ledgerLine struct{ name, help string }

func ledgerLines() []ledgerLine {
	return []ledgerLine{
		{"stored", "became an entry"},
		{"updated", "changed one that exists"},
		{"unchanged", "said what is known"},
		{"merged", "repeats within a second"},
		{"limited", "over the limit per minute"},
		{"invalid", "refused"},
	}
}

// freshness says how old the counts are. Two seconds are what the worker promises.
func (b Board) freshness() string {
	if b.Behind <= 2*time.Second {
		return "counted up to now"
	}
	return "counting is " + lasted(b.Behind) + " behind"
}

// tiers is the sum of the tiers' entries.
func (b Board) stored() (n int64) {
	for _, t := range b.Storage {
		n += t.Entries
	}
	return n
}

// BoardPart is a piece of the dashboard that changes by itself.
type BoardPart struct {
	ID        string
	Component templ.Component
}

// BoardParts returns the pieces of a board in their order on the page. Each replaces itself by its id.
func BoardParts(b Board) []BoardPart {
	sum := b.sum()
	return []BoardPart{
		{"board-now", boardNow(b, sum)},
		{"board-entries", boardEntries(b, sum, b.chart())},
		{"board-tools", boardTools(b)},
		{"board-ledger", boardLedger(b)},
		{"board-users", boardUsers(b)},
		{"board-types", boardTypes(b)},
		{"board-storage", boardStorage(b)},
		{"board-sweep", boardSweep(b)},
		{"board-process", boardProcess(b)},
	}
}

func rangeURL(name string) string { return "/admin?range=" + name }

func streamURL(name string) string { return "/admin/stream?range=" + name }

func failedWords(n int64) string {
	if n == 0 {
		return ""
	}
	return thousands(n) + " failed"
}

func refusedWords(n int64) string {
	if n == 0 {
		return ""
	}
	return thousands(n) + " refused"
}

// sizeWords says how the sizes of the last minutes' batches are spread.
func sizeWords(c BoardCommits) string {
	if c.Recent == 0 {
		return ""
	}
	return "lately p50 " + strconv.FormatFloat(c.SizeP50, 'f', 0, 64) + ", p99 " + strconv.FormatFloat(c.SizeP99, 'f', 0, 64)
}

// tabWords says how the open tabs are spread over users.
func tabWords(t BoardTabs) string {
	words := count(int64(t.Users), "user")
	if t.Users > 0 {
		words += ", " + average(int64(t.Open), int64(t.Users)) + " each"
	}
	return words
}

// boardRow is pieces of the page beside and below each other.
type boardRow struct {
	class   string
	columns [][]BoardPart
}

// rows lays the pieces out.
func (b Board) rows() []boardRow {
	p := BoardParts(b)
	return []boardRow{
		{"whole", [][]BoardPart{p[0:2]}},
		{"halves", [][]BoardPart{{p[2], p[4]}, {p[3], p[5]}}},
		{"thirds", [][]BoardPart{p[6:7], p[7:8], p[8:9]}},
	}
}

// typeCounts names types as the filters do.
func (b Board) typeCounts() []BoardCount {
	list := slices.Clone(b.Types)
	for i := range list {
		list[i].Name = typeLabel(worklog.Type(list[i].Name))
	}
	return list
}
