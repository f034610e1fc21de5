package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// following is an import that goes on.
type following struct {
	t      *testing.T
	client *worklog.Client
	shell  *shell
	cancel context.CancelFunc
	code   chan int
}

// follow begins an import of the given arguments for a token that may only write.
func follow(t *testing.T, stdin io.Reader, args ...string) *following {
	t.Helper()
	a := apptest.Shared(t)
	f := &following{t: t, client: a.Client(), code: make(chan int, 1)}
	f.shell = newShell("WORKLOG_URL", a.URL, "WORKLOG_TOKEN", a.Token(apptest.Email, account.ScopeWrite))
	if stdin != nil {
		f.shell.stdin = stdin
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.cancel = cancel
	t.Cleanup(cancel)
	go func() { f.code <- f.shell.run(ctx, append([]string{"import", "--follow"}, args...)...) }()
	return f
}

// end is what Ctrl-C does.
func (f *following) end() string {
	f.t.Helper()
	f.cancel()
	return f.ended()
}

func (f *following) ended() string {
	f.t.Helper()
	select {
	case code := <-f.code:
		if code != 0 {
			f.t.Errorf("exit %d: %s", code, f.shell.stderr.String())
		}
	case <-time.After(30 * time.Second):
		f.t.Fatal("it does not end")
	}
	return f.shell.stderr.String()
}

func (f *following) entries() map[string]worklog.Entry {
	f.t.Helper()
	all := map[string]worklog.Entry{}
	for e, err := range f.client.All(f.t.Context(), worklog.Query{}) {
		if err != nil {
			f.t.Fatal(err)
		}
		all[e.Key] = e
	}
	return all
}

// shows waits until the entry with that key has a status, and returns it.
func (f *following) shows(key string, status worklog.Status) (e worklog.Entry) {
	f.t.Helper()
	apptest.Eventually(f.t, key+" is "+string(status), func() bool {
		e = f.entries()[key]
		return e.Status == status
	})
	return e
}

func write(t *testing.T, path, text string, flags int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o600)
	if err == nil {
		_, err = file.WriteString(text)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// said is a line of a transcript of Claude Code, written now.
func said(rest string) string {
	return fmt.Sprintf(`{"sessionId":"s1","timestamp":%q,%s}`+"\n", time.Now().UTC().Format(time.RFC3339Nano), rest)
}

func call(id, tool, input string) string {
	return said(fmt.Sprintf(`"uuid":"u%s","type":"assistant","message":{"content":[{"type":"tool_use","id":%q,"name":%q,"input":%s}]}`, id, id, tool, input))
}

func answer(id, text, more string) string {
	return said(fmt.Sprintf(`"uuid":"v%s","type":"user","message":{"content":[{"type":"tool_result","tool_use_id":%q,"content":%q}]}%s`, id, id, text, more))
}

func TestAGrowingTranscriptIsFollowed(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "projects")
	main, helper := filepath.Join(folder, "-w", "s1.jsonl"), filepath.Join(folder, "-w", "s1", "subagents", "agent-a1.jsonl")
	begin := time.Now().Truncate(time.Second)
	write(t, main, said(`"uuid":"u0","type":"user","message":{"content":"Fix it"}`)+call("t1", "Bash", `{"command":"npm test"}`), os.O_APPEND)
	f := follow(t, nil, folder)
	running := f.shows("s1/t1", worklog.StatusWorking)
	if running.Title != "Bash: npm test" || running.LoggedAt.Before(begin) {
		t.Errorf("%+v", running)
	}
	result := answer("t1", "all good", "")
	write(t, main, result[:40], os.O_APPEND) // a line that is only half written
	write(t, helper, strings.ReplaceAll(call("t2", "Grep", `{"pattern":"x"}`), `"type"`, `"isSidechain":true,"agentId":"a1","type"`), os.O_APPEND)
	if step := f.shows("s1/t2", worklog.StatusWorking); step.Parent != "s1/agent/a1" || f.entries()["s1/t1"].Status != worklog.StatusWorking {
		t.Errorf("%+v", step)
	}
	write(t, main, result[40:]+call("t3", "Task", `{"description":"Look"}`)+answer("t3", "found", `,"toolUseResult":{"agentId":"a1","content":"found"}`), os.O_APPEND)
	done := f.shows("s1/t1", worklog.StatusSuccess)
	if done.ID != running.ID || done.Details != "all good" {
		t.Errorf("%+v", done)
	}
	f.shows("s1/agent/a1", worklog.StatusSuccess)
	write(t, helper, strings.ReplaceAll(answer("t2", "f:1", ""), `"type":"user"`, `"isSidechain":true,"agentId":"a1","type":"user"`), os.O_APPEND)
	f.shows("s1/t2", worklog.StatusSuccess)
	if err := os.Remove(main); err != nil { // rotated
		t.Fatal(err)
	}
	write(t, main, call("t4", "Bash", `{"command":"ls"}`)+"torn\n", os.O_APPEND)
	f.shows("s1/t4", worklog.StatusWorking)
	write(t, main, call("t5", "Bash", `{"command":"ls"}`), os.O_TRUNC)
	f.shows("s1/t5", worklog.StatusWorking)
	if out := f.end(); !strings.Contains(out, "0 invalid, 1 damaged") || !strings.Contains(out, "s1.jsonl:2: is not JSON") || !strings.Contains(out, "following") {
		t.Errorf("%s", out)
	}
	if all := f.entries(); len(all) != 7 {
		t.Errorf("%d entries: %v", len(all), all)
	}
}

func TestWhatIsPipedInIsShownAtOnce(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	f := follow(t, r)
	send := func(text string) {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	send(`{"type":"thread.started","thread_id":"th"}` + "\n" + `{"type":"turn.started"}` + "\n" +
		`{"type":"item.started","item":{"id":"item_1","type":"command_execution","command":"bash -lc ls","status":"in_progress"}}` + "\n")
	var key string
	apptest.Eventually(t, "the command runs", func() bool {
		for k, e := range f.entries() {
			key = k
			return e.Status == worklog.StatusWorking && e.Title == "shell: ls" && e.Metadata["time_replaced"] == nil
		}
		return false
	})
	send(`{"type":"item.completed","item":{"id":"item_1","type":"command_execution","command":"bash -lc ls","aggregated_output":"a","exit_code":0,"status":"completed"}}`)
	_ = w.Close() // without an end of the last line
	if out := f.ended(); !strings.Contains(out, "4 lines: 1 stored, 1 updated") {
		t.Errorf("%s", out)
	}
	if e := f.entries()[key]; e.Status != worklog.StatusSuccess || e.Details != "a" {
		t.Errorf("%+v", e)
	}
}

func TestAChatThatIsWrittenAnewIsFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session-1.json")
	chat := func(status, more string) string {
		at := time.Now().UTC().Format(time.RFC3339Nano)
		return fmt.Sprintf(`{"sessionId":"g1","projectHash":"h","messages":[{"id":"m1","timestamp":%q,"type":"gemini","content":"I look.","toolCalls":[{"id":"c1","name":"ls","args":{},"status":%q}]}%s]}`, at, status, more)
	}
	write(t, path, chat("executing", ""), os.O_TRUNC)
	f := follow(t, nil, path)
	f.shows("g1/c1", worklog.StatusWorking)
	whole := chat("success", `,{"id":"m2","type":"user","content":"Thanks"}`)
	write(t, path, whole[:50], os.O_TRUNC)
	write(t, path, whole[50:], os.O_APPEND)
	f.shows("g1/c1", worklog.StatusSuccess)
	f.end()
	if all := f.entries(); len(all) != 3 {
		t.Errorf("%d entries: %v", len(all), all)
	}
}

func TestAFileThatRestsIsOverUntilItGrows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s1.jsonl")
	long := time.Now().Add(-50 * time.Hour)
	old := func(line string) string {
		return strings.ReplaceAll(line, time.Now().UTC().Format("2006-01-02"), long.UTC().Format("2006-01-02"))
	}
	write(t, path, old(call("t1", "Bash", `{"command":"sleep"}`)), os.O_APPEND)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	f := follow(t, nil, path)
	f.shows("s1/t1", worklog.StatusWarning)
	write(t, path, call("t2", "Bash", `{"command":"ls"}`), os.O_APPEND)
	f.shows("s1/t2", worklog.StatusWorking)
	f.end()
}

