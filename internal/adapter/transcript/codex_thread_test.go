package transcript

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// spawned is the rollout of a thread that another one has started.
func spawned(id, parent string, more ...string) []byte {
	head := `"type":"session_meta","payload":{"id":"` + id + `","cwd":"/w","agent_nickname":"Ada","source":{"subagent":{"thread_spawn":{"parent_thread_id":"` + parent + `","depth":1}}}}`
	return rollout(append([]string{head,
		`"type":"event_msg","payload":{"type":"user_message","message":"Look"}`,
		`"type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{\"command\":\"ls\"}","call_id":"c` + id + `"}`,
		`"type":"response_item","payload":{"type":"function_call_output","call_id":"c` + id + `","output":"a"}`}, more...)...)
}

func TestThreadsOfSubAgentsStandInTheConversationOfTheirParent(t *testing.T) {
	t.Parallel()
	agents := NewAgents()
	parsed := func(text []byte) map[string]worklog.Draft {
		r := parse(t, New(Codex, Options{Agents: agents, Now: now()}), text)
		return r.byKey()
	}
	parsed(rollout(`"type":"session_meta","payload":{"id":"th"}`))
	over := `"type":"event_msg","payload":{"type":"task_complete","last_agent_message":"Found"}`
	child, grandchild := parsed(spawned("kid", "th", over)), parsed(spawned("kid2", "kid"))
	for key, want := range map[string]string{"th/agent/kid": "", "kid/ckid": "th/agent/kid", "kid/agent/kid2": "th/agent/kid", "kid2/ckid2": "kid/agent/kid2"} {
		d, known := child[key]
		if !known {
			d, known = grandchild[key]
		}
		if !known || d.Conversation != "th" || d.Parent != want || d.ConversationTitle != "" {
			t.Errorf("%s: %+v", key, d)
		}
	}
	if d := child["th/agent/kid"]; d.Title != "Subagent Ada" || d.Status != worklog.StatusSuccess || d.EndedAt.Sub(*d.StartedAt) != 4*time.Second || len(child) != 4 {
		t.Errorf("%d rows: %+v", len(child), d)
	}
	if d := grandchild["kid/agent/kid2"]; d.Status != worklog.StatusWarning {
		t.Errorf("nobody has told its end: %+v", d)
	}
	if d := parse(t, New(Codex, Options{Now: time.Date(2026, 5, 1, 10, 0, 9, 0, time.UTC)}), spawned("kid", "th")).byKey()["th/agent/kid"]; d.Status != worklog.StatusWorking || d.EndedAt != nil {
		t.Errorf("%+v", d)
	}
	cuts(t, Codex, spawned("kid", "th", over))
}
