package exporttest

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// shown is what a conversation's page shows.
type shown struct{ Rows, Calls, Done, Errors, Timed, Nested int }

// small is a trace of an agent, once with a call that failed.
const small = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"small"}}]},"scopeSpans":[{"spans":[` +
	`{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b171","name":"GET /ask","startTimeUnixNano":"1770619268000000000","endTimeUnixNano":"1770619272000000000"},` +
	`{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b172","parentSpanId":"eee19b7ec3c1b171","name":"invoke_agent a","startTimeUnixNano":"1770619268000000000","endTimeUnixNano":1770619272000000000,` +
	`"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}},{"key":"session.id","value":{"stringValue":"small"}}]},` +
	`{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b173","parentSpanId":"eee19b7ec3c1b172","name":"execute_tool dig","startTimeUnixNano":"1770619269000000000","endTimeUnixNano":"1770619270000000000",` +
	`"status":{"code":2},"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},{"key":"gen_ai.tool.name","value":{"stringValue":"dig"}},{"key":"weight","value":{"doubleValue":{}}}]}]}]}]}`

// What goes in is what the page shows: rows, steps that are completed, errors, durations and nesting.
func TestThePageShowsWhatWasSent(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	for _, c := range []struct {
		file, door, conversation string
		want                     shown
	}{
		{"", "traces", "small", shown{Rows: 2, Calls: 1, Done: 1, Errors: 1, Timed: 2, Nested: 1}},
		{"otlp-logs/session-7505c804-full.otlp-logs.jsonl", "logs", "7505c804-ef06-4be0-a866-480597e6bbc1", shown{Rows: 145, Calls: 94, Done: 94, Errors: 5, Timed: 94}},
		{"otlp-traces/helm.otlp.json", "traces", "ctx-7ed9780f-3688-4fc0-b10b-2e4df2f83cf0", shown{Rows: 4, Calls: 1, Done: 1, Timed: 4, Nested: 3}},
		{"otlp-traces/k8s.otlp.json", "traces", "ctx-d8251ac3-6289-464a-8404-0fc4e312e823", shown{Rows: 2, Timed: 2, Nested: 1}},
	} {
		body := []byte(small)
		if c.file != "" { // recordings lie beside the checkout, or nowhere
			var err error
			if body, err = os.ReadFile(filepath.Join("..", "..", "..", "shared", "recordings", filepath.FromSlash(c.file))); os.IsNotExist(err) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
		}
		address := a.URL + "/otlp/" + a.Token(apptest.Email, account.ScopeOTLP) + "/v1/" + c.door
		for range 2 { // the second time nothing is new
			for _, request := range requests(c.file, body) {
				export(t, address, request)
			}
		}
		if got := show(t, a, c.conversation); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.conversation, got, c.want)
		}
	}
}

// requests are the bodies in a file: one a line, or the file itself.
func requests(name string, raw []byte) [][]byte {
	if strings.HasSuffix(name, ".jsonl") {
		return bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	}
	return [][]byte{raw}
}

func export(t *testing.T, address string, body []byte) {
	t.Helper()
	res, err := http.Post(address, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || string(answer) != "{}" {
		t.Fatalf("%s %s, %v", res.Status, answer, err)
	}
}

// show counts the rows of the conversation's page and of the older ones behind it.
func show(t *testing.T, a *apptest.App, key string) (n shown) {
	t.Helper()
	page, err := a.Client().Entries(t.Context(), worklog.Query{Conversation: key, Limit: 1})
	if err != nil || len(page.Entries) == 0 {
		t.Fatalf("%s: %v", key, err)
	}
	visitor := a.Login(apptest.Email)
	for path := "/conversations/" + page.Entries[0].ConversationID; path != ""; {
		p := a.Get(visitor, path)
		path = ""
		if older := p.Find("#older a"); len(older) == 1 {
			path = apptest.Attr(older[0], "href")
		}
		n.Rows += len(p.Find("#log-list .row"))
		n.Errors += len(p.Find("#log-list .row.s-error"))
		n.Nested += len(p.Find("#log-list .row.nested"))
		n.Calls += len(p.Find("#log-list .title b"))
		n.Done += len(p.Find("#log-list .row:not(.s-working) .title b"))
		for _, took := range p.Find("#log-list .dur") {
			if apptest.Text(took) != "" {
				n.Timed++
			}
		}
	}
	return n
}
