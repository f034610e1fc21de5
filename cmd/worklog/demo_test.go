package main

import (
	"context"
	"testing"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

func TestDemoWritesToARunningServerUntilItIsStopped(t *testing.T) {
	t.Parallel()
	a := apptest.Start(t)
	s := shellOf(a, apptest.Email)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- s.run(ctx, "demo", "--seed", "7") }()
	client := a.Client()
	apptest.Eventually(t, "history and the present are written", func() bool {
		stats, err := client.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		live, err := client.Entries(t.Context(), worklog.Query{Source: "claude-code", Status: worklog.StatusWorking})
		if err != nil {
			t.Fatal(err)
		}
		return stats.Stored > 30 && len(live.Entries) > 0
	})
	stop()
	if code := <-done; code != 0 {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
}

func TestDemoWithoutATokenSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newShell()
	if code := s.run(t.Context(), "demo"); code == 0 {
		t.Error("a demo without a token ends well")
	}
	s.stderr.wait(t, "(WORKLOG_TOKEN)")
}

func TestARestartOfTheDemoEndsOnlyWhatTheDemoBegan(t *testing.T) {
	t.Parallel()
	c := apptest.Shared(t).Client()
	running := worklog.Draft{Title: "x", Status: worklog.StatusWorking}
	own, others := running, running
	own.Key, others.Key = "demo/1-2/s/3", "session/toolu_1"
	if _, err := c.Append(t.Context(), own, others); err != nil {
		t.Fatal(err)
	}
	if err := endLeftovers(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for e, err := range c.All(t.Context(), worklog.Query{}) {
		if want := map[string]worklog.Status{own.Key: worklog.StatusWarning, others.Key: worklog.StatusWorking}[e.Key]; err != nil || e.Status != want {
			t.Errorf("%s is %s, want %s, %v", e.Key, e.Status, want, err)
		}
	}
}