func TestFollowingWhatIsNotThereFails(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{filepath.Join(t.TempDir(), "none.jsonl")}, {"-", "x"}} {
		s := newShell("WORKLOG_TOKEN", "wlg_x", "WORKLOG_URL", "http://127.0.0.1:1")
		if code := s.run(t.Context(), append([]string{"import", "-f"}, args...)...); code != 1 {
			t.Errorf("%v: exit %d: %s", args, code, s.stderr.String())
		}
	}
}

func TestAnImportSaysWhatRetentionWouldDelete(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	folder, token := session(t), a.Token(apptest.Email, account.ScopeWrite)
	for _, c := range []struct {
		args []string
		want string
		kept bool
	}{
		{[]string{"import", "--no-keep", folder}, "deletes what is older than 90 days, and that is 4 of these entries; without --no-keep their conversations would be kept", false},
		{[]string{"import", folder}, "4 of these entries; their conversation is marked to be kept, so they stay", true},
	} {
		s := newShell("WORKLOG_URL", a.URL, "WORKLOG_TOKEN", token)
		if code := s.run(t.Context(), c.args...); code != 0 || !strings.Contains(s.stderr.String(), c.want) {
			t.Errorf("exit %d: %s, want %s", code, s.stderr.String(), c.want)
		}
		page, err := a.Client().Conversations(t.Context(), worklog.ConversationQuery{})
		if err != nil || len(page.Conversations) != 1 || page.Conversations[0].Keep != c.kept {
			t.Errorf("%+v, %v", page, err)
		}
	}
}
