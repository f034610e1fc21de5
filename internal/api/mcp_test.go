package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
)

// The contract's transport holds what the door answers against its description.
func TestToolsAreCalledAsDescribed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("ann@example.org", account.ScopeWrite)
	for _, tt := range []struct {
		name, body, token, want string
		status                  int
	}{
		{"a call", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"log_work","arguments":{"title":"x"}}}`, token, `"outcome":"stored"`, 200},
		{"a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, token, "", 202},
		{"braces in a text", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"log_work","arguments":{"title":"` + strings.Repeat(`{[\"`, 100) + `"}}}`, token, `"outcome":"stored"`, 200},
		{"a stranger", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, account.NewSecret(), "unknown or revoked", 401},
		{"too deep", `{"a":` + strings.Repeat("[", 100), token, "nested too deep", 400},
		{"a batch", ` [{"jsonrpc":"2.0","id":1,"method":"tools/list"}]`, token, "batches", 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/mcp", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Authorization", "Bearer "+tt.token)
		resp, err := (&http.Client{Transport: s.spec}).Do(req)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: %d %s, want %d and %q", tt.name, resp.StatusCode, body, tt.status, tt.want)
		}
	}
}
