package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/transcript"
	"github.com/worklogdev/worklog/worklog"
)

// hook posts an event of session s and fails unless the answer is empty and good.
func (s *server) hook(token, name, rest string) {
	s.t.Helper()
	s.post(token, fmt.Sprintf(`{"session_id":"s","prompt_id":"p1","hook_event_name":%q%s}`, name, rest))
}

func (s *server) post(token, body string, headers ...string) {
	s.t.Helper()
	if a := s.do(http.MethodPost, "/api/v1/hooks", token, body, headers...); a.status != http.StatusNoContent || len(a.body) > 0 {
		s.t.Fatalf("%.100s: %d %s", body, a.status, a.body)
	}
}

// byKey returns the entries of the token's user.
func (s *server) byKey(token string) map[string]worklog.Entry {
	s.t.Helper()
	all := map[string]worklog.Entry{}
	for e, err := range s.client(token).All(s.t.Context(), worklog.Query{Limit: 200}) {
		if err != nil {
			s.t.Fatal(err)
		}
		all[e.Key] = e
	}
	return all
}

const (
	bashCall = `,"tool_name":"Bash","tool_use_id":"t1","tool_input":{"command":"npm test"}`
	otherTID = `,"tool_name":"Bash","tool_use_id":"t2","tool_input":{"command":"npm run dev"}`
)

func TestAHooksStepRunsAndCompletesInPlace(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	write, read := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test")
	s.hook(write, "UserPromptSubmit", `,"prompt":"Fix the build"`)
	s.hook(write, "PreToolUse", bashCall)
	running := s.byKey(read)["s/t1"]
	if running.Status != worklog.StatusWorking || running.Title != "Bash: npm test" || running.StartedAt.IsZero() {
		t.Errorf("%+v", running)
	}
	s.clock.advance(3 * time.Second)
	s.hook(write, "PostToolUse", bashCall+`,"tool_response":{"stdout":"ok"}`)
	done := s.byKey(read)["s/t1"]
	if took, _ := done.Duration(); done.ID != running.ID || done.Seq != running.Seq || done.Status != worklog.StatusSuccess || done.Details != "ok" || took != 3*time.Second {
		t.Errorf("%+v", done)
	}
	list := must[worklog.ConversationPage](t)(s.client(read).Conversations(t.Context(), worklog.ConversationQuery{})).Conversations
	if len(list) != 1 || list[0].Key != "s" || list[0].Title != "Fix the build" || list[0].WorkingCount != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAnEndMayComeBeforeItsBeginning(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	s.hook(token, "PostToolUseFailure", bashCall+`,"error":"Exit code 1"`)
	s.hook(token, "PreToolUse", bashCall)
	if e := s.byKey(token)["s/t1"]; e.Status != worklog.StatusError || e.Details != "Exit code 1" || s.count(token) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestAStopEndsOpenStepsAndAReportedEndWins(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token, stranger := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test")
	s.hook(token, "PreToolUse", bashCall)
	s.hook(token, "PreToolUse", otherTID)
	s.hook(stranger, "PreToolUse", strings.ReplaceAll(bashCall, "t1", "t3"))
	s.hook(token, "Stop", `,"last_assistant_message":"Done","background_tasks":[{"command":"npm run dev"}]`)
	all := s.byKey(stranger)
	if all["s/t1"].Status != worklog.StatusWarning || all["s/t2"].Status != worklog.StatusWorking || all["s/t3"].Status != worklog.StatusWorking || len(all) != 4 {
		t.Errorf("%+v", all)
	}
	row, err := s.store.Entry(t.Context(), 1, all["s/t1"].ID)
	if err != nil || !row.Inferred {
		t.Errorf("%+v, %v", row, err)
	}
	s.hook(token, "PostToolUse", bashCall+`,"tool_response":"late"`)
	s.hook(token, "SessionEnd", `,"reason":"exit"`)
	if all = s.byKey(stranger); all["s/t1"].Status != worklog.StatusSuccess || all["s/t1"].Details != "late" || all["s/t2"].Status != worklog.StatusWarning || all["s/t3"].Status != worklog.StatusWorking {
		t.Errorf("%+v", all)
	}
}

func TestNoEventIsAnError(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for _, body := range []string{`nonsense`, `[]`, `{`, `"x"`} {
		s.post(token, body)
	}
	for _, body := range []string{
		`{}`, `{"hook_event_name":"Tomorrow","session_id":7,"x":{"y":1e99999}}`, `{"hook_event_name":"PreToolUse","tool_use_id":"t","tool_input":"\u0000"}`,
		`{"hook_event_name":"Stop"}`, `{"hook_event_name":"PostToolUse","session_id":"` + strings.Repeat("s", 999) + `","tool_use_id":"t","tool_response":"` + strings.Repeat("x", 300_000) + `"}`,
	} {
		s.post(token, body)
	}
	stats := must[worklog.Stats](t)(s.client(token).Stats(t.Context()))
	if stats.Invalid != 4 && stats.Invalid != 0 { // they reach the database within a second
		t.Errorf("%+v", stats)
	}
	if n := s.count(token); n != 5 {
		t.Errorf("%d entries", n)
	}
	if a := s.do(http.MethodPost, "/api/v1/hooks", "wlg_x", `{}`); a.status != http.StatusUnauthorized {
		t.Errorf("%d", a.status)
	}
	if a := s.do(http.MethodPost, "/api/v1/hooks", s.user("a@x.test", account.ScopeRead), `{}`); a.status != http.StatusForbidden {
		t.Errorf("%d", a.status)
	}
}

func TestAnAgentsTokenHasAWindowOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newServerWithLimit(t, 5)
	token := s.user("a@x.test")
	for i := range agentLimit + 3 {
		s.hook(token, "PreToolUse", strings.ReplaceAll(bashCall, "t1", fmt.Sprint("c", i)))
	}
	shown := 0
	for key := range s.byKey(token) {
		if strings.HasPrefix(key, "s/c") {
			shown++
		}
	}
	if stats := must[worklog.Stats](t)(s.client(token).Stats(t.Context())); shown != agentLimit || stats.Limited != 3 {
		t.Errorf("%d entries, %+v", shown, stats)
	}
	if r := must[[]worklog.Receipt](t)(s.client(token).Append(t.Context(), worklog.Draft{Title: "mine"})); r[0].Outcome != worklog.OutcomeStored {
		t.Errorf("%+v", r)
	}
}

func TestTheSameWordsSaidAgainAreShownAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for _, id := range []string{"1", "2", "3", "2"} {
		s.post(token, `{"session_id":"s","prompt_id":"`+id+`","hook_event_name":"UserPromptSubmit","prompt":"go on"}`)
	}
	if n := s.count(token); n != 3 {
		t.Errorf("%d entries", n)
	}
}

