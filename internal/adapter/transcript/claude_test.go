package transcript

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// claudeText writes lines of a session s, each an hour-minute-second and the rest of a JSON object.
func claudeText(lines ...string) []byte {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, `{"sessionId":"s","uuid":"u%d","timestamp":"2026-05-01T10:00:%02d.500Z","cwd":"/w",%s}`+"\n", i+1, i, l)
	}
	return []byte(b.String())
}

const (
	askLine  = `"type":"user","message":{"role":"user","content":"Make it\nwork"}`
	sayLine  = `"type":"assistant","message":{"model":"m","content":[{"type":"text","text":"Done.\nReally."}]}`
	callLine = `"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"npm test"}}]}`
	doneLine = `"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"ok"}]}`
)

func parseClaude(t testing.TB, text []byte) result {
	t.Helper()
	return parse(t, New(ClaudeCode, Options{Session: "file", Now: now()}), text)
}

func second(n int) time.Time { return time.Date(2026, 5, 1, 10, 0, n, 500e6, time.UTC) }

func TestAStepIsOneRowWithItsTimes(t *testing.T) {
	t.Parallel()
	r := parseClaude(t, claudeText(askLine, callLine, doneLine, sayLine))
	if len(r.rows) != 3 {
		t.Fatalf("%+v", r.rows)
	}
	ask, call, say := r.rows[0].Draft, r.rows[1].Draft, r.rows[2].Draft
	if ask.Title != "Prompt: Make it" || ask.ConversationTitle != "Make it" || ask.Details != "Make it\nwork" || ask.Conversation != "s" || !ask.LoggedAt.Equal(second(0)) {
		t.Errorf("%+v", ask)
	}
	if call.Key != "s/t1" || call.Title != "Bash: npm test" || call.Status != worklog.StatusSuccess || call.Details != "ok" || call.Tool != "Bash" ||
		!call.StartedAt.Equal(second(1)) || !call.EndedAt.Equal(second(2)) || call.Metadata["cwd"] != "/w" {
		t.Errorf("%+v", call)
	}
	if say.Type != worklog.TypeAIResponse || say.Title != "Done." || say.Metadata["model"] != "m" || say.Key != agent.TextKey("s", "", agent.KindReply, "Done.\nReally.", 1) {
		t.Errorf("%+v", say)
	}
}

func TestOrderIsThatOfTheBeginnings(t *testing.T) {
	t.Parallel()
	other := strings.ReplaceAll(callLine, "t1", "t2")
	r := parseClaude(t, claudeText(callLine, other, sayLine, strings.ReplaceAll(doneLine, "t1", "t2"), doneLine))
	var keys []string
	for _, row := range r.rows {
		keys = append(keys, row.Draft.Key)
	}
	if len(keys) != 3 || keys[0] != "s/t1" || keys[1] != "s/t2" {
		t.Errorf("%v", keys)
	}
}

func TestFailuresAndRefusalsAreErrors(t *testing.T) {
	t.Parallel()
	failed := `"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":"<tool_use_error>No file</tool_use_error>"}]},"toolUseResult":"Error: No file"`
	api := `"type":"assistant","isApiErrorMessage":true,"message":{"content":[{"type":"text","text":"API Error: 529"}]}`
	retry := `"type":"system","subtype":"api_error","retryAttempt":2,"error":{"status":529}`
	r := parseClaude(t, claudeText(callLine, failed, api, retry)).rows
	if len(r) != 3 || r[0].Draft.Status != worklog.StatusError || r[0].Draft.Details != "No file" || r[1].Draft.Type != worklog.TypeError ||
		r[2].Draft.Status != worklog.StatusWarning || r[2].Draft.Title != "API error, attempt 2" {
		t.Errorf("%+v", r)
	}
}

func TestACallWithoutResultRunsOnlyInAFreshFile(t *testing.T) {
	t.Parallel()
	text := claudeText(askLine, callLine)
	old := parseClaude(t, text).rows[1].Draft
	fresh := parse(t, New(ClaudeCode, Options{Now: second(30)}), text).rows[1].Draft
	if old.Status != worklog.StatusWarning || fresh.Status != worklog.StatusWorking || fresh.EndedAt != nil {
		t.Errorf("%+v, %+v", old, fresh)
	}
}

