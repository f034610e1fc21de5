package view_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// now is the moment at which all samples are looked at.
func now() time.Time { return time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC) }

func ago(d time.Duration) time.Time { return now().Add(-d) }

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// row is a finished step that began minutes ago and took d; d < 0: no duration.
func row(n int, typ worklog.Type, status worklog.Status, title string, minutes int, took time.Duration) view.Row {
	at := ago(time.Duration(minutes) * time.Minute)
	r := view.Row{Entry: worklog.Entry{
		ID: id(n), ConversationID: id(901), Seq: int64(n), Rev: int64(n) + 100, Type: typ, Status: status, StorageStatus: worklog.StorageHot, Title: title,
		Source: "claude-code", Repeats: 1, LoggedAt: at, CreatedAt: at, UpdatedAt: at,
	}}
	if took >= 0 {
		r.StartedAt, r.EndedAt = at, at.Add(took)
	}
	if status == worklog.StatusWorking {
		r.EndedAt = time.Time{}
	}
	return r
}

func with(r view.Row, change func(*view.Row)) view.Row {
	change(&r)
	r.DetailsBytes = max(r.DetailsBytes, len(r.Details))
	return r
}

const failure = "--- FAIL: TestInit_WritesToSingleFile (0.00s)\n    logger_test.go:88: open .entire/logs/entire.log: no such file or directory\n\x1b[31mFAIL\x1b[0m    cmd/entire/cli/logging  0.014s\nok      cmd/entire/cli/paths    0.006s\n"

// session is a lifelike part of a conversation, oldest first.
func session() []view.Row {
	ms, s := time.Millisecond, time.Second
	tool, file, info, ai := worklog.TypeToolCall, worklog.TypeFileOperation, worklog.TypeInfo, worklog.TypeAIResponse
	ok, bad, warn, note, busy := worklog.StatusSuccess, worklog.StatusError, worklog.StatusWarning, worklog.StatusInfo, worklog.StatusWorking
	child := func(r *view.Row) { r.Parent = "session:explore" }
	return []view.Row{
		row(1, info, note, "Implement the following plan: consolidate logging to a single file per worktree", 41, -1),
		with(row(2, file, ok, "Read cmd/entire/cli/logging/logger.go", 40, 100*ms), func(r *view.Row) { r.Tool = "Read" }),
		with(row(3, info, ok, "Subagent Explore: find every caller of logging.Init", 39, 38*s), func(r *view.Row) { r.Key = "session:explore" }),
		with(row(4, tool, ok, `Grep logging\.Init\(`, 39, 400*ms), func(r *view.Row) { child(r); r.Tool, r.Repeats = "Grep", 3 }),
		with(row(5, tool, ok, "Bash: go vet ./...", 38, 12700*ms), func(r *view.Row) { child(r); r.Tool = "Bash" }),
		with(row(6, tool, bad, "Bash: go test ./cmd/entire/cli/logging", 22, 8200*ms), func(r *view.Row) {
			r.Tool, r.Details = "Bash", failure
			r.Metadata = worklog.Metadata{"tool_use_id": "toolu_01VbU3", "cwd": ".worktrees/2", "exit": json.Number("1")}
		}),
		with(row(7, ai, ok, "The log file is opened before its directory exists. I will create the directory first, and keep one file per worktree as the plan says, because two processes may write at the same time.", 21, 6400*ms), func(r *view.Row) {
			r.Details, r.DetailsBytes = strings.Repeat("The log file is opened before its directory exists.\n", 39), 31<<10
			r.Metadata = worklog.Metadata{"model": "opus", "usage": map[string]any{"input_tokens": json.Number("18230"), "output_tokens": json.Number("412")}}
		}),
		row(8, info, warn, "Model opus failed (529 overloaded), switching to sonnet", 20, -1),
		with(row(9, file, ok, "Edit cmd/entire/cli/logging/logger.go", 18, 200*ms), func(r *view.Row) { r.Tool, r.Details = "Edit", "+14 -31" }),
		with(row(10, info, warn, "37 entries suppressed between 14:02 and 14:03 (60 a minute)", 17, -1), func(r *view.Row) { r.Source = worklog.SourceWorklog }),
		with(row(11, tool, warn, "Bash: npm audit", 9, 75*s), func(r *view.Row) { r.Tool, r.Inferred = "Bash", true }),
		with(row(12, worklog.TypeDeployment, ok, "Deployed worklog 1.4.0 to staging", 5, 4*time.Minute+9*s), func(r *view.Row) {}),
		with(row(13, tool, busy, "Bash: mise run test:integration", 2, 0), func(r *view.Row) { r.Tool, r.Key, r.SilentAfter = "Bash", "session:it", 90*s }),
		with(row(15, tool, busy, "Bash: git push --force", 2, 0), func(r *view.Row) { r.Tool, r.SilentAfter, r.AskedAt = "Bash", time.Minute, ago(time.Minute) }),
		with(row(14, info, busy, "Subagent Reviewer: read the diff", 0, 0), func(r *view.Row) { r.Parent = "session:it" }),
	}
}

func conversation(n int, title string, last time.Duration, change func(*view.Conversation)) view.Conversation {
	at := ago(last)
	c := view.Conversation{Mine: true, State: worklog.StateQuiet, SilentAt: at.Add(5 * time.Minute), Conversation: worklog.Conversation{
		ID: id(900 + n), Key: "k" + fmt.Sprint(n), Title: title, Visibility: worklog.VisibilityPrivate, Owner: "ada@example.org", EntryCount: int64(n) * 94,
		CreatedAt: at.Add(-41 * time.Minute), LastEntryAt: &at,
	}}
	if change != nil {
		change(&c)
	}
	return c
}

func conversations() []view.Conversation {
	running := func(c *view.Conversation) { c.WorkingCount, c.State = 2, worklog.StateRunning }
	says := func(s worklog.State) func(*view.Conversation) { return func(c *view.Conversation) { c.State = s } }
	return []view.Conversation{
		conversation(1, "Consolidate logging to one file", 10*time.Second, func(c *view.Conversation) { c.Pinned, c.Failed = true, 5; running(c) }),
		conversation(2, "Fix flaky checkout e2e test in the payment flow", 4*time.Minute, says(worklog.StateFailed)),
		conversation(7, "Rotate the signing keys", 5*time.Minute, says(worklog.StateNeedsYou)),
		conversation(8, "Compare two ways to shard", 40*time.Minute, says(worklog.StateSilent)),
		conversation(9, "Write the release notes", 55*time.Minute, says(worklog.StateYourTurn)),
		conversation(3, "Sunset image for the landing page", 6*time.Minute, running),
		conversation(4, "Upgrade kubernetes client", time.Hour, func(c *view.Conversation) { c.Visibility = worklog.VisibilityTeam }),
		conversation(5, "Nightly dependency review", 7*time.Hour, func(c *view.Conversation) { c.Keep = true }),
		conversation(6, "Migrate sessions table", 50*time.Hour, func(c *view.Conversation) { c.Mine, c.Owner = false, "grace@example.org" }),
	}
}

func shell(title, path string) view.Shell {
	return view.Shell{
		Title: title, Path: path, Email: "ada@example.org", Version: "1.0.0", Now: now(),
		Sidebar: view.Sidebar{Conversations: conversations(), Current: ""},
	}
}

func stranger(title, path string) view.Shell {
	return view.Shell{Title: title, Path: path, Version: "1.0.0", Now: now()}
}

func setup() view.Setup { return view.Setup{BaseURL: "http://localhost:8080"} }