// recording returns a file beside the checkout, or nothing.
func recording(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "recordings", filepath.FromSlash(name)))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return raw
}

func TestHooksAndTranscriptOfOneRunMerge(t *testing.T) {
	t.Parallel()
	hooks, file := recording(t, "claude-code-hooks/session-7505c804-full.hooks.jsonl"), recording(t, "claude-code/session-7505c804-full.jsonl")
	if hooks == nil || file == nil {
		hooks = []byte(`{"session_id":"s","hook_event_name":"PreToolUse"` + bashCall + "}\n" + `{"session_id":"s","hook_event_name":"PostToolUse"` + bashCall + "}\n" +
			`{"session_id":"s","prompt_id":"1","hook_event_name":"UserPromptSubmit","prompt":"hi"}`)
		file = []byte(`{"sessionId":"s","uuid":"1","type":"user","timestamp":"2026-05-01T10:00:00Z","message":{"content":"hi"}}`)
	}
	for _, transcriptFirst := range []bool{false, true} {
		s := newServerWithLimit(t, 10_000)
		token := s.user("a@x.test")
		post := func() {
			for line := range bytes.Lines(hooks) {
				s.clock.advance(100 * time.Millisecond)
				s.post(token, string(line))
			}
		}
		var drafts []worklog.Draft
		p := transcript.New(transcript.ClaudeCode, transcript.Options{Now: s.clock.now()})
		for line := range bytes.Lines(file) {
			rows, err := p.Line(line)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				drafts = append(drafts, row.Draft)
			}
		}
		if !transcriptFirst {
			post()
		}
		receipts := must[[]worklog.Receipt](t)(s.client(token).Append(t.Context(), drafts...))
		if transcriptFirst {
			post()
		}
		outcomes := map[worklog.Outcome]int{}
		for _, r := range receipts {
			outcomes[r.Outcome]++
		}
		all := s.byKey(token)
		bad, running := 0, 0
		for _, e := range all {
			if e.Status == worklog.StatusError {
				bad++
			}
			if e.Status == worklog.StatusWorking {
				running++
			}
		}
		t.Logf("transcript first: %v, outcomes of the transcript %v, %d entries, %d errors", transcriptFirst, outcomes, len(all), bad)
		if want := max(len(drafts), 2); len(all) != want || running != 0 || outcomes[worklog.OutcomeInvalid]+outcomes[worklog.OutcomeLimited] != 0 {
			t.Errorf("%d entries, want %d; %d running; %v", len(all), want, running, outcomes)
		}
	}
}

