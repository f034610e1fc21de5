package faulttest

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/store/storetest"
)

// metrics is what /metrics tells an administrator.
func metrics(t *testing.T, app *apptest.App, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v: %s", res.Status, err, raw)
	}
	return string(raw)
}

// A spool that can take nothing, here because its directory is gone, counts as a full one does.
func TestHooksThatTheSpoolCanNotTakeAreCountedWhereAdministratorsLook(t *testing.T) {
	t.Parallel()
	wire := storetest.NewWire(t, storetest.DSN(t))
	app := apptest.Start(t, apptest.WithEnv("DATABASE_URL", wire.DSN))
	const admin = "admin@example.org"
	app.Admin(admin)
	watch, token := app.Token(admin, account.ScopeAdmin), app.Token(apptest.Email, account.ScopeWrite)
	browser := app.Login(admin)
	if status := postHook(t, app, token, step("PreToolUse", 0)); status != http.StatusNoContent { // from now on the token is known
		t.Fatalf("%d", status)
	}
	if text := metrics(t, app, watch); !strings.Contains(text, `worklog_hooks_spooled_total{outcome="refused"} 0`) {
		t.Errorf("at first: %s", text)
	}
	wire.Cut()
	if err := os.RemoveAll(filepath.Join(app.DataDir, "spool", "hooks")); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if status := postHook(t, app, token, step("PostToolUse", n)); status != http.StatusServiceUnavailable {
			t.Errorf("event %d: %d", n, status)
		}
	}
	wire.Mend(t)
	apptest.Eventually(t, "the ledger says how many were lost", func() bool {
		cells := app.Get(browser, "/admin").Find("#board-ledger tbody tr:last-child > *")
		return len(cells) == 3 && strings.HasPrefix(apptest.Text(cells[0]), "lost") && apptest.Text(cells[2]) == "3"
	})
	if text := metrics(t, app, watch); !strings.Contains(text, `worklog_hooks_spooled_total{outcome="refused"} 3`) {
		t.Errorf("then: %s", text)
	}
}
