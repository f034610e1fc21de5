// Package transcript turns the files in which coding agents keep their sessions into drafts.
//
// A parser takes a file line by line and hands out drafts as soon as they are complete: a call of a tool waits for its
// result, and what follows waits behind it, so that entries come in the order in which the agent worked. The formats
// are nobody's promise. What a parser does not know it counts, and a damaged line costs that line alone.
package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// Format is a kind of file.
type Format string

// The formats.
const (
	Unknown    Format = ""
	NDJSON     Format = "worklog" // drafts or entries of worklog's own
	ClaudeCode Format = "claude-code"
	Codex      Format = "codex"
	Gemini     Format = "gemini-cli"
)

const (
	// maxWaiting and maxWaitingBytes bound the drafts behind a call without a result.
	maxWaiting      = 5000
	maxWaitingBytes = 64 << 20
	// maxKinds bounds the kinds of lines that are counted by name.
	maxKinds = 40
	// aliveFor is how long after the last line of a file a call without a result may still be running.
	aliveFor = 24 * time.Hour
	// maxAgents bounds the sub-agents whose callers are remembered.
	maxAgents = 100_000
	// maxEnded bounds the calls whose end is remembered; a result that comes twice after that is an entry that exists.
	maxEnded = 200_000
)

// Row is a draft and the line that began it.
type Row struct {
	Line  int
	Draft worklog.Draft
}

// Parser reads one file.
type Parser interface {
	// Line takes the next line and returns the drafts that are now complete. An error says what is wrong with the line;
	// what could be read of it is among the drafts. It is a [Repaired] when nothing is missing.
	Line(raw []byte) ([]Row, error)
	// Flush returns every draft as it stands now: somebody watches the file grow. A call without a result is running, and
	// comes again under its key when it has ended.
	Flush(now time.Time) []Row
	// Close returns the drafts that are left at the end of the file. An error is about the file as a whole.
	Close() ([]Row, error)
	// Skipped says how many lines of which kind are no entries.
	Skipped() map[string]int
}

// Repaired is the error of a damaged line of which nothing is lost.
type Repaired struct{ Reason string }

// Error says what was repaired.
func (r Repaired) Error() string { return r.Reason }

// Options say what a file does not.
type Options struct {
	// Session names the session when no line does.
	Session string
	// Agents connects the files of one session. Without it sub-agents do not know who called them.
	Agents *Agents
	Now    time.Time
	// Modified is when the file was last written: the time of lines that have none. The zero time: Now.
	Modified time.Time
}

// Agents remembers which call started which sub-agent and when it ended, from one file of a session to the next. The
// main file comes first.
type Agents struct {
	callers map[string]string
	ended   map[string]ending
	threads map[string]thread // by id, those that another thread has started
}

// NewAgents returns an empty memory.
func NewAgents() *Agents {
	return &Agents{callers: map[string]string{}, ended: map[string]ending{}, threads: map[string]thread{}}
}

func (a *Agents) started(agentKey, callKey string) {
	if len(a.callers) < maxAgents {
		a.callers[agentKey] = callKey
	}
}

func (a *Agents) finished(agentKey string, end ending) {
	if len(a.ended) < maxAgents {
		a.ended[agentKey] = end
	}
}

// New returns a parser of the format, or nil for one that is no transcript.
func New(f Format, o Options) Parser {
	if o.Agents == nil {
		o.Agents = NewAgents()
	}
	switch f {
	case ClaudeCode:
		return newClaude(o)
	case Codex:
		return newCodex(o)
	case Gemini:
		return newGemini(o)
	}
	return nil
}

// step is a draft on its way out.
type step struct {
	row     Row
	waiting bool // for its result
	out     bool
}

// track is the order of a file's drafts, and what the parsers of all formats know about them.
type track struct {
	now    time.Time
	source string
	line   int
	queue  []*step
	bytes  int              // of the queue's details
	open   map[string]*step // by key, the calls without a result
	ended  map[string]bool  // by key, the calls that have one
	uses   map[string]*uses // by key of the first, the calls whose id comes again
	seen   map[string]int   // by key of the first, how often a text came
	kinds  map[string]int
	last   time.Time // of the lines so far
	mtime  time.Time // of lines without a time
	live   bool      // lines are read as they are written
}

func newTrack(o Options, source string) track {
	t := track{now: o.Now, source: source, mtime: o.Modified, open: map[string]*step{}, ended: map[string]bool{}, uses: map[string]*uses{}, seen: map[string]int{}, kinds: map[string]int{}}
	if !agent.Believable(t.mtime, t.now) {
		t.mtime = t.now
	}
	return t
}

// Skipped says how many lines of which kind are no entries.
func (t *track) Skipped() map[string]int { return t.kinds }

func (t *track) skip(kind string) {
	kind = agent.FirstLine(kind, 40)
	if kind == "" || (len(t.kinds) >= maxKinds && t.kinds[kind] == 0) {
		kind = "other"
	}
	t.kinds[kind]++
}

