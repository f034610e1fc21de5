package web

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/connect"
)

func TestTheREADMEShowsWhatThePageShows(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const url, secret = "http://127.0.0.1:8080", "wlg_..."
	var shown []string
	for i, part := range strings.Split("\n"+string(raw), "\n```") {
		if _, body, ok := strings.Cut(part, "\n"); ok && i%2 == 1 {
			shown = append(shown, "\n"+body+"\n")
		}
	}
	for _, agent := range connectable() {
		for _, s := range steps(agent, url, secret) {
			code := s.Code
			if s.Long { // the README says the command that stands in it many times
				if code = connect.Curl(url, secret); agent.Name != connect.Codex && !json.Valid([]byte(s.Code)) || !strings.Contains(s.Code, code) {
					t.Errorf("%s: %s", agent.Name, s.Code)
				}
			}
			if !slices.ContainsFunc(shown, func(block string) bool { return strings.Contains(block, "\n"+code+"\n") }) {
				t.Errorf("%s, %s: the README has no\n%s", agent.Name, s.Title, code)
			}
		}
		if !strings.Contains(string(raw), agent.Title) && agent.Name != agentCurl {
			t.Errorf("the README does not speak of %s", agent.Title)
		}
	}
}

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

// Claude Code posts its hooks itself and forgets what nobody takes; the others call a command that keeps it.
func TestTheStepsSayWhatBecomesOfWhatHappensWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	for _, agent := range connectable() {
		if !slices.Contains(connect.Agents(), agent.Name) {
			continue
		}
		text := steps(agent, "https://worklog.example.org", "wlg_secret")[0].Text
		if imports := strings.Contains(text, "worklog import ~/.claude/projects"); imports != (agent.Name == connect.ClaudeCode) || imports == strings.Contains(text, "is kept") {
			t.Errorf("%s: %s", agent.Name, text)
		}
	}
}
