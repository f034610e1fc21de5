package faulttest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/postgres"
)

// between is how many drafts are acknowledged between two kills: enough that each hits writers at work.
const between = 60

func TestNothingAcknowledgedIsLostByKills_S23(t *testing.T) {
	t.Parallel()
	app := apptest.Start(t, apptest.WithPrivatePostgres(), apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))
	cluster := filepath.Join(app.DataDir, "postgres")
	w := startWriters(t, app)
	for kill := range 13 {
		w.progress(t, between)
		if kill%4 == 3 { // three of the thirteen
			killPostmaster(t, cluster)
			continue
		}
		app.Kill()
		app.Restart()
	}
	w.progress(t, between)
	dsn, err := postgres.RunningDSN(cluster)
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, dsn)
}

// killPostmaster ends the server of a private cluster with SIGKILL; the program has to start it again.
func killPostmaster(t *testing.T, cluster string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cluster, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
