package hook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

func TestATimeThatCanNotBeTrueIsThatOfReceipt(t *testing.T) {
	t.Parallel()
	for stamp, replaced := range map[string]bool{
		"2026-06-01T11:00:00Z": false, "2026-06-02T11:59:00Z": false, "2026-06-02T12:00:01Z": true, "2016-06-03T13:00:00Z": false, "2016-06-03T11:00:00Z": true,
		"0001-01-01T00:00:00Z": true, "9999-12-31T23:59:59Z": true, "yesterday": true, "1748779200": true,
	} {
		for _, name := range []string{"PreToolUse", "PostToolUse", "UserPromptSubmit", "SessionEnd", "Unknown"} {
			d := only(t, event(t, name, bash+fmt.Sprintf(`,"prompt":"x","timestamp":%q`, stamp)))
			at := now()
			if d.LoggedAt != nil {
				at = *d.LoggedAt
			}
			if flagged := d.Metadata["time_replaced"] == true; flagged != replaced || at.Equal(now()) != replaced {
				t.Errorf("%s at %s: logged at %v, %v", name, stamp, at, d.Metadata["time_replaced"])
			}
		}
	}
}

func TestALargeEventIsCutAndNotLost(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("all work and no play ", 3<<20/21)
	for _, c := range []struct{ name, rest string }{
		{"PostToolUse", bash + `,"tool_response":{"stdout":"` + large + `"}`},
		{"PostToolUse", bash + `,"tool_response":{"nobody":{"knows":"` + large + `"}}`},
		{"PostToolUseFailure", bash + `,"error":"` + large + `"`},
		{"PreToolUse", `,"tool_name":"Write","tool_use_id":"t1","tool_input":{"file_path":"a","content":"` + large + `"}`},
		{"UserPromptSubmit", `,"prompt":"` + large + `"`},
		{"Stop", `,"last_assistant_message":"` + large + `","background_tasks":["` + large + `"]`},
		{"Tomorrow", `,"nested":{"list":["` + large + `"]}`},
	} {
		begin := time.Now()
		d := only(t, event(t, c.name, c.rest))
		raw, err := json.Marshal(d)
		if err != nil || len(raw) > 1<<20 || len(d.Details) > worklog.MaxDetailsBytes {
			t.Errorf("%s: a record of %d bytes, %d of them details, %v", c.name, len(raw), len(d.Details), err)
		}
		if says := d.Details == "" || strings.Contains(d.Details[max(0, len(d.Details)-100):], "cut") || strings.Contains(d.Details, "bytes left out"); !says {
			t.Errorf("%s: it does not say that it was cut: %q", c.name, d.Details[max(0, len(d.Details)-100):])
		}
		t.Logf("%s in %v", c.name, time.Since(begin).Round(time.Millisecond))
	}
}

func TestFieldsOfTomorrowAreNoObstacle(t *testing.T) {
	t.Parallel()
	today := only(t, event(t, "PostToolUse", bash+`,"tool_response":"ok"`))
	for _, more := range []string{`,"x":{"y":[1,{"z":null}]}`, `,"model":{"id":"m"}`, `,"agent_type":7`, `,"permission_mode":["a"]`, `,"duration_ms":{"ms":5}`, `,"prompt_id":null`, `,"cwd":[]`} {
		d := only(t, event(t, "PostToolUse", bash+`,"tool_response":"ok"`+more))
		if d.Key != today.Key || d.Title != today.Title || d.Details != today.Details || d.Status != today.Status {
			t.Errorf("%s: %+v", more, d)
		}
	}
}
