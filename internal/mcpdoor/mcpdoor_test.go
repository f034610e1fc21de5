package mcpdoor_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestAnAgentLogsAStepAndEndsIt(t *testing.T) {
	app := apptest.Shared(t)
	a := both(t, app)
	tools, err := a.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range tools.Tools {
		if tool.Description == "" || tool.InputSchema == nil || tool.OutputSchema == nil {
			t.Errorf("%s is not described", tool.Name)
		}
		names = append(names, tool.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"list_work", "log_work", "update_work"}) {
		t.Errorf("tools %v", names)
	}
	began := a.call("log_work", args{
		"title": "Upgrade PostgreSQL", "status": "working", "type": "deployment", "conversation": "upgrade", "conversation_title": "The upgrade", "metadata": args{"from": 17, "to": 18},
	})
	if began.Outcome != "stored" || !began.Stored || began.ID == "" || began.Key == "" || began.Status != "working" || !strings.Contains(began.Message, "update_work") {
		t.Fatalf("log_work: %s", began.raw)
	}
	part := a.call("log_work", args{"title": "Dump", "status": "success", "conversation": "upgrade", "parent": began.Key, "details": "42 tables"})
	ended := a.call("update_work", args{"id": began.ID, "status": "success", "details": "took 3 minutes", "metadata": args{"to": 18.1}})
	if part.Outcome != "stored" || ended.Outcome != "updated" || ended.Status != "success" {
		t.Errorf("the part is %s, the end %s", part.raw, ended.raw)
	}
	list := a.call("list_work", args{"conversation": "upgrade"})
	if list.Conversation != "The upgrade" || len(list.Entries) != 2 || list.Entries[0]["title"] != "Upgrade PostgreSQL" || list.Entries[1]["parent"] != began.Key || list.More {
		t.Errorf("list_work: %s", list.raw)
	}
	if strings.Contains(list.raw, "3 minutes") || strings.Contains(list.raw, "42 tables") || strings.Contains(list.raw, "metadata") {
		t.Errorf("the list has details: %s", list.raw)
	}
	page, err := app.Client().Entries(t.Context(), worklog.Query{Conversation: "upgrade"})
	if err != nil || len(page.Entries) != 2 {
		t.Fatalf("%d entries, %v", len(page.Entries), err)
	}
	if e := page.Entries[1]; e.Source != "mcp" || e.Details != "took 3 minutes" || e.EndedAt.IsZero() || fmt.Sprintf("%v %v", e.Metadata["from"], e.Metadata["to"]) != "17 18.1" {
		t.Errorf("the entry is %+v", e)
	}
}

func TestAStepThatIsLoggedAfterwardsHasItsOwnTimes(t *testing.T) {
	app := apptest.Shared(t)
	a := both(t, app)
	got := a.call("log_work", args{"title": "Bisect", "status": "success", "conversation": "times", "started_at": "2026-01-31T15:04:05Z", "ended_at": "2026-01-31T16:06:05+01:00"})
	page, err := app.Client().Entries(t.Context(), worklog.Query{Conversation: "times"})
	if err != nil || len(page.Entries) != 1 {
		t.Fatalf("%s: %d entries, %v", got.raw, len(page.Entries), err)
	}
	if took, ok := page.Entries[0].Duration(); !ok || took != 2*time.Minute || page.Entries[0].StartedAt.UTC().Format(time.RFC3339) != "2026-01-31T15:04:05Z" {
		t.Errorf("%+v", page.Entries[0])
	}
}

