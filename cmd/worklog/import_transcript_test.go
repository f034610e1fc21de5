package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// session writes a small project folder: a session with a sub-agent, as Claude Code keeps them.
func session(t *testing.T) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "projects", "-w")
	line := func(id, at, rest string) string {
		return fmt.Sprintf(`{"sessionId":"s1","uuid":%q,"timestamp":"2026-05-01T10:00:%sZ",%s}`+"\n", id, at, rest)
	}
	files := map[string]string{
		"s1.jsonl": line("u1", "00", `"type":"user","message":{"content":"Find it"}`) +
			line("u2", "01", `"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Task","input":{"description":"Look around"}}]}`) +
			line("u3", "09", `"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"here"}]},"toolUseResult":{"agentId":"a1","content":"here"}`) +
			"torn line\n" + line("u4", "10", `"type":"progress"`),
		"s1/subagents/agent-a1.jsonl": line("v1", "02", `"isSidechain":true,"agentId":"a1","type":"user","message":{"content":"Look"}`) +
			line("v2", "03", `"isSidechain":true,"agentId":"a1","type":"assistant","message":{"content":[{"type":"tool_use","id":"t2","name":"Grep","input":{"pattern":"x"}}]}`) +
			line("v3", "04", `"isSidechain":true,"agentId":"a1","type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t2","content":"f:1"}]}`),
		"s1/notes.txt": "nothing",
	}
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// A rollout that Codex has compressed is the rollout, and the follower reads it once, too.
func TestACompressedRolloutIsImported(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	s := shellOf(a, apptest.Email)
	folder := t.TempDir()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"timestamp":"2026-05-01T10:00:00Z","type":"session_meta","payload":{"id":"packed"}}` + "\n" +
		`{"timestamp":"2026-05-01T10:00:01Z","type":"event_msg","payload":{"type":"user_message","message":"List"}}` + "\n"
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "rollout-1.jsonl.zst")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f := follow(t, nil, folder) // for another user
	f.shows(agent.TextKey("packed", "", agent.KindPrompt, "List", 1), worklog.StatusInfo)
	f.end()
	for i, from := range []string{folder, path} {
		want := []string{"2 lines: 1 stored, 0 updated, 0 unchanged", "2 lines: 0 stored, 0 updated, 1 unchanged"}[i]
		if code := s.run(t.Context(), "import", from); code != 0 || !strings.Contains(s.stderr.String(), want) {
			t.Errorf("exit %d: %s", code, s.stderr.String())
		}
	}
}

func TestAFolderOfTranscriptsIsImportedOnce(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	s := shellOf(a, apptest.Email)
	folder := session(t)
	for i, from := range []string{filepath.Dir(folder), filepath.Join(folder, "s1")} {
		want := []string{"8 lines: 4 stored, 0 updated, 0 unchanged", "8 lines: 0 stored, 0 updated, 4 unchanged"}[i]
		code := s.run(t.Context(), "import", from)
		if out := s.stderr.String(); code != 0 || !strings.Contains(out, want) || !strings.Contains(out, "s1.jsonl:4: is not JSON") || !strings.Contains(out, "not entries: 1 progress") {
			t.Errorf("exit %d: %s, want %s", code, out, want)
		}
	}
	entries := map[string]worklog.Entry{}
	for e, err := range a.Client().All(t.Context(), worklog.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		entries[e.Key] = e
	}
	call, helper, step := entries["s1/t1"], entries["s1/agent/a1"], entries["s1/t2"]
	took, _ := call.Duration()
	if call.Status != worklog.StatusSuccess || took != 8*time.Second || call.LoggedAt.Year() != 2026 || helper.Parent != "s1/t1" || step.Parent != "s1/agent/a1" || step.ConversationID != call.ConversationID {
		t.Errorf("%+v\n%+v\n%+v", call, helper, step)
	}
}

func TestAFolderWithoutTranscriptsIsSaid(t *testing.T) {
	t.Parallel()
	s := newShell("WORKLOG_TOKEN", "wlg_x", "WORKLOG_URL", "http://127.0.0.1:1")
	if code := s.run(t.Context(), "import", t.TempDir()); code != 1 || !strings.Contains(s.stderr.String(), "no transcript in this folder") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
}

func TestRecordedSessionsGrowByTheirNewRowsOnly(t *testing.T) {
	t.Parallel()
	recorded := filepath.Join("..", "..", "..", "shared", "recordings")
	grown := map[string][]int{"claude-code/session-7505c804": {90, 147}, "claude-code/session-1284c080": {29, 452}, "gemini-cli/session-f7633853": {11, 21}}
	if _, err := os.Stat(recorded); err != nil { // recordings are not part of the repository
		grown = nil
	}
	if len(grown) == 0 {
		return
	}
	a := apptest.Shared(t)
	s := shellOf(a, apptest.Email)
	for name, rows := range grown {
		ext := ".jsonl"
		if strings.HasPrefix(name, "gemini") {
			ext = ".json"
		}
		for i, part := range []string{"-prefix" + ext, "-full" + ext, "-full" + ext} {
			want := []string{
				fmt.Sprintf("%d stored, 0 updated, 0 unchanged, 0 merged, 0 invalid, 0 damaged", rows[0]),
				fmt.Sprintf("%d stored, 0 updated, %d unchanged, 0 merged, 0 invalid, 0 damaged", rows[1]-rows[0], rows[0]),
				fmt.Sprintf("0 stored, 0 updated, %d unchanged, 0 merged, 0 invalid, 0 damaged", rows[1]),
			}[i]
			begin := time.Now()
			code := s.run(t.Context(), "import", filepath.Join(recorded, filepath.FromSlash(name+part)))
			t.Logf("%s%s in %v", name, part, time.Since(begin).Round(time.Millisecond))
			if code != 0 || !strings.Contains(s.stderr.String(), want) {
				t.Errorf("%s%s: exit %d: %s, want %s", name, part, code, s.stderr.String(), want)
			}
		}
	}
}
