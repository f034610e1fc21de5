package transcript

import (
	"bytes"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/worklog"
)

// news is what Claude Code writes when a task in the background has ended.
func news(id, status string) string {
	return `<task-notification>\n<task-id>` + id + `</task-id>\n<tool-use-id>t1</tool-use-id>\n<output-file>/tmp/x</output-file>\n<status>` + status +
		`</status>\n<summary>Agent \"Look\" is over</summary>\n<result>It says <status>killed</status></result>\n</task-notification>\nRead the output file.`
}

func TestASubAgentInTheBackgroundEndsWithItsNotification(t *testing.T) {
	t.Parallel()
	launch := strings.NewReplacer("Bash", "Task", "command", "description").Replace(callLine)
	launched := strings.Replace(doneLine, `"content":"ok"`, `"content":"Async agent launched"`, 1) + `,"toolUseResult":{"agentId":"a7","status":"async_launched"}`
	for name, c := range map[string]struct {
		line string
		want worklog.Status
	}{
		"none yet":           {askLine, worklog.StatusWorking},
		"of another task":    {`"type":"user","message":{"content":"` + news("b2", "completed") + `"}`, worklog.StatusWorking},
		"that it runs":       {`"type":"user","message":{"content":"` + news("a7", "running") + `"}`, worklog.StatusWorking},
		"completed":          {`"type":"user","message":{"content":"` + news("a7", "completed") + `"}`, worklog.StatusSuccess},
		"failed":             {`"type":"user","message":{"content":[{"type":"text","text":"` + news("a7", "failed") + `"}]}`, worklog.StatusError},
		"stopped":            {`"type":"attachment","attachment":{"type":"queued_command","prompt":"` + news("a7", "stopped") + `"}`, worklog.StatusWarning},
		"in the queue alone": {`"type":"queue-operation","operation":"enqueue","content":"` + news("a7", "completed") + `"`, worklog.StatusSuccess},
	} {
		agents := NewAgents()
		parse(t, New(ClaudeCode, Options{Agents: agents, Now: second(9)}), claudeText(launch, launched, sayLine, c.line))
		p := New(ClaudeCode, Options{Agents: agents, Now: second(9)})
		for line := range bytes.Lines(helperLines(askLine, sayLine)) {
			if _, err := p.Line(line); err != nil {
				t.Fatal(err)
			}
		}
		head := p.Flush(second(9))[0].Draft // somebody follows the file
		if head.Status != c.want || head.Parent != "s/t1" || c.want.Final() != (head.EndedAt != nil && head.EndedAt.Equal(second(3))) {
			t.Errorf("%s: %+v", name, head)
		}
		if failed := c.want == worklog.StatusError; failed != (head.Details == "It says <status>killed</status>") {
			t.Errorf("%s: %q", name, head.Details)
		}
	}
}

func TestATasksNotificationIsOneRowHoweverOftenItIsWritten(t *testing.T) {
	t.Parallel()
	r := parseClaude(t, claudeText(
		`"type":"queue-operation","operation":"enqueue","content":"`+news("b1", "completed")+`"`, `"type":"queue-operation","operation":"remove"`,
		`"type":"attachment","attachment":{"type":"queued_command","prompt":"`+news("b1", "completed")+`"}`, `"type":"user","message":{"content":"`+news("b1", "completed")+`"}`,
		`"type":"user","message":{"content":"`+news("b2", "completed")+`"}`)).byKey()
	if len(r) != 2 {
		t.Errorf("%+v", r)
	}
	for _, d := range r {
		if d.Title != "A background task has news" || !strings.Contains(d.Details, `<summary>Agent "Look" is over</summary>`) {
			t.Errorf("%+v", d)
		}
	}
}
