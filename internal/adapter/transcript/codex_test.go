package transcript

import (
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

const codexLog = `{"ts":"2026-05-01T10:00:00Z","dir":"meta","kind":"session_start","cwd":"/w","model":"m"}
{"ts":"2026-05-01T10:00:00Z","dir":"to_tui","kind":"app_event","variant":"RequestRedraw"}
{"ts":"2026-05-01T10:00:01Z","dir":"to_tui","kind":"codex_event","payload":{"id":"0","msg":{"type":"session_configured","session_id":"th","model":"m"}}}
{"ts":"2026-05-01T10:00:01Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"user_message","message":"List"}}}
{"ts":"2026-05-01T10:00:02Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"exec_approval_request","call_id":"c1","command":["bash","-lc","ls x"],"cwd":"/w","reason":"May I?"}}}
{"ts":"2026-05-01T10:00:02Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"exec_command_begin","call_id":"c1","command":["bash","-lc","ls x"],"cwd":"/w"}}}
{"ts":"2026-05-01T10:00:05Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"exec_command_end","call_id":"c1","stdout":"a\n","stderr":"no x","exit_code":2,"duration":{"secs":3,"nanos":1}}}}
{"ts":"2026-05-01T10:00:06Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"patch_apply_begin","call_id":"c2","changes":{"/w/g.txt":{"add":{}},"/w/h.txt":{"add":{}}}}}}
{"ts":"2026-05-01T10:00:07Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"patch_apply_end","call_id":"c2","stdout":"Success.","success":true}}}
{"ts":"2026-05-01T10:00:08Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"mcp_tool_call_begin","call_id":"c3","invocation":{"server":"linear","tool":"find","arguments":{"query":"bug"}}}}}
{"ts":"2026-05-01T10:00:09Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"mcp_tool_call_end","call_id":"c3","result":{"Err":"no such team"}}}}
{"ts":"2026-05-01T10:00:10Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"agent_message","message":"Done."}}}
{"ts":"2026-05-01T10:00:10Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"task_complete","last_agent_message":"Done."}}}
{"ts":"2026-05-01T10:00:11Z","dir":"to_tui","kind":"codex_event","payload":{"id":"1","msg":{"type":"hologram"}}}
`

func TestCodexLogsAreShown(t *testing.T) {
	t.Parallel()
	if f := Detect([]byte(codexLog)); f != Codex {
		t.Errorf("detected %q", f)
	}
	r := parse(t, New(Codex, Options{Now: now()}), []byte(codexLog))
	rows := r.byKey()
	failed, patch, lookup, asked := rows["th/c1"], rows["th/c2"], rows["th/c3"], rows["th/c1/permission"]
	if failed.Status != worklog.StatusError || failed.Title != "shell: ls x" || failed.Details != "a\nno x" || failed.EndedAt.Sub(*failed.StartedAt) != 3*time.Second {
		t.Errorf("%+v", failed)
	}
	if patch.Title != "apply_patch g.txt" || patch.Details != "Success." || patch.Status != worklog.StatusSuccess {
		t.Errorf("%+v", patch)
	}
	if lookup.Title != "linear find: bug" || lookup.Details != "no such team" || lookup.Status != worklog.StatusError {
		t.Errorf("%+v", lookup)
	}
	if asked.Title != "Asks for permission: shell: ls x" || asked.Parent != "th/c1" || asked.Details != "May I?" {
		t.Errorf("%+v", asked)
	}
	if f := r.figures(); f != (figures{Rows: 6, Steps: 3, Completed: 3, Errors: 2, Nested: 1}) || r.skipped["hologram"] != 1 || r.skipped["message that is there twice"] != 1 {
		t.Errorf("%+v, skipped %v", f, r.skipped)
	}
}

func TestALogAndARolloutOfOneThreadNameTheSame(t *testing.T) {
	t.Parallel()
	rollout, log := parse(t, New(Codex, Options{Now: now()}), []byte(codexText)).byKey(), parse(t, New(Codex, Options{Now: now()}), []byte(codexLog)).byKey()
	shared := 0
	for key := range log {
		if _, both := rollout[key]; both {
			shared++
		}
	}
	if shared != 3 { // the prompt and two calls
		t.Errorf("%d of %d entries have one key", shared, len(log))
	}
	both := `{"timestamp":"2026-05-01T10:00:02Z","type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{\"command\":\"ls\"}","call_id":"c1"}}
{"timestamp":"2026-05-01T10:00:02Z","type":"event_msg","payload":{"type":"exec_command_begin","call_id":"c1","command":["ls"]}}
{"timestamp":"2026-05-01T10:00:03Z","type":"event_msg","payload":{"type":"exec_command_end","call_id":"c1","aggregated_output":"a","exit_code":0}}
{"timestamp":"2026-05-01T10:00:03Z","type":"response_item","payload":{"type":"function_call_output","call_id":"c1","output":"a"}}
`
	if r := parse(t, New(Codex, Options{Now: now()}), []byte(both)); len(r.rows) != 1 || r.skipped["result that is there twice"] != 1 {
		t.Errorf("%d rows, skipped %v", len(r.rows), r.skipped)
	}
}

const codexPrinted = `{"type":"thread.started","thread_id":"th"}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"item_0","type":"reasoning","text":"Hm"}}
{"type":"item.started","item":{"id":"item_1","type":"command_execution","command":"bash -lc 'ls x'","status":"in_progress"}}
{"type":"item.completed","item":{"id":"item_1","type":"command_execution","command":"bash -lc 'ls x'","aggregated_output":"no x","exit_code":2,"status":"failed"}}
{"type":"item.completed","item":{"id":"item_2","type":"file_change","changes":[{"path":"g.txt","kind":"add"}],"status":"completed"}}
{"type":"item.started","item":{"id":"item_3","type":"mcp_tool_call","server":"linear","tool":"find","arguments":{"query":"bug"},"status":"in_progress"}}
{"type":"item.completed","item":{"id":"item_3","type":"mcp_tool_call","server":"linear","tool":"find","arguments":{"query":"bug"},"result":{"content":[{"type":"text","text":"none"}]},"status":"completed"}}
{"type":"item.completed","item":{"id":"item_4","type":"agent_message","text":"Done."}}
{"type":"item.started","item":{"id":"item_5","type":"web_search","query":"cats"}}
{"type":"error","message":"quota"}
{"type":"turn.failed","error":{"message":"quota"}}
{"type":"item.completed","item":{"id":"item_6","type":"telepathy"}}
`

func TestWhatCodexExecPrintsIsShown(t *testing.T) {
	t.Parallel()
	if f := Detect([]byte(codexPrinted)[:60]); f != Codex {
		t.Errorf("detected %q", f)
	}
	written := now().Add(-time.Hour)
	r := parse(t, New(Codex, Options{Now: now(), Modified: written}), []byte(codexPrinted))
	titles := map[string]worklog.Draft{}
	for _, d := range r.byKey() {
		titles[d.Title] = d
		if !d.LoggedAt.Equal(written) || d.EndedAt != nil || d.Metadata["time_replaced"] != true {
			t.Errorf("a time that nobody knows: %+v", d)
		}
	}
	failed, changed, looked, open := titles["shell: ls x"], titles["apply_patch g.txt"], titles["linear find: bug"], titles["web_search: cats"]
	if failed.Status != worklog.StatusError || failed.Details != "no x" || changed.Details != "add g.txt" || looked.Details != "none" || open.Status != worklog.StatusWorking {
		t.Errorf("%+v\n%+v\n%+v\n%+v", failed, changed, looked, open)
	}
	if len(titles) != 6 || titles["quota"].Type != worklog.TypeError || titles["Done."].Type != worklog.TypeAIResponse || r.skipped["telepathy"] != 1 {
		t.Errorf("%d rows, skipped %v", len(titles), r.skipped)
	}
}

func TestRunsOfOneThreadThatPrintTheSameIdsAreTwo(t *testing.T) {
	t.Parallel()
	resumed := strings.NewReplacer("Done.", "Done again.", `"item_4"`, `"item_0"`, `"Hm"`, `"Hm, hm"`).Replace(codexPrinted)
	said, rest, _ := strings.Cut(resumed[strings.Index(resumed, `{"type":"item.completed","item":{"id":"item_0","type":"agent`):], "\n")
	first := parse(t, New(Codex, Options{Now: now()}), []byte(codexPrinted)).byKey()
	second := parse(t, New(Codex, Options{Now: now()}), []byte(`{"type":"thread.started","thread_id":"th"}`+"\n"+said+"\n"+codexPrinted+rest)).byKey()
	again := parse(t, New(Codex, Options{Now: now()}), []byte(codexPrinted[:strings.Index(codexPrinted, `{"type":"error"`)])).byKey()
	for key := range again {
		if _, known := first[key]; !known {
			t.Errorf("%s of a shorter recording is new", key)
		}
	}
	for key, d := range first {
		if _, twice := second[key]; twice && d.Tool != "" {
			t.Errorf("%s (%s) is in both runs", key, d.Title)
		}
	}
}
