package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// text is what a file holds; empty when there is none.
func text(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(raw)
}

func put(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestConnectShowsChangesAndUndoes(t *testing.T) {
	t.Parallel()
	token := account.NewSecret()
	for agent, c := range map[string]struct{ path, old string }{
		"claude-code": {".claude/settings.json", "{\n  \"model\": \"opus\"\n}\n"}, "codex": {".codex/config.toml", "model = \"x\"\n"}, "gemini": {".gemini/settings.json", "{\"theme\": \"dark\"}"},
	} {
		home := t.TempDir()
		s := newShell("HOME", home, "WORKLOG_URL", "http://127.0.0.1:1/", "WORKLOG_TOKEN", token)
		path := filepath.Join(home, c.path)
		put(t, path, c.old, 0o640)
		if code := s.run(t.Context(), "connect", agent); code != 1 || text(t, path) != c.old || !strings.Contains(s.stderr.String(), "--yes") || !strings.Contains(s.stdout.String(), "+ ") {
			t.Errorf("%s: not asked, exit %d: %s%s", agent, code, s.stdout.String(), s.stderr.String())
		}
		if code := s.run(t.Context(), "connect", agent, "--yes"); code != 0 || !strings.Contains(s.stderr.String(), "does not answer now") {
			t.Fatalf("%s: exit %d: %s", agent, code, s.stderr.String())
		}
		for says, want := range map[string]bool{"worklog import ~/.claude/projects": agent == "claude-code", "waits on this machine": agent != "claude-code", "worklog hook --agent " + agent + " --flush": agent != "claude-code"} {
			if strings.Contains(s.stderr.String(), says) != want {
				t.Errorf("%s: of what happens while the server is away it says %s", agent, s.stderr.String())
			}
		}
		connected := text(t, path)
		if !strings.Contains(connected, "/opt/worklog hook --agent "+agent) || strings.Contains(s.stdout.String()+s.stderr.String(), token) {
			t.Errorf("%s:\n%s\n%s", agent, connected, s.stdout.String())
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", agent, info.Mode(), err)
		}
		if text(t, path+backupSuffix) != c.old {
			t.Errorf("%s: the backup is %q", agent, text(t, path+backupSuffix))
		}
		s.env["WORKLOG_TOKEN"] = ""
		if code := s.run(t.Context(), "connect", agent); code != 0 || text(t, path) != connected || !strings.Contains(s.stderr.String(), "up to date") {
			t.Errorf("%s: again, exit %d: %s", agent, code, s.stderr.String())
		}
		if code := s.run(t.Context(), "connect", agent, "--remove", "--yes"); code != 0 || text(t, path) != c.old {
			t.Errorf("%s: exit %d, %s\n%s", agent, code, s.stderr.String(), text(t, path))
		}
		if code := s.run(t.Context(), "connect", agent, "--remove", "--yes"); code != 0 || !strings.Contains(s.stderr.String(), "nothing of worklog") {
			t.Errorf("%s: exit %d, %s", agent, code, s.stderr.String())
		}
		if left, err := filepath.Glob(filepath.Join(home, ".config", "worklog", "agents", "*")); err != nil || len(left) != 0 {
			t.Errorf("%s: %v, %v", agent, left, err)
		}
	}
}

func TestConnectingAnAgentWithoutConfigurationLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := newShell("HOME", home, "WORKLOG_TOKEN", account.NewSecret())
	if code := s.run(t.Context(), "connect", "claude-code", "-y"); code != 0 {
		t.Fatalf("exit %d: %s", code, s.stderr.String())
	}
	path := filepath.Join(home, ".claude", "settings.json")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if code := s.run(t.Context(), "connect", "claude-code", "-y", "--remove"); code != 0 {
		t.Fatalf("exit %d: %s", code, s.stderr.String())
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%v: %s", err, text(t, path))
	}
}

