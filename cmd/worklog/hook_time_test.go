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

// The promise is 300 ms for the whole process. Here one of some runs has a second, for machines that are busy; the server
// would keep an agent for ever.
func TestAServerThatNeverAnswersDoesNotKeepAnAgent(t *testing.T) {
	t.Parallel()
	asked, over := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	defer server.Close()
	defer close(over)
	binary, token := apptest.Shared(t).Binary(), account.NewSecret()
	for range 10 {
		state := t.TempDir() // each has nothing that waits, so that it tries the server
		cmd := exec.CommandContext(t.Context(), binary, "hook")
		cmd.Env = []string{"WORKLOG_URL=" + server.URL, "WORKLOG_TOKEN=" + token, "XDG_STATE_HOME=" + state,
			"GORACE=atexit_sleep_ms=0"} // the race detector has programs wait a second before they end
		cmd.Stdin = strings.NewReader(prompt("hello"))
		began := time.Now()
		out, err := cmd.CombinedOutput()
		took, wasAsked := time.Since(began), false
		select {
		case <-asked:
			wasAsked = true
		case <-time.After(time.Second):
		}
		files, globErr := filepath.Glob(filepath.Join(state, "worklog", "outbox", "*", "*.json"))
		if err != nil || globErr != nil {
			t.Fatalf("%s, %v, %v", out, err, globErr)
		}
		t.Logf("a hook took %v, asked the server: %t, says %q, %d events wait", took, wasAsked, out, len(files))
		if took <= time.Second && wasAsked && len(out) == 0 && len(files) == 1 {
			return
		}
	}
	t.Error("a server that never answers keeps an agent, or its event is lost")
}
