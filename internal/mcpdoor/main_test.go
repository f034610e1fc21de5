package mcpdoor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// header sends one header with every request.
type header struct{ name, value string }

func (h header) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h.name, h.value)
	return http.DefaultTransport.RoundTrip(r)
}

// agent is the protocol's own client, connected with a token.
type agent struct {
	t *testing.T
	*mcp.ClientSession
}

func connect(t *testing.T, app *apptest.App, secret string) *agent {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: app.URL + "/mcp", HTTPClient: &http.Client{Transport: header{"Authorization", "Bearer " + secret}}, MaxRetries: -1,
	}, nil)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &agent{t, s}
}

// answer is the result of a tool.
type answer struct {
	Outcome, ID, Key, Status, Message string
	Stored                            bool
	Conversation                      string
	Entries                           []map[string]any
	More                              bool

	failed string // what the tool says it failed of
	raw    string
}

func (a *agent) call(tool string, args map[string]any) answer {
	a.t.Helper()
	res, err := a.CallTool(a.t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		a.t.Fatalf("%s %v: %v", tool, args, err)
	}
	var text strings.Builder
	for _, c := range res.Content {
		text.WriteString(c.(*mcp.TextContent).Text)
	}
	if res.IsError {
		return answer{failed: text.String(), raw: text.String()}
	}
	raw, err := json.Marshal(res.StructuredContent)
	if err != nil {
		a.t.Fatal(err)
	}
	out := answer{raw: string(raw)}
	if err := json.Unmarshal(raw, &out); err != nil {
		a.t.Fatalf("%s: %v", raw, err)
	}
	return out
}

type args = map[string]any

// both is a connection that may write and read, and a client of the API for the same user.
func both(t *testing.T, app *apptest.App) *agent {
	t.Helper()
	return connect(t, app, app.Token(apptest.Email, account.ScopeWrite, account.ScopeRead))
}

// post sends a raw request to the door.
func post(t *testing.T, app *apptest.App, body string, headers ...string) *http.Response {
	t.Helper()
	return send(t, app, http.DefaultClient, http.MethodPost, body, headers...)
}

func send(t *testing.T, app *apptest.App, c *http.Client, method, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, app.URL+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}
