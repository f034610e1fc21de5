package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// Hooks and imports have tokens that may write, telemetry has one for nothing else, and none may read.
func TestDoorsOfOneRunMergeThoughEachHasATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"hooks otlp", "otlp hooks", "hooks otlp file", "file otlp hooks", "otlp file hooks"} {
		s := newServerWithLimit(t, 10_000)
		tokens := map[string]string{
			"hooks": s.user("a@x.test", account.ScopeWrite), "otlp": s.user("a@x.test", account.ScopeOTLP), "file": s.user("a@x.test", account.ScopeWrite),
		}
		read := s.user("a@x.test")
		all := ways(s.clock.now().Add(-10 * time.Second))
		for _, name := range strings.Fields(order) {
			for _, send := range all[name].sends {
				s.clock.advance(100 * time.Millisecond)
				send(s, tokens[name]) // fails when a record is refused
			}
		}
		shown, prompts, replies := s.shown(read), 0, 0
		for _, text := range shown {
			switch text {
			case `info info "Fix it"`:
				prompts++
			case `ai_response success "Done."`:
				replies++
			}
		}
		want := `tool_call success Bash "all 17 tests are good" true`
		if shown["s/t1"] != want || len(shown) != 6 || prompts != 2 || replies != 2 {
			t.Errorf("%s: %d prompts, %d replies of %v", order, prompts, replies, shown)
		}
	}
}

// A token that writes for everybody is no door of their runs.
func TestAnImportForAnotherUserChangesOnlyWhatItsTokenWrote(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hooks, read, stranger := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test"), s.user("b@x.test", account.ScopeWriteAny)
	s.hook(hooks, "PreToolUse", bashCall)
	receipts := must[[]worklog.Receipt](t)(s.client(stranger).Import(t.Context(), false,
		worklog.Draft{Title: "x", Key: "s/t1", Status: worklog.StatusError, User: "a@x.test"}, worklog.Draft{Title: "y", Key: "new", User: "a@x.test"}))
	if receipts[0].Outcome != worklog.OutcomeInvalid || receipts[1].Outcome != worklog.OutcomeStored {
		t.Errorf("%+v", receipts)
	}
	if e := s.byKey(read)["s/t1"]; e.Status != worklog.StatusWorking {
		t.Errorf("%+v", e)
	}
}

func TestTelemetryCompletesAStepThatAHookBegan(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hooks, telemetry, read := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test", account.ScopeOTLP), s.user("a@x.test")
	s.hook(hooks, "PreToolUse", bashCall)
	result := func(success string) string {
		return logRequest(logRecord(s.clock.now(), "tool_result", "tool_name", "Bash", "tool_use_id", "t1", "success", success, "duration_ms", "5"))
	}
	s.export("/v1/logs", telemetry, result("true"))
	if e := s.byKey(read)["s/t1"]; e.Status != worklog.StatusSuccess || e.EndedAt.IsZero() {
		t.Errorf("%+v", e)
	}
	s.export("/v1/logs", telemetry, result("false")) // a final status stays, whoever says something else
	s.hook(hooks, "PostToolUseFailure", bashCall+`,"error":"no"`)
	if e := s.byKey(read)["s/t1"]; e.Status != worklog.StatusSuccess {
		t.Errorf("%+v", e)
	}
}

func TestOtherDoorsChangeOnlyWhatTheirTokenWrote(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hooks, other, read := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test", account.ScopeWrite), s.user("a@x.test")
	s.hook(hooks, "PreToolUse", bashCall)
	receipts := must[[]worklog.Receipt](t)(s.client(other).Append(t.Context(),
		worklog.Draft{Title: "x", Key: "s/t1", Status: worklog.StatusError}, worklog.Draft{Title: "y", Key: "mine"}))
	if receipts[0].Outcome != worklog.OutcomeInvalid || receipts[1].Outcome != worklog.OutcomeStored {
		t.Errorf("%+v", receipts)
	}
	for tool, arguments := range map[string]string{
		"update_work": `{"key":"s/t1","status":"error"}`, "log_work": `{"title":"x","key":"s/t1","status":"error"}`,
	} {
		call := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
		if a := s.do(http.MethodPost, "/mcp", other, call, "Accept", "application/json, text/event-stream"); !strings.Contains(string(a.body), `"isError":true`) {
			t.Errorf("%s: %d %s", tool, a.status, a.body)
		}
	}
	if e := s.byKey(read)["s/t1"]; e.Status != worklog.StatusWorking || e.Title != "Bash: npm test" {
		t.Errorf("%+v", e)
	}
}

// Only calls of agents have several writers. What a program has named itself stays its token's, however it is sent.
func TestAnImportCompletesCallsOfAgentsAndNothingElseOfOtherTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mine, other, read := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test", account.ScopeWrite), s.user("a@x.test")
	s.hook(mine, "PreToolUse", bashCall)
	must[[]worklog.Receipt](t)(s.client(mine).Append(t.Context(), worklog.Draft{Title: "Deploy", Key: "deploy-1", Status: worklog.StatusWorking}))
	receipts := must[[]worklog.Receipt](t)(s.client(other).Import(t.Context(), false,
		worklog.Draft{Title: "all fine", Key: "deploy-1", Status: worklog.StatusSuccess, Details: "forged"}, worklog.Draft{Title: "x", Key: "s/t1", Status: worklog.StatusSuccess}))
	if receipts[0].Outcome != worklog.OutcomeInvalid || receipts[1].Outcome != worklog.OutcomeUpdated {
		t.Errorf("%+v", receipts)
	}
	if e := s.byKey(read)["deploy-1"]; e.Status != worklog.StatusWorking || e.Title != "Deploy" {
		t.Errorf("%+v", e)
	}
}

// A token that has replaced a revoked one goes on with the session: its stop ends what that has left open, its
// question marks that step, and a reported end still wins. Sessions that it does not name are none of its business.
func TestATokenThatReplacedAnotherGoesOnWithTheSession(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	older, newer, read := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test", account.ScopeWrite), s.user("a@x.test")
	s.hook(older, "PreToolUse", bashCall)
	s.post(older, `{"session_id":"elsewhere","hook_event_name":"PreToolUse"`+bashCall+`}`)
	s.hook(newer, "Stop", `,"background_tasks":[]`)
	if e := s.byKey(read)["s/t1"]; e.Status != worklog.StatusWorking { // the older one may still report its end
		t.Errorf("%+v", e)
	}
	for _, known := range must[[]account.Token](t)(s.store.Tokens(t.Context(), 1)) {
		if strings.HasPrefix(older, known.Prefix) {
			if err := s.store.RevokeToken(t.Context(), 1, known.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.clock.advance(2 * time.Second)
	s.hook(newer, "PermissionRequest", `,"tool_name":"Bash","tool_input":{"command":"npm test"}`)
	if all := s.byKey(read); len(all) != 3 { // no row of its own for the question
		t.Errorf("%+v", all)
	}
	s.clock.advance(2 * time.Second)
	s.hook(newer, "Stop", `,"background_tasks":[]`)
	if all := s.byKey(read); all["s/t1"].Status != worklog.StatusWarning || all["elsewhere/t1"].Status != worklog.StatusWorking {
		t.Errorf("%+v", all)
	}
	s.hook(newer, "PostToolUse", bashCall+`,"tool_response":"ok"`)
	if e := s.byKey(read)["s/t1"]; e.Status != worklog.StatusSuccess || e.Details != "ok" {
		t.Errorf("%+v", e)
	}
}
