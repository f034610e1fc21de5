package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// old stores entries of so many days ago, each in the conversation of that name.
func (d *desk) old(email, conversation string, days ...int) {
	d.Helper()
	u, _, err := d.store.UserByEmail(d.Context(), email)
	if err != nil {
		if u, err = d.store.CreateUser(d.Context(), email, "", false); err != nil {
			d.Fatal(err)
		}
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	b := store.Batch{Now: now}
	for _, n := range days {
		at := now.AddDate(0, 0, -n)
		draft := worklog.Draft{Title: "old", Details: strings.Repeat("line\n", 50), LoggedAt: &at}
		draft.Normalize()
		b.Writes = append(b.Writes, store.Write{Owner: u.ID, EntryID: uuid.NewString(), Conversation: conversation, Facts: change.Of(&draft, now)})
	}
	if _, _, err := d.store.Append(d.Context(), b); err != nil {
		d.Fatal(err)
	}
}

// at runs a command in a data directory.
func (d *desk) at(dir string, args ...string) (stdout, stderr string, code int) {
	d.Helper()
	a, out, said := world(d.T, map[string]string{"DATABASE_URL": d.dsn, "DATA_DIR": dir})
	code = a.run(args)
	return out.String(), said.String(), code
}

func TestCleanupCountsAndSweepsAndRestoreBringsBack(t *testing.T) {
	d := newDesk(t)
	dir := t.TempDir()
	d.old("ann@example.org", "work", 1, 10, 40, 41, 100)
	d.old("bob@example.org", "work", 40)
	out, said, code := d.at(dir, "cleanup", "--dry-run")
	if code != 0 || !strings.Contains(out, "Nothing was changed.") || !strings.Contains(out, "bob@example.org") {
		t.Fatalf("exit %d\n%s%s", code, out, said)
	}
	for _, line := range []string{"deleted   1 ", "archived  0 ", "cold      3 ", "warm      1 "} {
		if !strings.Contains(out, line) {
			t.Errorf("the dry run does not say %q:\n%s", line, out)
		}
	}
	if out, said, code = d.at(dir, "cleanup"); code != 0 || !strings.Contains(out, "cold      3 ") {
		t.Fatalf("exit %d\n%s%s", code, out, said)
	}
	if out, said, code = d.at(dir, "archive", "verify"); code != 0 || !strings.HasPrefix(out, "2 objects") {
		t.Errorf("verify: exit %d\n%s%s", code, out, said)
	}
	if out, said, code = d.at(dir, "restore", "--conversation", "work"); code == 0 || !strings.Contains(said, "--user") {
		t.Errorf("a key that two users have: exit %d\n%s%s", code, out, said)
	}
	if out, said, code = d.at(dir, "restore", "--conversation", "work", "--user", "ann@example.org"); code != 0 || !strings.HasPrefix(out, "3 entries are hot again") {
		t.Errorf("restore: exit %d\n%s%s", code, out, said)
	}
	since := time.Now().AddDate(0, 0, -45).Format(time.DateOnly)
	if out, said, code = d.at(dir, "restore", "--since", since); code != 0 || !strings.HasPrefix(out, "1 entries") {
		t.Errorf("restore: exit %d\n%s%s", code, out, said)
	}
	if out, said, code = d.at(dir, "archive", "verify"); code != 0 || !strings.HasPrefix(out, "0 objects") {
		t.Errorf("verify: exit %d\n%s%s", code, out, said)
	}
}

func TestRestoreWantsToKnowWhat(t *testing.T) {
	d := newDesk(t)
	dir := t.TempDir()
	for _, args := range [][]string{{}, {"--since", "yesterday"}, {"--conversation", "nobody's"}, {"--since", "2026-01-01", "--user", "nobody@example.org"}} {
		if out, said, code := d.at(dir, append([]string{"restore"}, args...)...); code == 0 {
			t.Errorf("restore %v: exit 0\n%s%s", args, out, said)
		}
	}
}

func TestNonsenseRetentionKeepsTheServerFromStarting(t *testing.T) {
	t.Parallel()
	a, _, said := world(t, map[string]string{"WORKLOG_RETAIN_HOT": "90d", "WORKLOG_RETAIN_WARM": "30d", "WORKLOG_RETAIN_COLD": "7d"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a.ctx = ctx
	if code := a.run([]string{"serve"}); code == 0 || !strings.Contains(said.String(), "WORKLOG_RETAIN_WARM") || !strings.Contains(said.String(), "WORKLOG_RETAIN_COLD") {
		t.Errorf("exit %d, %s", code, said.String())
	}
}

func TestACommandThatMeetsASweepChangesAndNotesNothing(t *testing.T) {
	d := newDesk(t)
	dir := t.TempDir()
	d.old("ann@example.org", "work", 40)
	if out, said, code := d.at(dir, "cleanup"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, said)
	}
	_, release, err := d.store.LockRetention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for _, args := range [][]string{{"cleanup"}, {"restore", "--conversation", "work"}, {"backup", filepath.Join(dir, "backup")}} {
		if out, said, code := d.at(dir, args...); code == 0 || !strings.Contains(said, "is running already") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, said)
		}
	}
	lines, _, err := d.store.Audit(t.Context(), store.AuditQuery{})
	var acts []account.Action
	for _, l := range lines {
		acts = append(acts, l.Action)
	}
	if err != nil || !slices.Equal(acts, []account.Action{account.ActSweep}) {
		t.Errorf("the audit list has %v, %v; one sweep was done", acts, err)
	}
}

func TestARestoreThatDidNotBeginSaysNothingOfEntries(t *testing.T) {
	d := newDesk(t)
	d.old("ann@example.org", "work", 40)
	_, release, err := d.store.LockRetention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	out, said, code := d.at(t.TempDir(), "restore", "--conversation", "work")
	if code == 0 || out != "" || !strings.Contains(said, "running already") {
		t.Errorf("exit %d, printed %q, %s", code, out, said)
	}
}