func TestOnlyRunningEntriesOfTheTokenItselfChange(t *testing.T) {
	app := apptest.Shared(t)
	mine, other := both(t, app), both(t, app)
	began := mine.call("log_work", args{"title": "mine", "status": "working", "key": "own-" + t.Name()})
	stranger := connect(t, app, app.User("stranger@example.org"))
	for name, got := range map[string]answer{
		"another token":                  other.call("update_work", args{"id": began.ID, "status": "error"}),
		"another token, by key":          other.call("update_work", args{"key": began.Key, "status": "error"}),
		"another user":                   stranger.call("update_work", args{"id": began.ID, "status": "error"}),
		"another user, by key":           stranger.call("update_work", args{"key": began.Key, "status": "error"}),
		"nothing":                        mine.call("update_work", args{"id": "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f", "status": "error"}),
		"no id":                          mine.call("update_work", args{"status": "error"}),
		"both id and key":                mine.call("update_work", args{"id": began.ID, "key": began.Key, "status": "error"}),
		"no change":                      mine.call("update_work", args{"id": began.ID}),
		"an entry of the user's session": mine.call("update_work", args{"id": "x", "title": "y"}),
	} {
		if got.failed == "" {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
	if got := mine.call("update_work", args{"key": began.Key, "title": "mine, and renamed"}); got.Outcome != "updated" || got.Status != "working" {
		t.Errorf("a new title: %s", got.raw)
	}
	if got := mine.call("update_work", args{"key": began.Key, "status": "warning"}); got.Outcome != "updated" {
		t.Errorf("the end: %s", got.raw)
	}
	if got := mine.call("update_work", args{"key": began.Key, "details": "too late"}); !strings.Contains(got.failed, "has ended already: warning") {
		t.Errorf("after the end: %s", got.raw)
	}
}

func TestToolsAskForTheRightsOfTheToken(t *testing.T) {
	app := apptest.Shared(t)
	writer, reader := connect(t, app, app.Token(apptest.Email, account.ScopeWrite)), connect(t, app, app.Token(apptest.Email, account.ScopeRead))
	began := writer.call("log_work", args{"title": "x", "status": "working", "conversation": "rights"})
	if !began.Stored || writer.call("update_work", args{"id": began.ID, "status": "success"}).Outcome != "updated" {
		t.Errorf("a token that may write can not: %s", began.raw)
	}
	if got := writer.call("list_work", args{"conversation": "rights"}); !strings.Contains(got.failed, `lacks the right "read"`) {
		t.Errorf("a token that may only write lists: %s", got.raw)
	}
	for _, tool := range []string{"log_work", "update_work"} {
		if got := reader.call(tool, args{"log_work": args{"title": "x"}, "update_work": args{"id": began.ID, "status": "success"}}[tool].(args)); !strings.Contains(got.failed, `lacks the right "write"`) {
			t.Errorf("a token that may only read calls %s: %s", tool, got.raw)
		}
	}
	if got := reader.call("list_work", args{"conversation": "rights"}); len(got.Entries) != 1 {
		t.Errorf("a token that may read: %s", got.raw)
	}
	if got := connect(t, app, app.User("stranger@example.org")).call("list_work", args{"conversation": "rights"}); !strings.Contains(got.failed, "no conversation") {
		t.Errorf("another user lists: %s", got.raw)
	}
}

func TestMistakesAreToldInWords(t *testing.T) {
	app := apptest.Shared(t)
	a := both(t, app)
	for _, tt := range []struct {
		tool string
		args args
		want string
	}{
		{"log_work", args{}, "title"},
		{"log_work", args{"title": "x", "status": "done"}, "success"},
		{"log_work", args{"title": "x", "colour": "red"}, "colour"},
		{"log_work", args{"title": strings.Repeat("x", 501)}, "500"},
		{"log_work", args{"title": "x", "metadata": args{"a": strings.Repeat("x", 70_000)}}, "65536 bytes"},
		{"log_work", args{"title": "x", "key": "k", "parent": "k"}, "parent"},
		{"log_work", args{"title": "x", "started_at": "yesterday"}, "started_at must be an RFC 3339 time"},
		{"log_work", args{"title": "x", "started_at": "2026-01-31T15:04:05Z", "ended_at": ""}, "ended_at must be an RFC 3339 time"},
		{"log_work", args{"title": "x", "ended_at": "2999-01-01T00:00:00Z"}, "ended_at must be at most a day ahead"},
		{"list_work", args{"conversation": "never-made"}, `no conversation "never-made"`},
		{"list_work", args{"conversation": "x", "limit": 1000}, "100"},
	} {
		if got := a.call(tt.tool, tt.args); !strings.Contains(got.failed, tt.want) || strings.Contains(got.failed, "Go") || len(got.failed) > 1000 {
			t.Errorf("%s %.60v: %q, want it to name %s", tt.tool, tt.args, got.raw, tt.want)
		}
	}
}

func TestSecretsAreReplacedHereToo(t *testing.T) {
	app := apptest.Shared(t)
	a := both(t, app)
	secret := "wlg_" + strings.Repeat("aB3dE6", 6)
	began := a.call("log_work", args{"title": "curl -H 'Authorization: Bearer " + secret + "'", "status": "working", "key": secret, "conversation": secret})
	if !began.Stored || strings.Contains(began.raw, secret) {
		t.Errorf("log_work: %s", began.raw)
	}
	if got := a.call("update_work", args{"key": secret, "status": "success"}); got.Outcome != "updated" || got.ID != began.ID {
		t.Errorf("update_work by the same key: %s", got.raw)
	}
	if got := a.call("list_work", args{"conversation": secret}); len(got.Entries) != 1 || strings.Contains(got.raw, secret) {
		t.Errorf("list_work of the same conversation: %s", got.raw)
	}
}

func TestWhatIsOverTheLimitIsSaidToBeNotStored(t *testing.T) {
	app := apptest.Start(t, apptest.WithEnv("WORKLOG_RATE_LIMIT", "2"))
	a := both(t, app)
	for i := range 2 {
		if got := a.call("log_work", args{"title": fmt.Sprint("entry ", i)}); got.Outcome != "stored" {
			t.Fatalf("entry %d: %s", i, got.raw)
		}
	}
	if got := a.call("log_work", args{"title": "one more"}); got.Outcome != "limited" || got.Stored || got.ID != "" || !strings.HasPrefix(got.Message, "NOT stored: over the limit of 2") {
		t.Errorf("one more: %s", got.raw)
	}
}

const callLog = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"log_work","arguments":{"title":"raw"}}}`

func TestOnlyATokenOpensTheDoor(t *testing.T) {
	app := apptest.Shared(t)
	token := app.Token(apptest.Email, account.ScopeWrite)
	browser := app.Login(apptest.Email)
	for name, tt := range map[string]struct {
		resp *http.Response
		want int
	}{
		"a token":                       {post(t, app, callLog, "Authorization", "Bearer "+token), 200},
		"a token and a cookie":          {send(t, app, browser, http.MethodPost, callLog, "Authorization", "Bearer "+token), 200},
		"nothing":                       {post(t, app, callLog), 401},
		"a cookie":                      {send(t, app, browser, http.MethodPost, callLog), 401},
		"a wrong token":                 {post(t, app, callLog, "Authorization", "Bearer "+account.NewSecret()), 401},
		"a token of telemetry":          {post(t, app, callLog, "Authorization", "Bearer "+app.Token(apptest.Email, account.ScopeOTLP)), 403},
		"a page of another site":        {post(t, app, callLog, "Authorization", "Bearer "+token, "Origin", "https://evil.example"), 403},
		"a page of another site, again": {post(t, app, callLog, "Authorization", "Bearer "+token, "Sec-Fetch-Site", "cross-site"), 403},
		"a name that was rebound":       {post(t, app, callLog, "Authorization", "Bearer "+token, "Host", "evil.example"), 403},
		"GET":                           {send(t, app, http.DefaultClient, http.MethodGet, "", "Authorization", "Bearer "+token), 405},
		"DELETE":                        {send(t, app, http.DefaultClient, http.MethodDelete, "", "Authorization", "Bearer "+token), 405},
		"no JSON":                       {post(t, app, "{", "Authorization", "Bearer "+token), 400},
		"a form":                        {post(t, app, callLog, "Authorization", "Bearer "+token, "Content-Type", "text/plain"), 415},
		"a batch":                       {post(t, app, "["+callLog+","+callLog+"]", "Authorization", "Bearer "+token), 400},
		"a deep call":                   {post(t, app, strings.Repeat(`{"a":`, 100_000), "Authorization", "Bearer "+token), 400},
		"a deep list":                   {post(t, app, `{"jsonrpc":"2.0","id":1,"method":"x","params":`+strings.Repeat("[", 1_000_000), "Authorization", "Bearer "+token), 400},
		"a long call":                   {post(t, app, callLog+strings.Repeat(" ", 2<<20), "Authorization", "Bearer "+token), 413},
	} {
		if body, _ := io.ReadAll(tt.resp.Body); tt.resp.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d: %s", name, tt.resp.StatusCode, tt.want, body)
		}
		if len(tt.resp.Cookies()) > 0 || tt.resp.Header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: a cookie or session is set: %v", name, tt.resp.Header)
		}
	}
}

func TestADetailOfAQuarterOfAMegabyteFits(t *testing.T) {
	app := apptest.Shared(t)
	got := both(t, app).call("log_work", args{"title": "long", "details": strings.Repeat("\x01\"é\n", worklog.MaxDetailsBytes/5)})
	if got.Outcome != "stored" {
		t.Errorf("%.300s", got.raw)
	}
}
