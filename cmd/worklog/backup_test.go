package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/worklogdev/worklog/internal/store/storetest"
)

// backedUp is an installation that was backed up before somebody was erased and a token revoked.
func backedUp(t *testing.T) (d *desk, dir, file string, ann int64) {
	t.Helper()
	d, dir = newDesk(t), t.TempDir()
	file = filepath.Join(t.TempDir(), "worklog.backup")
	for _, args := range [][]string{
		{"user", "add", "root@example.org", "--admin"}, {"user", "add", "ann@example.org"}, {"token", "create", "root@example.org", "--name", "n"}, {"backup", file},
	} {
		d.ok("", args...)
	}
	user, _ := d.user("ann@example.org")
	root, _ := d.user("root@example.org")
	tokens, err := d.store.Tokens(t.Context(), root.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"user", "erase", "ann@example.org", "--reason", "asked", "--yes"}, {"token", "revoke", tokens[0].ID}} {
		if _, stderr, code := d.in(dir, "", args...); code != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
	}
	return d, dir, file, user.ID
}

// endings says who is back after a restore.
func endings(t *testing.T, d *desk) string {
	t.Helper()
	erased, revoked, err := d.store.Endings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = d.store.UserByEmail(t.Context(), "ann@example.org")
	return fmt.Sprintf("%d erased, %d revoked, ann is there: %v", len(erased), len(revoked), err == nil)
}

func TestALedgerFromElsewhereEndsAgainWhatItLists(t *testing.T) {
	_, old, file, ann := backedUp(t)
	to, dir := &desk{T: t, dsn: storetest.Empty(t)}, t.TempDir()
	_, stderr, code := to.in(dir, "", "restore-backup", "--ledger", filepath.Join(old, "ledger"), file)
	if code != 0 || !strings.Contains(stderr, "2 users and tokens had ended") || strings.Contains(stderr, "are back") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	to.store = storetest.Open(t, to.dsn)
	if got := endings(t, to); got != "1 erased, 1 revoked, ann is there: false" {
		t.Error(got)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "ledger")); err != nil || !strings.Contains(string(text), fmt.Sprintf(" erase %d\n", ann)) {
		t.Errorf("the new ledger holds %q, %v", text, err)
	}
}

func TestARestoreWithoutALedgerSaysWhoIsBackAndWhichFileToCopy(t *testing.T) {
	from, old, file, _ := backedUp(t)
	if _, stderr, code := from.in(t.TempDir(), "", "restore-backup", file); code != 1 || !strings.Contains(stderr, "--ledger") {
		t.Errorf("into an installation that is not empty: %d %s", code, stderr)
	}
	to, dir := &desk{T: t, dsn: storetest.Empty(t)}, t.TempDir()
	_, stderr, code := to.in(dir, "", "restore-backup", file)
	copied := filepath.Join(dir, "ledger")
	if code != 0 || !strings.Contains(stderr, "are back") || !strings.Contains(stderr, copied) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	to.store = storetest.Open(t, to.dsn)
	if got := endings(t, to); got != "0 erased, 0 revoked, ann is there: true" {
		t.Fatal(got)
	}
	text, err := os.ReadFile(filepath.Join(old, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := to.store.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := world(t, map[string]string{"DATABASE_URL": to.dsn, "DATA_DIR": dir})
	cfg, err := a.config()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := replayLedger(t.Context(), cfg, to.store, id); err != nil || n.Ended != 2 { // as each start does
		t.Errorf("the file that was copied ended %+v, %v", n, err)
	}
	if got := endings(t, to); got != "1 erased, 1 revoked, ann is there: false" {
		t.Error(got)
	}
}