func TestSubAgentsStandUnderTheirCall(t *testing.T) {
	t.Parallel()
	agents := NewAgents()
	main := claudeText(strings.NewReplacer("Bash", "Task", "command", "description").Replace(callLine),
		doneLine+`,"toolUseResult":{"agentId":"a7","content":[{"type":"text","text":"found"}]}`)
	inner := `"isSidechain":true,"agentId":"a7",`
	helper := claudeText(inner+askLine, inner+strings.ReplaceAll(callLine, "t1", "t9"), inner+strings.ReplaceAll(doneLine, "t1", "t9"), inner+sayLine)
	first := parse(t, New(ClaudeCode, Options{Agents: agents, Now: now()}), main)
	second := parse(t, New(ClaudeCode, Options{Agents: agents, Now: now()}), helper)
	if d := first.rows[0].Draft; len(first.rows) != 1 || d.Details != "found" || d.Metadata["started_agent"] != "a7" {
		t.Errorf("%+v", first.rows)
	}
	if len(second.rows) != 3 {
		t.Fatalf("%+v", second.rows)
	}
	head, step := second.rows[0].Draft, second.rows[1].Draft
	if head.Key != "s/agent/a7" || head.Parent != "s/t1" || head.Status != worklog.StatusSuccess || head.Title != "Subagent: Make it" || head.EndedAt.Sub(*head.StartedAt) != 3*time.Second {
		t.Errorf("%+v", head)
	}
	if step.Key != "s/t9" || step.Parent != head.Key || second.rows[2].Draft.Parent != head.Key || second.figures().Nested != 3 {
		t.Errorf("%+v", second.rows)
	}
	old := strings.ReplaceAll(string(helper), `"agentId":"a7",`, "")
	for i := 2; i <= 4; i++ { // an older version: only the chain of lines tells which belong together
		old = strings.Replace(old, fmt.Sprintf(`"uuid":"u%d"`, i), fmt.Sprintf(`"uuid":"u%d","parentUuid":"u%d"`, i, i-1), 1)
	}
	if r := parseClaude(t, []byte(old)).rows; len(r) != 3 || r[0].Draft.Key != "s/agent/u1" || r[2].Draft.Parent != "s/agent/u1" {
		t.Errorf("%+v", r)
	}
}

func TestEqualRepliesOfTwoAgentsAreTwoRows(t *testing.T) {
	t.Parallel()
	agents, keys := NewAgents(), map[string]string{}
	for _, id := range []string{"", `"isSidechain":true,"agentId":"a1",`, `"isSidechain":true,"agentId":"a2",`} {
		for _, row := range parse(t, New(ClaudeCode, Options{Agents: agents, Now: now()}), claudeText(id+sayLine)).rows {
			if d := row.Draft; d.Type == worklog.TypeAIResponse {
				keys[d.Key] = d.Parent
			}
		}
	}
	if len(keys) != 3 || keys[agent.TextKey("s", "a1", agent.KindReply, "Done.\nReally.", 1)] != "s/agent/a1" || keys[agent.TextKey("s", "", agent.KindReply, "Done.\nReally.", 1)] != "" {
		t.Errorf("%v", keys)
	}
}

// helperLines are the lines of sub-agent a7.
func helperLines(lines ...string) []byte {
	for i := range lines {
		lines[i] = `"isSidechain":true,"agentId":"a7",` + lines[i]
	}
	return claudeText(lines...)
}