func TestConnectKeepsALinkAndRefusesWhatIsBroken(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := newShell("HOME", home, "CLAUDE_CONFIG_DIR", filepath.Join(home, "link"), "WORKLOG_TOKEN", account.NewSecret())
	real := filepath.Join(home, "dotfiles", "settings.json")
	put(t, real, "{}", 0o600)
	if err := os.Symlink(filepath.Join(home, "dotfiles"), filepath.Join(home, "link")); err != nil {
		t.Fatal(err)
	}
	if code := s.run(t.Context(), "connect", "claude-code", "-y"); code != 0 || !strings.Contains(text(t, real), "/api/v1/hooks") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
	put(t, real, "{\n\"a\": }", 0o600)
	if code := s.run(t.Context(), "connect", "claude-code", "-y"); code != 1 || !strings.Contains(s.stderr.String(), "line 2") || text(t, real) != "{\n\"a\": }" {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
	s = newShell("HOME", home)
	if code := s.run(t.Context(), "connect", "codex", "-y"); code != 1 || !strings.Contains(s.stderr.String(), "WORKLOG_TOKEN") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
	s.env["WORKLOG_TOKEN"] = "wlg_mistyped"
	if code := s.run(t.Context(), "connect", "codex", "-y"); code != 1 || !strings.Contains(s.stderr.String(), "mistyped") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
}

// On the server's own machine nobody has to copy a token: it is made there, may only write, and the agent's command
// works with it at once.
func TestConnectMakesATokenOnTheServersOwnMachine(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t)
	app.User(apptest.Email)
	home := t.TempDir()
	s := newShell("HOME", home, "DATABASE_URL", app.DSN, "DATA_DIR", app.DataDir, "WORKLOG_URL", app.URL)
	if code := s.run(t.Context(), "connect", "gemini", "--user", apptest.Email, "-y"); code != 0 || strings.Contains(s.stderr.String(), "Note") {
		t.Fatalf("exit %d: %s", code, s.stderr.String())
	}
	if strings.Contains(text(t, filepath.Join(home, ".gemini", "settings.json")), "wlg_") {
		t.Error("the token stands in a file that people share")
	}
	agent := newShell("HOME", home)
	agent.hookRun(t, strings.NewReader(prompt("hello")), "--agent", "gemini")
	if code := agent.run(t.Context(), "hook", "--agent", "gemini", "--flush"); code != 0 {
		t.Fatalf("exit %d: %s", code, agent.stderr.String())
	}
	page, err := app.Client().Entries(t.Context(), worklog.Query{})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Title != "Prompt: hello" {
		t.Errorf("%+v, %v: %s", page, err, agent.stderr.String())
	}
	list := app.Command("", "token", "list", apptest.Email)
	if line := list[strings.Index(list, "gemini on"):]; !strings.Contains(strings.SplitN(line, "\n", 2)[0], "  write  ") {
		t.Errorf("%s", list)
	}
}

func TestTheDifferenceShowsWhatChanges(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"a\nb\nc\nd\ne\n", "a\nb\nx\nd\ne\n", "- c\n+ x\n"}, {"", "a\n", "+ a\n"}, {"a\n", "", "- a\n"}, {"a\nb\n", "a\nnew\nb\n", "+ new\n"},
	} {
		got := difference([]byte(c[0]), []byte(c[1]))
		var changed strings.Builder
		for line := range strings.Lines(got) {
			if line[0] != ' ' {
				changed.WriteString(line)
			}
		}
		if changed.String() != c[2] {
			t.Errorf("%q -> %q: %q", c[0], c[1], got)
		}
	}
	if got := masked("Bearer wlg_abcdefghijklmnop"); got != "Bearer wlg_abcd..." {
		t.Error(got)
	}
}

