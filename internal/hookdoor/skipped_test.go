package hookdoor

import "testing"

// What says nothing of its own is counted: nothing vanishes silently.
func TestEventsThatSayNothingOfTheirOwnAreCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.open(false)
	p := h.token("a@x.test")
	before := h.ing.Snapshot().Skipped
	for _, name := range []string{"PostToolBatch", "BeforeModel", "AfterModel", "BeforeToolSelection"} {
		h.take(p, event(name, ``))
	}
	h.take(p, event("BeforeTool", `,"tool_name":"ls"`)) // it has no id: it is shown when it has ended
	h.take(p, event("SessionEnd", ``))
	if n := h.ing.Snapshot().Skipped - before; n != 5 || len(h.rows(p)) != 1 {
		t.Errorf("%d counted, %d rows", n, len(h.rows(p)))
	}
}
