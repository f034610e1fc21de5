package transcript

import (
	"maps"
	"slices"
	"testing"
	"time"
)

const codexTimeless = `{"id":"0","msg":{"type":"session_configured","session_id":"th","model":"m"}}
{"id":"1","msg":{"type":"user_message","message":"List"}}
{"id":"1","msg":{"type":"exec_command_begin","call_id":"c1","command":["ls"],"cwd":"/w"}}
{"id":"1","msg":{"type":"exec_command_end","call_id":"c1","aggregated_output":"a","exit_code":0}}
{"id":"1","msg":{"type":"error","message":"Quota"}}
{"id":"1","msg":{"type":"error","message":"Quota"}}
{"id":"1","msg":{"type":"context_compacted"}}
{"id":"1","msg":{"type":"turn_aborted","reason":"interrupted"}}
{"id":"2","msg":{"type":"user_message","message":"Go on"}}
{"id":"2","msg":{"type":"turn_aborted","reason":"interrupted"}}
`

// Such a log says of nothing when it was: that it is read at another time makes no other entries of it.
func TestALogWithoutTimesHasTheSameRowsWheneverItIsRead(t *testing.T) {
	t.Parallel()
	if f := Detect([]byte(codexTimeless)); f != Codex {
		t.Fatalf("detected %q", f)
	}
	var want []string
	for i, modified := range []time.Time{now().Add(-time.Hour), now().Add(-time.Minute), {}} {
		p := New(Codex, Options{Now: now(), Modified: modified})
		if i == 2 {
			p.Flush(now()) // it is read as it is written
		}
		keys := slices.Sorted(maps.Keys(parse(t, p, []byte(codexTimeless)).byKey()))
		if want == nil {
			want = keys
		}
		if len(keys) != 8 || !slices.Equal(keys, want) {
			t.Errorf("%q, want %q", keys, want)
		}
	}
	cuts(t, Codex, []byte(codexTimeless))
}
