package web

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/connect"
)

func TestStepsHaveTheAddressAndTheTokenInThem(t *testing.T) {
	t.Parallel()
	const url, secret = "https://worklog.example.org", "wlg_secret"
	for _, agent := range connectable() {
		all := steps(agent, url, secret)
		if len(all) == 0 {
			t.Errorf("%s: nothing to do", agent.Name)
		}
		text := ""
		for _, s := range all {
			text += s.Code + "\n"
		}
		if !strings.Contains(text, url) || !strings.Contains(text, secret) || strings.Contains(text, "//api") {
			t.Errorf("%s: %s", agent.Name, text)
		}
	}
	for _, name := range connect.Agents() {
		if text := Snippet(name, url, secret); strings.Count(text, "\n") < 20 || name != connect.Codex && !json.Valid([]byte(text)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
