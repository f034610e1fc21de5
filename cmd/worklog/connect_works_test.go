package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/connect"
	"github.com/worklogdev/worklog/worklog"
)

// handler is what an agent reads of a hook in its configuration.
type handler struct {
	Type, URL, Command string
	Headers            map[string]string
}

// handlersOf reads a configuration as its agent does: what is to be done at an event.
func handlersOf(t *testing.T, path string) map[string]handler {
	t.Helper()
	var config struct {
		Hooks map[string][]struct{ Hooks []handler }
	}
	var err error
	if filepath.Ext(path) == ".toml" {
		_, err = toml.Decode(text(t, path), &config)
	} else {
		err = json.Unmarshal([]byte(text(t, path)), &config)
	}
	all := map[string]handler{}
	for event, groups := range config.Hooks {
		if len(groups) != 1 || len(groups[0].Hooks) != 1 {
			t.Fatalf("%s: %+v", event, groups)
		}
		all[event] = groups[0].Hooks[0]
	}
	if err != nil || len(all) == 0 {
		t.Fatalf("%v in %s", err, text(t, path))
	}
	return all
}

// happen does what an agent does when something happens.
func (h handler) happen(t *testing.T, home, event string) {
	t.Helper()
	if h.Type == "command" {
		said := inTime(func() string {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", h.Command)
			cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "GORACE=atexit_sleep_ms=0"}
			cmd.Stdin = strings.NewReader(event)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v, %s", h.Command, err, out)
			}
			return string(out)
		})
		if said != "" {
			t.Errorf("%s says %s", h.Command, said)
		}
		return
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL, strings.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range h.Headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusNoContent {
		t.Errorf("%s: %s", event, res.Status)
	}
}

func TestWhatConnectWritesBringsAnAgentsSessionIn(t *testing.T) {
	t.Parallel()
	app := apptest.Shared(t)
	for agent, c := range map[string]struct{ path, prompt, source string }{
		connect.ClaudeCode: {".claude/settings.json", "UserPromptSubmit", "claude-code"}, connect.Codex: {".codex/config.toml", "UserPromptSubmit", "codex"},
		connect.Gemini: {".gemini/settings.json", "BeforeAgent", "gemini-cli"},
	} {
		home := t.TempDir()
		s := newShell("HOME", home, "WORKLOG_URL", app.URL, "WORKLOG_TOKEN", app.Token(apptest.Email, account.ScopeWrite))
		a := s.app(t.Context())
		a.self = func() (string, error) { return app.Binary(), nil }
		if code := a.run([]string{"connect", agent, "--yes"}); code != 0 {
			t.Fatalf("%s: exit %d: %s", agent, code, s.stderr.String())
		}
		handlers := handlersOf(t, filepath.Join(home, c.path))
		for _, event := range []string{"SessionStart", c.prompt} {
			handlers[event].happen(t, home, fmt.Sprintf(`{"session_id":%q,"prompt_id":"p","hook_event_name":%q,"source":"startup","prompt":"Fix it"}`, agent, event))
		}
		if code := newShell("HOME", home).run(t.Context(), "hook", "--agent", agent, "--flush"); code != 0 { // a busy server may have needed longer than an agent waits
			t.Errorf("%s: exit %d", agent, code)
		}
		page, err := app.Client().Entries(t.Context(), worklog.Query{Conversation: agent})
		var titles []string
		for _, e := range page.Entries {
			if titles = append(titles, e.Title); e.Source != c.source {
				t.Errorf("%q of %s is one of %s", e.Title, agent, e.Source)
			}
		}
		if got := strings.Join(titles, ", "); err != nil || !strings.Contains(got, "Prompt: Fix it") || !strings.Contains(got, "Session") {
			t.Errorf("%s shows %s, %v", agent, got, err)
		}
	}
}
