package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/connect"
	"github.com/worklogdev/worklog/worklog"
)

const (
	readmeURL     = "http://127.0.0.1:8080"
	readmeToken   = "wlg_..."
	readmeProgram = "/usr/local/bin/worklog"
)

// snippets are the fenced blocks of the README in a language.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for i, part := range strings.Split("\n"+string(raw), "\n```") {
		if head, body, ok := strings.Cut(part, "\n"); ok && i%2 == 1 && head == language {
			found = append(found, body)
		}
	}
	if len(found) == 0 {
		t.Fatalf("the README has no snippet in %q", language)
	}
	return found
}

// runnable leaves out what only a person can do, after making sure that it exists, and answers questions.
func runnable(t *testing.T, script string) string {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "make":
			if !bytes.Contains(makefile, []byte("\n"+words[1]+":")) {
				t.Errorf("the Makefile has no target %s", words[1])
			}
		case strings.HasPrefix(line, "claude mcp add "): // what the agent does with it: it asks for the tools
			address, header, _ := strings.Cut(words[6]+" "+strings.Join(words[7:], " "), " --header ")
			lines = append(lines, "curl -fsS "+address+" -H "+header+` -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' `+
				`-d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | grep log_work >/dev/null`+"\n")
		case strings.HasPrefix(line, "worklog import --follow"): // until somebody presses Ctrl-C
			lines = append(lines, "timeout --foreground --preserve-status -s INT 15 "+line) // in the background it would send two, and the second ends a program at once
		case strings.HasPrefix(line, "codex exec"): // in its place, what it prints
			_, rest, _ := strings.Cut(line, "|")
			lines = append(lines, `echo '{"type":"thread.started","thread_id":"0199a213-81c0-7800-8aa1-bbab2a035a53"}' |`+rest)
		case strings.HasPrefix(line, "  worklog connect"):
			lines = append(lines, strings.TrimSuffix(line, "\n")+" --yes\n")
		case strings.HasPrefix(line, "curl -s -m 3 "): // an agent's event comes in
			lines = append(lines, `echo '{"session_id":"s","hook_event_name":"UserPromptSubmit","prompt":"By curl alone"}' | `+strings.Replace(line, "-m 3", "-m 60", 1))
		default:
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestTheShellOfTheREADMEWorks(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t)
	token, home := app.Token(apptest.Email, account.ScopeWrite), t.TempDir()
	put(t, filepath.Join(home, ".claude", "projects", "-x", "7505c804-0000-4000-8000-000000000000.jsonl"),
		`{"type":"user","uuid":"u1","sessionId":"7505c804-0000-4000-8000-000000000000","timestamp":"`+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+`","message":{"role":"user","content":"Imported prompt"}}`+"\n", 0o600)
	put(t, filepath.Join(home, ".codex", "sessions", "2026", "rollout-1.jsonl"), `{"timestamp":"2026-05-01T10:00:00Z","type":"session_meta","payload":{"id":"th","cwd":"/x"}}`+"\n", 0o600)
	put(t, filepath.Join(home, ".gemini", "tmp", "x", "chats", "session-1.json"), `{"sessionId":"g1","messages":[]}`, 0o600)
	if err := os.Symlink(app.Binary(), filepath.Join(home, "worklog")); err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer(readmeURL, app.URL, readmeToken, token).Replace(runnable(t, strings.Join(snippets(t, "sh"), "\n")))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.WaitDelay = 30 * time.Second // whatever the script has left behind
	cmd.Env = []string{"HOME=" + home, "PATH=" + home + ":/usr/local/bin:/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, script)
	}
	titles := map[string]worklog.Status{}
	for e, err := range app.Client().All(t.Context(), worklog.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		titles[e.Title] = e.Status
	}
	if titles["Deployed 1.4"] != worklog.StatusSuccess || titles["Nightly backup"] != worklog.StatusSuccess || titles["Prompt: By curl alone"] != worklog.StatusInfo || titles["Prompt: Imported prompt"] != worklog.StatusInfo {
		t.Errorf("%v", titles)
	}
	if settings := text(t, filepath.Join(home, ".claude", "settings.json")); !strings.Contains(settings, app.URL+"/api/v1/hooks") || !strings.Contains(settings, token) {
		t.Errorf("%s", settings)
	}
}

// groups are what an agent's configuration has for its events.
func groups(t *testing.T, config any) map[string][]any {
	t.Helper()
	raw, err := json.Marshal(config) // so that numbers of both formats are the same
	var c struct{ Hooks map[string][]any }
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || len(c.Hooks) == 0 {
		t.Fatalf("%v in %v", err, config)
	}
	return c.Hooks
}

// hooksOf are the snippets that are an excerpt of what connect writes; the others are the page's, whose own test compares them.
func hooksOf(snippets []string) []string {
	return slices.DeleteFunc(snippets, func(s string) bool { return !strings.Contains(s, "hooks") })
}

func TestTheConfigurationOfTheREADMEIsWhatConnectWrites(t *testing.T) {
	t.Parallel()
	written := func(agent string) []byte {
		text, _, err := connect.Merge(agent, nil, connect.Setting{URL: readmeURL, Token: readmeToken, Command: connect.HookCommand(readmeProgram, agent)}, connect.Written{})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	compare := func(shown, whole map[string][]any) {
		t.Helper()
		for event, group := range shown {
			if !reflect.DeepEqual(group, whole[event]) {
				t.Errorf("%s is %v, and not %v", event, whole[event], group)
			}
		}
	}
	for _, snippet := range hooksOf(snippets(t, "json")) {
		var shown, whole any
		if err := json.Unmarshal([]byte(snippet), &shown); err != nil {
			t.Fatalf("%v in %s", err, snippet)
		}
		if err := json.Unmarshal(written(connect.ClaudeCode), &whole); err != nil {
			t.Fatal(err)
		}
		compare(groups(t, shown), groups(t, whole))
	}
	for _, snippet := range hooksOf(snippets(t, "toml")) {
		var shown, whole map[string]any
		if _, err := toml.Decode(snippet, &shown); err != nil {
			t.Fatalf("%v in %s", err, snippet)
		}
		if _, err := toml.Decode(string(written(connect.Codex)), &whole); err != nil {
			t.Fatal(err)
		}
		lower := func(m map[string]any) map[string]any { return map[string]any{"Hooks": m["hooks"]} }
		compare(groups(t, lower(shown)), groups(t, lower(whole)))
	}
}

func TestTheGoOfTheREADMECompiles(t *testing.T) {
	t.Parallel()
	for _, snippet := range snippets(t, "go") {
		source := filepath.Join(t.TempDir(), "main.go")
		put(t, source, "package main\n\nimport (\n\t\"context\"\n\t\"os\"\n\n\t\"github.com/worklogdev/worklog/worklog\"\n)\n\nfunc main() {\n\tctx, err := context.Background(), error(nil)\n"+snippet+"\n}\n", 0o600)
		target, err := filepath.Abs("testdata/readme/main.go") // it is only there for this build
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(map[string]map[string]string{"Replace": {target: source}})
		if err != nil {
			t.Fatal(err)
		}
		overlay := filepath.Join(t.TempDir(), "overlay.json")
		put(t, overlay, string(raw), 0o600)
		cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", os.DevNull, "./testdata/readme")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, snippet)
		}
	}
}
