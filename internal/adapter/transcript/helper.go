package transcript

import (
	"maps"
	"slices"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// helper is a sub-agent of a file. Its end is not known before the end of the file, or before its caller has its answer.
type helper struct {
	step *step
	last time.Time // of its lines
	done bool      // its last word was one, and no call
}

// finish ends the sub-agent as its caller says, or when it was last heard of.
func (t *track) finish(h *helper, end ending) {
	d := &h.step.row.Draft
	d.Status = end.status
	at := h.last
	if end.at.After(at) {
		at = end.at
	}
	d.EndedAt = &at
	if !h.step.out {
		t.bytes -= len(d.Details) // complete counts them again
	}
	if end.status == worklog.StatusError && end.said != "" {
		d.Details = worklog.CutDetails(end.said)
	}
	if end.status == worklog.StatusWarning {
		agent.Note(d, agent.NoResult, true)
	}
	t.complete(h.step)
}

// ending is how the caller of a sub-agent says that it has ended.
type ending struct {
	at     time.Time
	status worklog.Status
	said   string
}

// finishHelpers ends the sub-agents of which it is known that they have ended, and at the end of the file those of which
// nobody will hear any more.
func (t *track) finishHelpers(all map[string]*helper, agents *Agents, over bool) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		h := all[key]
		end, known := agents.ended[key]
		switch {
		case !h.step.waiting:
		case known:
			h.step.row.Draft.Parent = orElse(h.step.row.Draft.Parent, agents.callers[key]) // its caller may stand behind it
			t.finish(h, end)
		case over && h.done:
			t.finish(h, ending{status: worklog.StatusSuccess})
		case over && t.now.Sub(h.last) > aliveFor:
			t.finish(h, ending{status: worklog.StatusWarning})
		}
	}
}
