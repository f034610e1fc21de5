package otlp

import (
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

// What a tool has printed may hold any words; how a command ended stands before them.
func TestWhatCodexSaysOfACallIsBelieved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ tool, success, output, status string }{
		{"fetch", "true", `{"error":"no such user","success":false,"is_error":true,"exit_code":1}`, "success"},
		{"read_log", "true", "Exit code: 2\nOutput:\nx", "success"},
		{"shell", "true", "Exit code: 0\nOutput:\n" + `{"error":"x"}`, "success"},
		{"shell", "true", "Exit code: 2\nOutput:\nx", "error"},
		{"shell", "true", `{"output":"x","metadata":{"exit_code":2}}`, "error"},
		{"fetch", "false", "fine", "error"},
		{"fetch", "", `{"error":"no such user"}`, "error"},
		{"fetch", "", "fine", "success"},
	} {
		d := one(t, record("codex.tool_result", "tool_name", c.tool, "call_id", "c", "success", c.success, "output", c.output))
		if d.Status != worklog.Status(c.status) {
			t.Errorf("%+v: %+v", c, d)
		}
	}
}
