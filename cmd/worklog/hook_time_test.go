package main

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
)

// The promise is 300 ms for the whole process. Here the quickest of some runs has a second, for machines that are busy;
// the server would keep an agent for ever.
func TestAServerThatNeverAnswersDoesNotKeepAnAgent(t *testing.T) {
	t.Parallel()
	asked, over := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	defer server.Close()
	defer close(over)
	binary, token, quickest := apptest.Shared(t).Binary(), account.NewSecret(), time.Hour
	for range 5 {
		state := t.TempDir() // each has nothing that waits, so that it tries the server
		cmd := exec.CommandContext(t.Context(), binary, "hook")
		cmd.Env = []string{"WORKLOG_URL=" + server.URL, "WORKLOG_TOKEN=" + token, "XDG_STATE_HOME=" + state,
			"GORACE=atexit_sleep_ms=0"} // the race detector has programs wait a second before they end
		cmd.Stdin = strings.NewReader(prompt("hello"))
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%s, %v", out, err)
		}
		quickest = min(quickest, time.Since(began))
		<-asked
		if files, err := filepath.Glob(filepath.Join(state, "worklog", "outbox", "*", "*.json")); err != nil || len(files) != 1 {
			t.Errorf("%d events wait, %v", len(files), err)
		}
	}
	if t.Logf("the quickest hook took %v", quickest); quickest > time.Second {
		t.Errorf("an agent waits %v for a server that never answers", quickest)
	}
}
