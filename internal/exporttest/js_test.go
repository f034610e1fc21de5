package exporttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// nodeTimeout bounds a run of the script, most of which is Node's start.
const nodeTimeout = time.Minute

// runNode runs exporters.cjs with the packages that .ci/setup has fetched.
func runNode(t *testing.T, args ...string) {
	t.Helper()
	cache, err := filepath.Abs(filepath.Join("..", "..", ".cache"))
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(cache, "exporters", "node_modules")
	if _, err := os.Stat(modules); err != nil {
		t.Fatalf("%v: run .ci/setup exporters", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), nodeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{"exporters.cjs"}, args...)...)
	cmd.Env = []string{"NODE_PATH=" + modules, "PATH=" + filepath.Join(cache, "node", "bin") + ":" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
}

func TestTheExportersOfJavaScriptWriteARun(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	address, header := a.Token(apptest.Email, account.ScopeOTLP), a.Token(apptest.Email, account.ScopeWrite)
	runNode(t, a.URL, address, header)
	all := entriesOf(t, a.Client(account.ScopeRead))
	tomorrow, prompt := all["Gemini CLI: event of tomorrow"], all["Prompt: List the releases"]
	first, failed := all["run_shell_command: helm list 0"], all["run_shell_command: helm list 2"]
	if took, _ := first.Duration(); len(all) != 8 || took != 1500500*time.Microsecond || failed.Status != worklog.StatusError || failed.Details != "exit 1" {
		t.Errorf("%d entries, %+v, %+v", len(all), first, failed)
	}
	if tomorrow.Type != worklog.TypeInfo || prompt.ConversationID == "" || prompt.ConversationID != failed.ConversationID || prompt.Source != "gemini-cli" {
		t.Errorf("%+v, %+v", tomorrow, prompt)
	}
	agent, model, tool := all["Agent helper finished"], all["chat small-1-2026"], all["look_up"]
	if took, _ := tool.Duration(); took != 250*time.Millisecond || tool.Status != worklog.StatusError || tool.Details != "no such thing" || model.Details != "I look it up." {
		t.Errorf("%+v, %+v", tool, model)
	}
	if agent.Key == "" || tool.Parent != agent.Key || model.Parent != agent.Key || agent.Parent != "" || agent.ConversationID != tool.ConversationID {
		t.Errorf("%+v, %+v, %+v", agent, tool, model)
	}
	if log := a.Logs(); strings.Contains(log, address) || strings.Contains(log, header) {
		t.Error("a token is in the log")
	}
}

// entriesOf returns the entries of a user by their titles.
func entriesOf(t *testing.T, client *worklog.Client) map[string]worklog.Entry {
	t.Helper()
	all := map[string]worklog.Entry{}
	for e, err := range client.All(t.Context(), worklog.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all[e.Title] = e
	}
	return all
}
