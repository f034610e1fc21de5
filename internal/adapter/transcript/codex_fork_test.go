package transcript

import (
	"strings"
	"testing"
	"time"
)

// rollout joins the lines of a rollout, one second apart.
func rollout(lines ...string) []byte {
	var b strings.Builder
	for i, line := range lines {
		at := time.Date(2026, 5, 1, 10, 0, i, 0, time.UTC).Format(time.RFC3339)
		b.WriteString(`{"timestamp":"` + at + `",` + line + "}\n")
	}
	return []byte(b.String())
}

func TestAForkKeepsItsOwnConversationWhateverHistoryItCopies(t *testing.T) {
	t.Parallel()
	r := parse(t, New(Codex, Options{Now: now()}), rollout(
		`"type":"session_meta","payload":{"id":"fork","forked_from_id":"th","cwd":"/fork"}`,
		`"type":"session_meta","payload":{"id":"th","cwd":"/w"}`,
		`"type":"event_msg","payload":{"type":"user_message","message":"List"}`,
		`"type":"event_msg","payload":{"type":"user_message","message":"Now something else"}`,
		`"type":"response_item","payload":{"type":"function_call","name":"exec_command","arguments":"{\"cmd\":\"ls\"}","call_id":"c9"}`,
		`"type":"response_item","payload":{"type":"function_call_output","call_id":"c9","output":"a"}`,
	))
	if len(r.rows) != 3 {
		t.Fatalf("%+v", r.rows)
	}
	for _, row := range r.rows {
		if d := row.Draft; d.Conversation != "fork" || !strings.HasPrefix(d.Key, "fork/") || d.Metadata["cwd"] != "/fork" {
			t.Errorf("%+v", d)
		}
	}
}