// at reads a line's time. One that nobody can believe is the time of the line before it. A line that has none, in a
// file without times, was written when it was read, or at the latest when the file was.
func (t *track) at(raw string) (at time.Time, replaced bool) {
	at, err := time.Parse(time.RFC3339Nano, raw)
	switch {
	case err == nil && agent.Believable(at, t.now):
		t.last = at
		return at, false
	case raw == "" && t.live:
		return t.now, false
	case t.last.IsZero():
		return t.mtime, true
	}
	return t.last, true
}

// add puts a draft at the end of the queue.
func (t *track) add(d worklog.Draft, at time.Time, replaced bool) *step {
	d.Source = t.source
	d.LoggedAt = &at
	if replaced {
		agent.Note(&d, "time_replaced", true)
	}
	d.Details = worklog.CutDetails(d.Details)
	s := &step{row: Row{Line: t.line, Draft: d}}
	t.push(s)
	return s
}

func (t *track) push(s *step) {
	t.queue = append(t.queue, s)
	t.bytes += len(s.row.Draft.Details)
}

// begin adds a call whose result comes later. A call that the file has twice is one.
func (t *track) begin(d worklog.Draft, at time.Time, replaced bool) {
	if t.open[d.Key] != nil || t.ended[d.Key] {
		return
	}
	if !replaced { // nobody knows how long it took
		d.StartedAt = &at
	}
	s := t.add(d, at, replaced)
	s.waiting = true
	t.open[d.Key] = s
}

// end completes a call. The result of a call that nobody saw begin is an entry, too.
func (t *track) end(d worklog.Draft, at time.Time, replaced bool) {
	s := t.open[d.Key]
	switch {
	case t.ended[d.Key]:
		t.skip("result that is there twice")
		return
	case s == nil:
		d.Title, d.EndedAt = orElse(d.Title, "Result of a call that is not in this file"), &at
		t.over(d.Key)
		t.add(d, at, replaced)
		return
	}
	t.over(d.Key)
	known := &s.row.Draft
	t.bytes -= len(known.Details)
	known.Status, known.Details = d.Status, worklog.CutDetails(d.Details)
	if !replaced {
		known.EndedAt = &at
	}
	for k, v := range d.Metadata {
		if known.Metadata[k] == nil {
			agent.Note(known, k, v)
		}
	}
	t.complete(s)
}

// over remembers that a call has its result.
func (t *track) over(key string) {
	delete(t.open, key)
	if len(t.ended) < maxEnded {
		t.ended[key] = true
	}
}

// complete lets a step go. One that left while it was running is completed by its key.
func (t *track) complete(s *step) {
	s.waiting = false
	if s.out {
		t.push(&step{row: s.row})
		return
	}
	t.bytes += len(s.row.Draft.Details)
}

// nth counts a text of an agent: 1 for the first.
func (t *track) nth(session, agentID, kind, text string) int {
	key := agent.TextKey(session, agentID, kind, text, 1)
	t.seen[key]++
	return t.seen[key]
}

// ready hands out what waits for nothing.
func (t *track) ready() (rows []Row) {
	n := 0
	for _, s := range t.queue {
		if s.waiting && len(t.queue)-n <= maxWaiting && t.bytes <= maxWaitingBytes {
			break
		}
		rows = append(rows, t.release(s))
		n++
	}
	t.queue = slices.Delete(t.queue, 0, n)
	return rows
}

// Flush hands out everything as it stands.
func (t *track) Flush(now time.Time) (rows []Row) {
	t.now, t.live = now, true
	for _, s := range t.queue {
		rows = append(rows, t.release(s))
	}
	t.queue = nil
	return rows
}

func (t *track) release(s *step) Row {
	s.out = true
	t.bytes -= len(s.row.Draft.Details)
	row := s.row
	row.Draft.Metadata = maps.Clone(row.Draft.Metadata)
	agent.Fit(&row.Draft, t.now)
	return row
}

// rest hands out everything. A call whose result never came may still be running when the file is fresh.
func (t *track) rest() (rows []Row) {
	last := t.last
	if last.IsZero() {
		last = t.mtime
	}
	for _, s := range t.queue {
		if s.waiting && t.now.Sub(last) > aliveFor {
			d := &s.row.Draft
			d.Status = worklog.StatusWarning
			agent.Note(d, agent.NoResult, true)
		}
		rows = append(rows, t.release(s))
	}
	t.queue = nil
	return rows
}

// objects calls each for every JSON object of a line: two that were glued together are both read. The error says what
// is wrong with the rest.
func objects(raw []byte, each func(json.RawMessage)) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	n := 0
	for {
		var o json.RawMessage
		if err := dec.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil && n == 0 {
			return worklog.Errorf(worklog.CodeMalformed, "is not JSON")
		} else if err != nil {
			return worklog.Errorf(worklog.CodeMalformed, "is damaged after its first %d objects, which were read", n)
		}
		if o[0] != '{' {
			return worklog.Errorf(worklog.CodeMalformed, "is not a JSON object")
		}
		each(o)
		n++
	}
	if n > 1 {
		return Repaired{fmt.Sprintf("holds %d objects; all were read", n)}
	}
	return nil
}

func orElse(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}
