package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/worklog"
)

// Turn says whose move it is in a conversation. Only the adapters of agents know.
type Turn string

// The turns. The empty one says that nobody waits: no agent has said anything, or the session has ended.
const (
	TurnNone   Turn = ""
	TurnAgent  Turn = "agent"  // it works
	TurnAsked  Turn = "asked"  // it asked for something, and no step of its own says so
	TurnUser   Turn = "user"   // it has finished
	TurnFailed Turn = "failed" // it gave up
)

// Move is what an event says about whose move it is.
type Move struct {
	Turn Turn
	At   time.Time // zero: it says nothing
	// Prompt: it is a word of the user, which answers whatever was asked before.
	Prompt bool
	// Resumes: it only shows that the agent goes on after it asked.
	Resumes bool
	// By is the key of the sub-agent's entry that it comes from; empty: the session's own agent.
	By string
}

// Silent is what shows no sign of life for longer than its tool ever took here before: a step when neither it nor a step
// under it does, a conversation when nothing of it does for the most patient of its running steps. The row's SilentAfter
// and the conversation's SilentAt say it; pages and the titles of tabs go by these two and know no times of their own.
const (
	// minSilence is how long even the quickest tool may be: machines are busy at times.
	minSilence = time.Minute
	// usualSilence is for tools that never ran here, and for agents that think.
	usualSilence = 5 * time.Minute
	// maxSilence bounds what one step that somebody forgot can teach.
	maxSilence = 6 * time.Hour
	// maxTools bounds the tools whose times are known of an owner; others are as if they never ran.
	maxTools = 500
)

const (
	sqlKnownTools = `SELECT t.owner_id, t.tool, t.longest_ms FROM unnest($1::bigint[], $2::text[]) AS k (owner, tool)
		JOIN tool_times t ON t.owner_id = k.owner AND t.tool = k.tool`

	sqlTeachTools = `INSERT INTO tool_times AS t (owner_id, tool, longest_ms)
		SELECT v.owner, v.tool, v.ms FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS v (owner, tool, ms)
		WHERE (SELECT count(*) FROM tool_times k WHERE k.owner_id = v.owner AND k.tool <> v.tool) < $4
		ON CONFLICT (owner_id, tool) DO UPDATE SET longest_ms = EXCLUDED.longest_ms WHERE t.longest_ms < EXCLUDED.longest_ms`
)

// toolKey names a tool of an owner. Steps without a tool share one.
type toolKey struct {
	owner int64
	tool  string
}

// toolTimes are the longest times of tools, as far as a batch has to know them.
type toolTimes struct {
	known   map[toolKey]time.Duration
	records map[toolKey]time.Duration // longer than was known
}

// queueTools asks for the times of the tools whose steps may begin or end in the batch.
func (p *plan) queueTools(b *pgx.Batch) {
	asked := map[toolKey]bool{}
	var owners []int64
	var tools []string
	for i := range p.batch.Writes {
		w := &p.batch.Writes[i]
		k := toolKey{w.Owner, w.Facts.Tool}
		if w.Note || w.Repeats > 0 || asked[k] || w.Facts.Status != worklog.StatusWorking && (w.Key == "" || k.tool == "") {
			continue
		}
		asked[k] = true
		owners, tools = append(owners, k.owner), append(tools, k.tool)
	}
	if len(owners) > 0 {
		b.Queue(sqlKnownTools, owners, tools).Query(p.readTools)
	}
}

func (p *plan) readTools(rows pgx.Rows) error {
	for rows.Next() {
		var k toolKey
		var ms int64
		if err := rows.Scan(&k.owner, &k.tool, &ms); err != nil {
			return err
		}
		p.tools.known[k] = time.Duration(ms) * time.Millisecond
	}
	return rows.Err()
}

// patience is how long a step of the tool may be silent: as long as one ever took.
func (t *toolTimes) patience(k toolKey) time.Duration {
	longest, known := t.known[k]
	if !known {
		return usualSilence
	}
	return max(longest, minSilence)
}

