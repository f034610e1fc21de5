package apptest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { Main(m) }

func TestEntryOfAClientIsOnThePageOfItsUser(t *testing.T) {
	t.Parallel()
	app := Start(t)
	if _, err := app.Client().Append(t.Context(), worklog.Draft{Title: "npm test", Type: worklog.TypeToolCall}); err != nil {
		t.Fatal(err)
	}
	page := app.Get(app.Login(Email), "/")
	if page.Status != http.StatusOK {
		t.Fatalf("status %d", page.Status)
	}
	if row := page.One("#log-list > li"); !strings.Contains(Text(row), "npm test") || Attr(row, "data-rev") == "" {
		t.Errorf("the row reads %q", Text(row))
	}
	if page := app.Get(nil, "/"); len(page.Find("#log-list")) != 0 {
		t.Error("a stranger sees the list")
	}
}

func TestSignedInBrowserShowsThePage(t *testing.T) {
	t.Parallel()
	app := Start(t)
	ctx := Browser(t)
	app.SignIn(ctx, Email)
	if err := chromedp.Do(ctx, chromedp.Navigate(app.URL), chromedp.WaitReady("#log-list")); err != nil {
		t.Fatal(err)
	}
	Accessible(t, ctx)
}

func TestRestartKeepsAddressUsersAndEntries(t *testing.T) {
	t.Parallel()
	app := Start(t)
	address, client := app.URL, app.Client()
	if _, err := client.Append(t.Context(), worklog.Draft{Title: "before"}); err != nil {
		t.Fatal(err)
	}
	app.Kill()
	if app.PID() != 0 {
		t.Error("a killed program has a process id")
	}
	app.Restart()
	if app.URL != address {
		t.Errorf("the address changed from %s to %s", address, app.URL)
	}
	if page := app.Get(app.Login(Email), "/"); !strings.Contains(Text(page.One("#log-list")), "before") {
		t.Error("the entry is gone")
	}
}

func TestPrivatePostgresIsUsedWithoutADatabase(t *testing.T) {
	t.Parallel()
	app := Start(t, WithPrivatePostgres(), WithEnv("WORKLOG_RATE_LIMIT", "7"))
	app.User(Email) // through the socket of the running server
	if _, err := postgres.RunningDSN(filepath.Join(app.DataDir, "postgres")); err != nil {
		t.Error(err)
	}
	if app.DSN != "" {
		t.Errorf("DSN is %q", app.DSN)
	}
	app.Stop()
	if _, err := os.Stat(filepath.Join(app.DataDir, "postgres", "socket")); !os.IsNotExist(err) {
		t.Errorf("PostgreSQL was not stopped: %v", err)
	}
}

func TestCommandsFailWithTheirMessage(t *testing.T) {
	t.Parallel()
	app := Start(t)
	if _, stderr, err := app.TryCommand("", "user", "disable", "nobody@example.org"); err == nil || stderr == "" {
		t.Errorf("got %v, %q", err, stderr)
	}
}

func TestTestsThatShareAProgramDoNotMeet(t *testing.T) {
	t.Parallel()
	first, second := Shared(t), Shared(t)
	if first.URL != second.URL {
		t.Errorf("two programs: %s and %s", first.URL, second.URL)
	}
	if _, err := first.Client().Append(t.Context(), worklog.Draft{Title: "of the first"}); err != nil {
		t.Fatal(err)
	}
	if rows := second.Get(second.Login(Email), "/").Find("#log-list > li"); len(rows) != 0 {
		t.Errorf("the second test sees %d rows of the first", len(rows))
	}
	if rows := first.Get(first.Login(Email), "/").Find("#log-list > li"); len(rows) != 1 {
		t.Errorf("the first test sees %d rows", len(rows))
	}
}
