package hookdoor

import (
	"strings"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

func TestTwoTurnsThatEndWithTheSameWordsAreTwoRows(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.open(false)
	p := h.token("a@x.test")
	stop := func(delivery, words string) {
		if err := h.door.Take(t.Context(), p, Delivery{ID: delivery}, []byte(event("Stop", words))); err != nil {
			t.Fatal(err)
		}
	}
	done := `,"last_assistant_message":"Done."`
	for _, delivery := range []string{"", "", "d3", "d3", "d4"} { // a background task woke the agent: there is one prompt
		h.take(p, event("PreToolUse", call("t"+delivery)))
		stop(delivery, done)
	}
	stop("d5", "")
	stop("d5", "")
	replies, ends := 0, 0
	for _, row := range h.rows(p) {
		if row.Type == worklog.TypeAIResponse {
			replies++
		}
		if row.Title == "Finished its turn" {
			ends++
		}
	}
	if replies != 4 || ends != 1 {
		t.Errorf("%d replies and %d silent ends of 5 turns", replies, ends)
	}
}

func TestASpooledEventIsThatOfItsSender(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.token("a@x.test")
	h.open(true)
	h.wire.Cut()
	for _, sender := range []string{"codex", "", "no such agent", "gemini"} {
		if err := h.door.Take(t.Context(), p, Delivery{Sender: sender}, []byte(event("SessionStart", ``))); err != nil {
			t.Fatal(err)
		}
	}
	h.wire.Mend(t)
	h.drained()
	var sources []string
	for _, r := range h.rows(p) {
		sources = append(sources, r.Source)
	}
	if got := strings.Join(sources, " "); got != "codex claude-code claude-code gemini-cli" {
		t.Errorf("%s", got)
	}
}
