package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/replay"
	"github.com/worklogdev/worklog/worklog"
)

// sessions are the recorded ones: a small one of our own, and the real ones where a checkout has them beside it.
func sessions(t *testing.T) (all [][]replay.Beat) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "recordings", "claude-code-hooks", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, filepath.Join("..", "replay", "testdata", "session.hooks.jsonl")) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		beats, err := replay.Read(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, beats)
	}
	return all
}

// told is what the entries of the client's user say, oldest first, without what depends on the hour.
func told(t *testing.T, client *worklog.Client) (all []string) {
	t.Helper()
	for e, err := range client.All(t.Context(), worklog.Query{}) {
		if err != nil {
			return nil // it is just coming back
		}
		all = append(all, fmt.Sprintf("%s|%s|%s|%s|%s|%s", e.Type, e.Status, e.Tool, e.Title, e.Parent, e.Details))
	}
	slices.Reverse(all)
	return all
}

// An agent at work does not notice that PostgreSQL is killed under it, twice in a session: every event is taken, and in
// the end the entries are those of an undisturbed session, in the same order.
func TestARecordedSessionIsWholeThoughPostgreSQLStopsInTheMiddleOfIt(t *testing.T) {
	t.Parallel()
	const fast = 1e6
	calm := apptest.Start(t)
	rough := apptest.Start(t, apptest.WithPrivatePostgres())
	agentOf := func(app *apptest.App) *replay.Agent {
		return &replay.Agent{URL: app.URL, Token: app.Token(apptest.Email, account.ScopeWrite)}
	}
	quiet, busy := agentOf(calm), agentOf(rough)
	quietReader, busyReader := calm.Client(), rough.Client()
	cluster := filepath.Join(rough.DataDir, "postgres")
	refused := 0
	busy.Refused = func(int) { refused++ }
	events := 0
	for _, beats := range sessions(t) {
		if err := quiet.Play(t.Context(), beats, fast); err != nil {
			t.Fatal(err)
		}
		third := len(beats) / 3
		for part := range 3 {
			rest := beats[part*third:]
			if part < 2 {
				rest = rest[:third]
			}
			if err := busy.Play(t.Context(), rest, fast); err != nil {
				t.Fatal(err)
			}
			if part < 2 {
				runningDSN(t, cluster)
				killPostmaster(t, cluster)
			}
		}
		events += len(beats)
	}
	calm.Settle()
	want := told(t, quietReader)
	if len(want) < 12 {
		t.Fatalf("%d entries without any fault: nothing is proven", len(want))
	}
	var got []string
	defer func() {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("of %d entries, %d undisturbed, number %d is\n%.200s\nand undisturbed\n%.200s", len(got), len(want), i, got[i], want[i])
			}
		}
	}()
	apptest.Eventually(t, "the session is whole", func() bool {
		want, got = told(t, quietReader), told(t, busyReader)
		return slices.Equal(got, want)
	})
	t.Logf("%d events, %d entries, refused %d times on the way", events, len(want), refused)
}
