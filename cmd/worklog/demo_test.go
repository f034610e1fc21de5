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