// teach notes how long a step took that ran here and whose end was reported. One that waited for a person says nothing
// about its tool.
func (t *toolTimes) teach(r *Row, asked bool) {
	k := toolKey{r.Owner, r.Tool}
	took := min(r.EndedAt.Sub(r.StartedAt), maxSilence)
	if asked || r.Inferred || took <= 0 {
		return
	}
	if longest, known := t.known[k]; !known || took > longest {
		t.known[k], t.records[k] = took, took
	}
}

func (t *toolTimes) queue(b *pgx.Batch) {
	if len(t.records) == 0 {
		return
	}
	var owners, times []int64
	var tools []string
	for k, took := range t.records {
		owners, tools, times = append(owners, k.owner), append(tools, k.tool), append(times, took.Milliseconds())
	}
	b.Queue(sqlTeachTools, owners, tools, times, maxTools)
}

// move lets an event say whose move it is. What was said later stands, in whatever order it arrives.
func (c *conversationState) move(m Move) {
	if m.Prompt && m.At.After(c.promptedAt) {
		c.promptedAt = m.At
	}
	if m.At.IsZero() || m.At.Before(c.turnAt) || m.Resumes && (c.turn != TurnAsked || m.By != "" && m.By != c.askedBy) {
		return
	}
	by := ""
	if m.Turn == TurnAsked && (c.turn != TurnAsked || c.askedBy == m.By) { // of two who ask, neither answers for the other
		by = m.By
	}
	c.turn, c.turnAt, c.askedBy = m.Turn, m.At, by
}

// asking is 1 for a step that waits for a permission.
func asking(r *Row) int64 {
	if r.AskedAt.IsZero() {
		return 0
	}
	return 1
}

// maxRunning bounds the running steps of a conversation that are looked at.
const maxRunning = 1000

// Running returns the running steps of an owner's conversation, oldest first, with previews of their details.
func (s *Store) Running(ctx context.Context, owner int64, conversation string) ([]Row, error) {
	var logs []workLog
	err := entryColumnsOf(s.db.NewSelect(), false).Where("w.owner_id = ? AND w.conversation_id = ? AND w.status = 'working'", owner, conversation).
		Order("w.seq").Limit(maxRunning).Scan(ctx, &logs)
	rows := make([]Row, len(logs))
	for i := range logs {
		logs[i].unpack(PreviewBytes)
		rows[i] = logs[i].row()
	}
	return rows, mapError(err)
}

// runningUntil is when a conversation with running steps will have been silent for too long, if nothing comes. The
// argument is usualSilence, in seconds.
const runningUntil = `CASE WHEN c.working_count > 0 THEN (SELECT GREATEST(c.last_entry_at, max(w.updated_at)) + make_interval(secs => max(COALESCE(w.silent_after, ?)))
	FROM work_logs AS w WHERE w.owner_id = c.owner_id AND w.conversation_id = c.id AND w.status = 'working') END AS running_until`

// State says what a conversation wants of its owner at a moment: the most pressing thing.
func (c *Conversation) State(now time.Time) worklog.State {
	switch {
	case c.AskingCount > 0 || c.Turn == TurnAsked:
		return worklog.StateNeedsYou
	case c.Turn == TurnFailed || c.Turn == TurnNone && c.EntryCount > 0 && c.LastStatus == worklog.StatusError:
		return worklog.StateFailed
	case c.WorkingCount > 0 || c.Turn == TurnAgent:
		if now.After(c.SilentAt) {
			return worklog.StateSilent
		}
		return worklog.StateRunning
	case c.Turn == TurnUser:
		return worklog.StateYourTurn
	}
	return worklog.StateQuiet
}

// silentAt is from when a conversation counts as silent unless there is news. Where no step runs, the agent thinks.
func silentAt(last, runningUntil *time.Time) time.Time {
	if runningUntil != nil {
		return runningUntil.UTC()
	}
	return deref(last).Add(usualSilence).UTC()
}
