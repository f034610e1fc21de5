package store_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
)

// Numbers are given before their rows are committed: a line with a smaller one may be younger than the dump's users.
func TestADumpHasNoLineThatNamesAUserWhoIsNotInIt(t *testing.T) {
	t.Parallel()
	s, to := storetest.New(t), storetest.Open(t, storetest.Empty(t))
	other, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.WithoutCancel(t.Context())) }()
	late, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"INSERT INTO users (email, created_at) VALUES ('late@example.org', now())",
		"INSERT INTO audit (at, actor, action, subject_id) SELECT now(), 'worklog', 'user.create', id FROM users",
		"INSERT INTO audit (at, actor_id, action) SELECT now(), id, 'retention.sweep' FROM users",
		"INSERT INTO sweeps (started_by, user_id, started_at, updated_at) SELECT 'page', id, now(), now() FROM users",
	} {
		if _, err := late.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.By(account.Program()).BeginSweep(t.Context(), &store.Sweep{StartedBy: "command", StartedAt: time.Now(), UpdatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	d := newDump()
	head, err := s.DumpShared(t.Context(), func(x store.DumpTable) (io.Writer, error) {
		if x.Name == "users" {
			if err := late.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return d.table(x)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Load(t.Context(), head, d.load(t)); err != nil {
		t.Fatalf("the dump can not be loaded: %v", err)
	}
	if lines := rowsOf(t, to, "audit"); strings.Count(lines, "\n") != 0 || !strings.Contains(lines, "retention.sweep") {
		t.Errorf("lines are\n%s", lines)
	}
	if sweeps := rowsOf(t, to, "sweeps"); strings.Count(sweeps, "\n") != 0 || !strings.Contains(sweeps, "command") {
		t.Errorf("sweeps are\n%s", sweeps)
	}
}
