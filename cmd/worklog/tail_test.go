package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestTailGoesOnAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	a := apptest.Start(t)
	client := a.Client()
	write := func(titles ...string) {
		t.Helper()
		for _, title := range titles {
			if _, err := client.Append(t.Context(), worklog.Draft{Title: title, Conversation: "c"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("zero", "one", "two")
	s := shellOf(a, apptest.Email)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() { done <- s.run(ctx, "tail", "-n", "2", "--conversation", "c") }()
	shows := func(title string) func() bool {
		return func() bool { return strings.Contains(s.stdout.String(), title) }
	}
	apptest.Eventually(t, "the last entries are shown", shows("two"))
	write("three")
	apptest.Eventually(t, "a new entry is shown", shows("three"))
	a.Kill()
	a.Restart()
	write("four", "five")
	apptest.Eventually(t, "entries after the restart are shown", shows("five"))
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
	var titles []string
	for line := range strings.Lines(s.stdout.String()) {
		f := strings.Fields(line)
		titles = append(titles, f[len(f)-1])
	}
	if got := strings.Join(titles, " "); got != "one two three four five" {
		t.Errorf("shown: %s\n%s", got, s.stdout.String())
	}
}

func TestAnEntryIsOneLineOfText_S17(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	e := worklog.Entry{
		Title: "\x1b[2Jrm\r\n-rf\t\x7f\u009b31m\u202eevil\u2028 ok é😀", Tool: "Ba\x1b]52;c;eA==\ash", Status: worklog.StatusSuccess, LoggedAt: at,
		StartedAt: at, EndedAt: at.Add(1500 * time.Millisecond), Repeats: 3,
	}
	want := `03:04:05 ✓ success Ba␛]52;c;eA==␇sh: ␛[2Jrm␍␊-rf␉␡\u009b31m\u202eevil\u2028 ok é😀 ×3 (1.5s)`
	if got := entryLine(e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	raw, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	line := asciiControls(string(raw))
	var back worklog.Entry
	if err := json.Unmarshal([]byte(line), &back); err != nil || back.Title != e.Title || strings.ContainsFunc(line, harmful) {
		t.Errorf("%v: %q", err, line)
	}
}

func FuzzNothingHarmfulReachesTheTerminal(f *testing.F) {
	f.Add("\x1b]0;title\a\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		if got := printable(s); strings.ContainsFunc(got, harmful) {
			t.Errorf("%q became %q", s, got)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		line := asciiControls(string(raw))
		if strings.ContainsFunc(line, harmful) || json.Unmarshal(raw, &want) != nil || json.Unmarshal([]byte(line), &got) != nil || got != want {
			t.Errorf("%q became %q", s, line)
		}
	})
}

func TestCommandsThatFollowSayHowTheyEnd(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"tail", "import"} {
		s := newShell()
		if code := s.run(t.Context(), command, "--help"); code != 0 || !strings.Contains(s.stdout.String(), "Exit status: 0") {
			t.Errorf("%s: exit %d: %s%s", command, code, s.stdout.String(), s.stderr.String())
		}
	}
}

func TestTailFailsWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	for _, c := range []struct{ url, token, conversation, want string }{
		{a.URL, "wlg_wrong", "", "token"}, {a.URL, a.User(apptest.Email), "nowhere", "no such conversation"}, {a.URL, a.Token(apptest.Email, account.ScopeWrite), "", `"read"`},
	} {
		s := newShell("WORKLOG_URL", c.url, "WORKLOG_TOKEN", c.token)
		if code := s.run(t.Context(), "tail", "--conversation", c.conversation); code != 1 || !strings.Contains(s.stderr.String(), c.want) {
			t.Errorf("exit %d: %s, want %s", code, s.stderr.String(), c.want)
		}
	}
}
