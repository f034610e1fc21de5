package mcpdoor_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// everything is all that the database holds of what agents and people wrote.
func everything(t *testing.T, app *apptest.App) (text string) {
	t.Helper()
	app.Settle()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, app.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, table := range []string{"work_logs", "conversations"} {
		var part string
		if err := conn.QueryRow(ctx, "SELECT COALESCE(string_agg(x::text, ' '), '') FROM "+table+" x").Scan(&part); err != nil {
			t.Fatal(err)
		}
		text += part
	}
	return text
}

// S-21, through every door of the running program, with the settings that it has by default.
func TestEveryDoorReplacesSecrets(t *testing.T) {
	app := apptest.Start(t)
	secret := "ghp_" + strings.Repeat("aB3dE6", 6)
	token := app.Token(apptest.Email, account.ScopeWrite, account.ScopeRead)
	deliver := func(path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, app.URL+path, strings.NewReader(strings.ReplaceAll(body, "SECRET", secret)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode >= 300 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	deliver("/api/v1/logs", `{"title":"SECRET","details":"\u001b[1mSEC\u001b[0m token=SECRET","metadata":{"password":"hunter2","SECRET":["SECRET"]},"conversation":"SECRET","conversation_title":"SECRET"}`)
	deliver("/api/v1/hooks", `{"session_id":"s-1","hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"t-1","tool_input":{"command":"export GITHUB_TOKEN=SECRET"}}`)
	deliver("/api/v1/hooks", `{"session_id":"s-1","hook_event_name":"PostToolUse","tool_name":"Bash","tool_use_id":"t-1","tool_input":{"command":"export GITHUB_TOKEN=SECRET"},"tool_response":{"stdout":"SECRET"}}`)
	deliver("/api/v1/hooks", `{"session_id":"s-1","hook_event_name":"UserPromptSubmit","prompt":"use SECRET"}`)
	deliver("/v1/logs", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","severityNumber":17,"body":{"stringValue":"failed with SECRET"},"attributes":[{"key":"api_key","value":{"stringValue":"SECRET"}}]}]}]}]}`)
	deliver("/api/v1/conversations", `{"key":"made/SECRET","title":"made with SECRET"}`)
	connect(t, app, token).call("log_work", args{"title": secret, "metadata": args{"note": secret}})
	all := everything(t, app)
	if n := strings.Count(all, "[redacted: "); n < 15 || strings.Contains(all, secret[:14]) || strings.Contains(all, "hunter2") {
		t.Errorf("%d marks in the database, which holds %s", n, all)
	}
	page, err := app.Client().Entries(t.Context(), worklog.Query{Conversation: secret})
	if err != nil || len(page.Entries) != 1 {
		t.Errorf("the conversation by its own key: %d entries, %v", len(page.Entries), err)
	}
	stats, err := app.Client().Stats(t.Context())
	if err != nil || stats.Redacted < 15 {
		t.Errorf("%d secrets counted, %v", stats.Redacted, err)
	}
}

func TestAnInstallationMayKeepWhatIsWritten(t *testing.T) {
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_REDACT", "false"))
	if _, err := app.Client().Append(t.Context(), worklog.Draft{Title: "password=hunter2"}); err != nil {
		t.Fatal(err)
	}
	if all := everything(t, app); !strings.Contains(all, "hunter2") {
		t.Errorf("the database holds %s", all)
	}
}