func TestASubAgentRunsUntilItsEndIsKnown(t *testing.T) {
	t.Parallel()
	text := helperLines(askLine, callLine)
	head := func(at time.Time, agents *Agents, text []byte) worklog.Draft {
		return parse(t, New(ClaudeCode, Options{Agents: agents, Now: at}), text).rows[0].Draft
	}
	if d := head(second(30), NewAgents(), text); d.Status != worklog.StatusWorking || d.EndedAt != nil {
		t.Errorf("a fresh one in the middle of a call: %+v", d)
	}
	if d := head(now(), NewAgents(), text); d.Status != worklog.StatusWarning || d.EndedAt == nil || d.Metadata[agent.NoResult] != true {
		t.Errorf("an old one: %+v", d)
	}
	if d := head(second(30), NewAgents(), helperLines(askLine, callLine, doneLine, sayLine)); d.Status != worklog.StatusSuccess || !d.EndedAt.Equal(second(3)) {
		t.Errorf("one that has had its last word: %+v", d)
	}
	p := New(ClaudeCode, Options{Now: second(1)})
	for line := range bytes.Lines(text) {
		if _, err := p.Line(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range p.Flush(second(2)) {
		if d := row.Draft; d.Status != worklog.StatusWorking || d.EndedAt != nil {
			t.Errorf("while somebody watches: %+v", d)
		}
	}
}

func TestASubAgentThatFailedSaysWhy(t *testing.T) {
	t.Parallel()
	task := strings.NewReplacer("Bash", "Task", "command", "description").Replace(callLine)
	for status, want := range map[string]worklog.Status{"failed": worklog.StatusError, "killed": worklog.StatusWarning, "completed": worklog.StatusSuccess} {
		agents := NewAgents()
		failed := strings.Replace(doneLine, `"content":"ok"`, `"content":"Out of tokens"`, 1) + fmt.Sprintf(`,"toolUseResult":{"agentId":"a7","status":%q,"content":"Out of tokens"}`, status)
		parse(t, New(ClaudeCode, Options{Agents: agents, Now: now()}), claudeText(task, failed))
		d := parse(t, New(ClaudeCode, Options{Agents: agents, Now: now()}), helperLines(askLine, callLine)).rows[0].Draft
		if d.Status != want || (d.Details == "Out of tokens") != (want == worklog.StatusError) {
			t.Errorf("%s: %+v", status, d)
		}
	}
}

func TestWordsThatComeAgainAreRowsOfTheirOwn(t *testing.T) {
	t.Parallel()
	if r := parseClaude(t, claudeText(askLine, sayLine, askLine, sayLine, askLine)); len(r.byKey()) != 5 {
		t.Errorf("%d rows", len(r.byKey()))
	}
	enqueue, remove, pop := `"type":"queue-operation","operation":"enqueue","content":"Make it\nwork"`, `"type":"queue-operation","operation":"remove"`, `"type":"queue-operation","operation":"popAll"`
	for want, lines := range map[int][]string{1: {enqueue, remove, askLine}, 0: {enqueue, pop, remove}, 2: {enqueue, remove, askLine, askLine}} {
		if r := parseClaude(t, claudeText(lines...)); len(r.rows) != want {
			t.Errorf("%d rows, want %d: %+v", len(r.rows), want, r.rows)
		}
	}
}

func TestWhatClaudeCodeWritesForThePersonIsNamed(t *testing.T) {
	t.Parallel()
	user := func(text string) string { return `"type":"user","message":{"content":"` + text + `"}` }
	for text, title := range map[string]string{
		`<command-message>x</command-message>\n<command-name>/review</command-name><command-args>fast</command-args>`: "Prompt: /review fast",
		`<bash-input>git pull</bash-input>`:                                                 "! git pull",
		`<bash-stdout>Up to date.</bash-stdout><bash-stderr></bash-stderr>`:                 "Output: Up to date.",
		`<local-command-stdout>See ya!</local-command-stdout>`:                              "Output: See ya!",
		`[Request interrupted by user for tool use]`:                                        "Interrupted by the user",
		`<p>What is wrong with this?</p>`:                                                   "Prompt: <p>What is wrong with this?</p>",
		`<task-notification>\n<task-id>b1</task-id>\n<status>completed</task-notification>`: "A background task has news",
	} {
		if r := parseClaude(t, claudeText(user(text))).rows; len(r) != 1 || r[0].Draft.Title != title {
			t.Errorf("%s: %+v", text, r)
		}
	}
	if r := parseClaude(t, claudeText(user(`<local-command-stdout></local-command-stdout>`), `"isMeta":true,`+askLine)); len(r.rows) != 0 || len(r.skipped) != 2 {
		t.Errorf("%+v", r)
	}
}

func TestTheFileNamesTheConversation(t *testing.T) {
	t.Parallel()
	r := parseClaude(t, append([]byte(`{"type":"summary","summary":"A fine title","leafUuid":"x"}`+"\n"), claudeText(askLine)...)).rows
	if len(r) != 1 || r[0].Draft.ConversationTitle != "A fine title" || r[0].Line != 2 {
		t.Errorf("%+v", r)
	}
}

func TestTomorrowsLinesAreCountedAndTheirNeighboursKept(t *testing.T) {
	t.Parallel()
	r := parseClaude(t, claudeText(
		`"type":"hologram","payload":{"a":[1,2,{"b":null}]}`, `"type":"assistant","message":{"content":[{"type":"smell","x":1},{"type":"text","text":"hi"},7]}`,
		`"type":"user","message":"not an object"`, `"type":"user","isMeta":"maybe","promptId":9,`+askLine[len(`"type":"user",`):],
		`"type":"system","subtype":"mood","content":"Feeling fine"`, `"type":"pr-link","prNumber":7,"prUrl":"https://example.org/7"`))
	if len(r.damaged) != 0 || len(r.rows) != 4 || r.skipped["hologram"] != 1 || r.skipped["smell"] != 1 {
		t.Errorf("%+v", r)
	}
}

func TestDamagedLinesAreNamedAndGluedOnesRead(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(string(claudeText(askLine, callLine, doneLine, sayLine)), "\n")
	text := lines[0] + "nonsense\n" + strings.TrimSpace(lines[1]) + lines[2] + "\n[1]\n\"x\"\n{}\n" + lines[3] + lines[3][:40]
	r := parseClaude(t, []byte(text))
	if len(r.rows) != 3 || len(r.damaged) != 4 || len(r.mended) != 1 || r.mended[3] == "" || r.damaged[2] == "" || r.damaged[8] != "" && r.damaged[9] == "" {
		t.Errorf("%+v", r)
	}
}

func TestTimesThatNobodyBelievesAreReplacedAndFlagged(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("2026-05-01T10:00:01.500Z", "1999-01-01T00:00:00Z", "2026-05-01T10:00:02.500Z", "noon").Replace(string(claudeText(askLine, sayLine, askLine)))
	for _, row := range parseClaude(t, []byte(text)).rows[1:] {
		if !row.Draft.LoggedAt.Equal(second(0)) || row.Draft.Metadata["time_replaced"] != true {
			t.Errorf("%+v", row.Draft)
		}
	}
}

func TestACallThatHangsDoesNotHoldTheRestForEver(t *testing.T) {
	t.Parallel()
	p := New(ClaudeCode, Options{Now: now()})
	var got []Row
	line := func(l string) {
		rows, err := p.Line(claudeText(l))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rows...)
	}
	line(callLine)
	for i := range maxWaiting + 10 {
		line(strings.ReplaceAll(sayLine, "Done.", fmt.Sprint("Step ", i)))
	}
	if len(got) == 0 || got[0].Draft.Status != worklog.StatusWorking {
		t.Errorf("%d rows came out", len(got))
	}
	line(doneLine)
	rest, _ := p.Close()
	if last := got[len(got)-1].Draft; len(got) != maxWaiting+12 || len(rest) != 0 || last.Key != "s/t1" || last.Status != worklog.StatusSuccess {
		t.Errorf("%d and %d rows, the last %+v", len(got), len(rest), last)
	}
}

func TestDetectsByContent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Format{
		string(claudeText(askLine)):                       ClaudeCode,
		string(claudeText(askLine))[:90]:                  ClaudeCode,
		"garbage\n" + string(claudeText(sayLine)):         ClaudeCode,
		`{"type":"summary","summary":"x","leafUuid":"y"}`: ClaudeCode,
		`{"type":"info","title":"a"}`:                     NDJSON,
		`{"id":"x","seq":1,"type":"info"}`:                NDJSON,
		`{"some":"thing"}`:                                Unknown,
		``:                                                Unknown,
		`[`:                                               Unknown,
		`{"type":"file-history-snapshot","messageId":"m","snapsho`: ClaudeCode,
	} {
		if got := Detect([]byte(text)); got != want {
			t.Errorf("%.60s: %q, want %q", text, got, want)
		}
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add(claudeText(askLine, callLine, doneLine, sayLine))
	f.Add(claudeText(`"type":"queue-operation","operation":"enqueue","content":"x"`, `"type":"queue-operation","operation":"remove"`, `"isSidechain":true,`+askLine))
	f.Add([]byte(`{"type":"summary","summary":"x","leafUuid":"y"}{"type":"user","message":{"content":[{"type":"tool_result"}]}}`))
	f.Add([]byte(codexText))
	f.Add([]byte(geminiText))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 64<<10 {
			return
		}
		Detect(text)
		for _, f := range []Format{ClaudeCode, Codex, Gemini} {
			parse(t, New(f, Options{Session: "file", Now: now()}), text)
		}
	})
}