func TestConnectLeavesAnotherWorklogAlone(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := newShell("HOME", home, "WORKLOG_URL", "http://127.0.0.1:1", "WORKLOG_TOKEN", account.NewSecret())
	path := filepath.Join(home, ".claude", "settings.json")
	other := `{"hooks": {"Stop":[ {"hooks": [{"type": "http", "url": "https://team.example.org/api/v1/hooks"}, {"type":"command","command":"/opt/team/worklog hook --agent claude-code"}]} ]}}`
	put(t, path, other, 0o600)
	if code := s.run(t.Context(), "connect", "claude-code", "--remove", "-y"); code != 0 || text(t, path) != other {
		t.Errorf("exit %d: %s", code, text(t, path))
	}
	for range 2 {
		if code := s.run(t.Context(), "connect", "claude-code", "-y"); code != 0 || !strings.Contains(text(t, path), "team.example.org") || strings.Count(text(t, path), "/opt/team/") != 1 {
			t.Errorf("exit %d: %s", code, text(t, path))
		}
		s.env["WORKLOG_URL"], s.env["WORKLOG_TOKEN"] = "http://127.0.0.1:2", account.NewSecret() // the server has moved
	}
	if strings.Contains(text(t, path), "127.0.0.1:1/") {
		t.Errorf("the old server is still told:\n%s", text(t, path))
	}
	if code := s.run(t.Context(), "connect", "claude-code", "--remove", "-y"); code != 0 || text(t, path) != other {
		t.Errorf("exit %d: %s", code, text(t, path))
	}
}

func TestAnAgentGetsNoTokenThatCanDoMoreThanWrite(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t)
	mighty := app.User(apptest.Email)
	for _, token := range []string{mighty, app.Token(apptest.Email, account.ScopeWrite)} {
		home := t.TempDir()
		s := newShell("HOME", home, "WORKLOG_URL", app.URL, "WORKLOG_TOKEN", token)
		path := filepath.Join(home, ".claude", "settings.json")
		code := s.run(t.Context(), "connect", "claude-code", "-y")
		if token == mighty && (code != 1 || text(t, path) != "" || !strings.Contains(s.stderr.String(), app.URL+"/settings/connect/claude-code")) {
			t.Errorf("exit %d: %s", code, s.stderr.String())
		}
		if token != mighty && (code != 0 || !strings.Contains(text(t, path), token)) {
			t.Errorf("exit %d: %s", code, s.stderr.String())
		}
		s = newShell("HOME", home, "DATABASE_URL", app.DSN, "DATA_DIR", app.DataDir, "WORKLOG_URL", app.URL, "WORKLOG_TOKEN", token)
		if code := s.run(t.Context(), "connect", "claude-code", "-y", "--user", apptest.Email); code != 0 || strings.Contains(text(t, path), token) || !strings.Contains(text(t, path), "Bearer wlg_") {
			t.Errorf("a fresh one: exit %d: %s", code, s.stderr.String())
		}
	}
}

func TestAConfigurationThatCanNotBeWrittenStaysKnown(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := newShell("HOME", home, "WORKLOG_URL", "http://127.0.0.1:1", "WORKLOG_TOKEN", account.NewSecret())
	path, noted := filepath.Join(home, ".claude", "settings.json"), filepath.Join(home, ".config", "worklog", "agents", "claude-code.json")
	if code := s.run(t.Context(), "connect", "claude-code", "-y"); code != 0 {
		t.Fatalf("exit %d: %s", code, s.stderr.String())
	}
	before := text(t, noted)
	old := text(t, path)
	s.env["WORKLOG_URL"] = "http://127.0.0.1:2"
	a := s.app(t.Context())
	a.self = func() (string, error) { // the last thing that is asked before the file is written
		put(t, path, old+" ", 0o600)
		return "/opt/worklog", nil
	}
	if code := a.run([]string{"connect", "claude-code", "-y"}); code != 1 || text(t, noted) != before {
		t.Errorf("exit %d: %s\n%s", code, s.stderr.String(), text(t, noted))
	}
}
