package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/worklog"
)

// private is an installation with a PostgreSQL of its own, where no pg_dump need be.
type private struct {
	*apptest.App
	t *testing.T
}

func startPrivate(t *testing.T) *private {
	t.Helper()
	return &private{apptest.Start(t, apptest.WithPrivatePostgres(), apptest.WithEnv("WORKLOG_IMPORT_LIMIT", unlimited), apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited)), t}
}

// db connects to the database, which stops with its program.
func (p *private) db() *pgx.Conn {
	p.t.Helper()
	dsn, err := postgres.RunningDSN(filepath.Join(p.DataDir, "postgres"))
	if err != nil {
		p.t.Fatal(err)
	}
	return connect(p.t, dsn)
}

// tables returns the rows of every table that a backup has, as text. What is done to a database by reading a token, and
// by the backup itself, is left out.
func (p *private) tables() map[string][]string {
	p.t.Helper()
	db, all := p.db(), map[string][]string{}
	for _, name := range counted(p.t, db, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1") {
		switch name {
		case "bun_migrations", "bun_migration_locks", "installation", "links", "sessions", "readings":
			continue
		}
		all[name] = counted(p.t, db, "SELECT to_jsonb(t) - 'last_used_at' FROM "+name+" t WHERE to_jsonb(t) ->> 'action' IS DISTINCT FROM 'backup.restore' ORDER BY (to_jsonb(t) - 'last_used_at')::text")
	}
	return all
}

// write fills the installation with something of every kind: three entries of each age, and what becomes of them.
func (p *private) write(client *worklog.Client) {
	p.t.Helper()
	for name, age := range ages() {
		at := time.Now().Add(-time.Duration(age.days) * 24 * time.Hour)
		var drafts []worklog.Draft
		for i := range 3 {
			drafts = append(drafts, worklog.Draft{
				Title: fmt.Sprintf("%s %d", name, i), Conversation: name, Details: details(name, i) + "\t\\N\\\u2028", LoggedAt: &at, Key: fmt.Sprintf("%s-%d", name, i),
				Metadata: worklog.Metadata{"n": i, "text": "a\tb\\\n"}, Type: worklog.TypeToolCall, Tool: "Bash", Status: worklog.StatusSuccess,
			})
		}
		if _, err := client.Append(p.t.Context(), drafts...); err != nil {
			p.t.Fatal(err)
		}
	}
	if _, err := client.Append(p.t.Context(), worklog.Draft{Title: "running", Key: "k", Tool: "Bash", Status: worklog.StatusWorking}, worklog.Draft{Title: ""}); err != nil {
		p.t.Fatal(err)
	}
	db, keep := p.db(), true
	kept := counted(p.t, db, "SELECT id FROM conversations WHERE key = 'kept'")[0]
	if _, err := client.UpdateConversation(p.t.Context(), kept, worklog.ConversationPatch{Keep: &keep}); err != nil {
		p.t.Fatal(err)
	}
	const told = "SELECT count(*) FROM work_log_stats st JOIN rollup_marks m USING (owner_id) WHERE st.last_rev = m.rev AND st.invalid = 1 AND m.invalid = 1"
	apptest.Eventually(p.t, "everything is counted", func() bool { return counted(p.t, db, told)[0] == "1" })
}

func TestAPrivateDatabaseIsBackedUpAndRestoredByCommandRowByRow(t *testing.T) {
	t.Parallel()
	from := startPrivate(t)
	token := from.User(apptest.Email)
	client := worklog.New(from.URL, token)
	from.write(client)
	from.Command("", "cleanup")
	file := filepath.Join(t.TempDir(), "worklog.backup")
	from.Command("", "backup", file)
	want := from.tables()
	if len(want["archive_objects"]) == 0 || len(want["rollup_tools"]) == 0 {
		t.Fatalf("there is nothing to restore: %v", want)
	}

	to := startPrivate(t)
	to.Stop()
	to.Command("", "restore-backup", file)
	to.Restart()
	got := to.tables()
	for name := range want {
		if g, w := strings.Join(got[name], "\n"), strings.Join(want[name], "\n"); g != w {
			t.Errorf("%s after the restore:\n%s\nbefore:\n%s", name, g, w)
		}
	}
	restored := worklog.New(to.URL, token) // which the backup had
	page, err := restored.Entries(t.Context(), worklog.Query{Limit: 100})
	if err != nil || len(page.Entries) != 13 {
		t.Fatalf("%d entries, %v", len(page.Entries), err)
	}
	for _, e := range page.Entries {
		a, err := client.Entry(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := restored.Entry(t.Context(), e.ID)
		if err != nil || fmt.Sprintf("%+v", b) != fmt.Sprintf("%+v", a) {
			t.Errorf("%s reads\n%+v\nbefore\n%+v (%v)", e.Title, b, a, err)
		}
	}
	if out := to.Command("", "archive", "verify"); strings.HasPrefix(out, "0 objects") || strings.Contains(out, "orphan") {
		t.Errorf("the restored archive:\n%s", out)
	}
}

// A restore that is killed when the rows are there, and what ended after the backup has not ended again, must leave no
// door open: whoever starts next closes it.
func TestAKilledRestoreBringsNoRevokedTokenBack(t *testing.T) {
	t.Parallel()
	p := startPrivate(t)
	token := p.User(apptest.Email)
	if _, err := worklog.New(p.URL, token).Append(t.Context(), worklog.Draft{Title: "x"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "worklog.backup")
	p.Command("", "backup", file)
	p.Command("", "token", "revoke", counted(t, p.db(), "SELECT id FROM tokens")[0])
	ledger := filepath.Join(p.DataDir, "ledger")
	apptest.Eventually(t, "the ledger knows", func() bool { text, _ := os.ReadFile(ledger); return strings.Contains(string(text), " revoke ") })
	p.Stop()
	if err := os.Rename(filepath.Join(p.DataDir, "postgres"), filepath.Join(t.TempDir(), "lost")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(ledger, ledger+".real"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(ledger, 0o600); err != nil { // who reads it waits
		t.Fatal(err)
	}
	killWhen(t, p.App, func() bool {
		f, err := os.OpenFile(ledger, os.O_WRONLY|syscall.O_NONBLOCK, 0) // opens only while somebody reads
		if err == nil {
			_ = f.Close()
		}
		return err == nil
	}, "restore-backup", file)
	if err := os.Rename(ledger+".real", ledger); err != nil {
		t.Fatal(err)
	}
	p.Restart()
	if n := count(t, p.db(), "SELECT count(*) FROM work_logs"); n != 1 {
		t.Fatalf("%d entries are there: the kill came too early", n)
	}
	if _, err := worklog.New(p.URL, token).Append(t.Context(), worklog.Draft{Title: "y"}); worklog.CodeOf(err) != worklog.CodeUnauthorized {
		t.Errorf("the revoked token writes: %v", err)
	}
}