func BenchmarkHook(b *testing.B) {
	s := newServerWithLimit(b, 1_000_000)
	token := s.user("a@x.test")
	input, _ := json.Marshal(strings.Repeat("x", 1000))
	for i := 0; b.Loop(); i++ {
		s.hook(token, "PreToolUse", fmt.Sprintf(`,"tool_name":"Bash","tool_use_id":"t%d","tool_input":{"command":%s}`, i, input))
	}
}

func TestHooksMayBeLargeAndCompressed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	zipped := func(body string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	large := func(n int, id string) string {
		return `{"session_id":"s","hook_event_name":"PostToolUse"` + strings.ReplaceAll(bashCall, "t1", id) + `,"tool_response":"` + strings.Repeat("x", n) + `"}`
	}
	for _, c := range []struct {
		body, encoding string
		status         int
	}{
		{large(15<<20, "a"), "", http.StatusNoContent},
		{large(17<<20, "b"), "", http.StatusRequestEntityTooLarge},
		{zipped(large(15<<20, "c")), "gzip", http.StatusNoContent},
		{zipped(large(17<<20, "d")), "gzip", http.StatusRequestEntityTooLarge},
		{"no gzip", "gzip", http.StatusBadRequest},
		{large(10, "e"), "br", http.StatusUnsupportedMediaType},
	} {
		a := s.do(http.MethodPost, "/api/v1/hooks", token, c.body, "Content-Encoding", c.encoding)
		if a.status != c.status || a.status == http.StatusNoContent && len(a.body) > 0 {
			t.Errorf("%d bytes of %q: %d %.200s, want %d", len(c.body), c.encoding, a.status, a.body, c.status)
		}
	}
	if all := s.byKey(token); len(all) != 2 || len(all["s/a"].Details) == 0 || len(all["s/a"].Details) > 256<<10 {
		t.Errorf("%d entries", len(all))
	}
}

func TestADeliveryHasAName(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for _, name := range []string{"1", "1", "2"} {
		a := s.do(http.MethodPost, "/api/v1/hooks", token, `{"session_id":"s","hook_event_name":"Notification","message":"Waiting"}`, "Idempotency-Key", name)
		if a.status != http.StatusNoContent {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if n := s.count(token); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// All agents use the same words; what an event says of itself is a guess beside what its sender knows.
func TestTheSenderOfAnEventSaysWhichAgentItIs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for sender, source := range map[string]string{"codex": "codex", "gemini": "gemini-cli", "claude-code": "claude-code", "": "claude-code", "hologram": "claude-code", "Codex\tx": "claude-code"} {
		key := "k" + sender
		s.post(token, fmt.Sprintf(`{"session_id":%q,"hook_event_name":"SessionStart","source":"startup"}`, key), "Worklog-Agent", sender)
		page := must[worklog.Page](t)(s.client(token).Entries(t.Context(), worklog.Query{Conversation: key}))
		if len(page.Entries) != 1 || page.Entries[0].Source != source {
			t.Errorf("%q: %+v, want one of %s", sender, page.Entries, source)
		}
	}
}
