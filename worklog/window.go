package worklog

import (
	"context"
	"net/url"
	"time"
)

// Window is what the installation received in the last hour, day, week or quarter. It counts, and quotes nobody.
type Window struct {
	Range       string        `json:"range"` // 1h, 24h, 7d or 90d
	From        time.Time     `json:"from"`
	To          time.Time     `json:"to"` // of the last bar, which is still growing
	StepSeconds int64         `json:"step_seconds"`
	Bars        []WindowBar   `json:"bars"`
	Before      WindowBefore  `json:"before"` // the window of the same length before
	Ledger      WindowLedger  `json:"ledger"`
	Types       []WindowCount `json:"types"`
	Tools       []WindowTool  `json:"tools"` // those with most calls
	ToolCount   int           `json:"tool_count"`
	Users       []WindowCount `json:"users"` // those with most entries
	UserCount   int           `json:"user_count"`
	// BehindSeconds is how old the oldest entry is that is not counted yet.
	BehindSeconds float64 `json:"behind_seconds"`
	DatabaseBytes int64   `json:"database_bytes"`
	ArchiveBytes  int64   `json:"archive_bytes"`
}

// WindowBar is the entries that came in from At on, by their present status.
type WindowBar struct {
	At       time.Time        `json:"at"`
	Entries  int64            `json:"entries"`
	ByStatus map[Status]int64 `json:"by_status"`
}

// WindowBefore is what a window is compared with.
type WindowBefore struct {
	Entries int64 `json:"entries"`
	Ended   int64 `json:"ended"` // steps that succeeded, failed or ended with a warning
	Failed  int64 `json:"failed"`
}

// WindowLedger accounts for every draft of a window.
type WindowLedger struct {
	Counts
	Received int64 `json:"received"`
	Redacted int64 `json:"redacted"`
}

// WindowCount is one of the types or users of a window.
type WindowCount struct {
	Name    string `json:"name"` // empty: a user who does not exist any more
	Entries int64  `json:"entries"`
	Failed  int64  `json:"failed"`
}

// WindowTool is a tool with how long its steps took; quantiles are null when no step said when it began and ended.
type WindowTool struct {
	Name  string   `json:"name"` // empty: all that have no row of their own
	Calls int64    `json:"calls"`
	Fails int64    `json:"failed"`
	P50   *float64 `json:"p50_seconds"`
	P95   *float64 `json:"p95_seconds"`
	P99   *float64 `json:"p99_seconds"`
}

// AdminWindow returns what all users wrote in a range: 1h, 24h, 7d or 90d. Only for admins.
func (c *Client) AdminWindow(ctx context.Context, name string) (Window, error) {
	var answer struct {
		Window Window `json:"window"`
	}
	err := c.get(ctx, "/api/v1/admin/stats", url.Values{"range": {name}}, &answer, "window")
	return answer.Window, err
}
