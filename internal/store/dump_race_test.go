package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
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

func TestAnErasureThatBeginsDuringADumpHasBegunInTheCopy(t *testing.T) {
	t.Parallel()
	s, to := storetest.New(t), storetest.Open(t, storetest.Empty(t))
	u, err := s.CreateUser(t.Context(), "Ann.b@example.org", "hash", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser(t.Context(), "root@example.org", "hash", true); err != nil {
		t.Fatal(err)
	}
	secret := account.NewSecret()
	token := account.Token{ID: uuid.NewString(), OwnerID: u.ID, Name: "n", Prefix: secret[:account.ShownPrefix], Scopes: []account.Scope{account.ScopeWrite}, CreatedAt: time.Now()}
	by := s.By(account.Program())
	act := account.Act{Action: account.ActUserLink, Subject: u.ID, Reason: "ann.B@example.org asked"}
	batch := store.Batch{Now: time.Now().UTC(), Writes: []store.Write{writeOf(u.ID, worklog.Draft{Title: "hers", Conversation: "c"})}}
	_, _, err = s.Append(t.Context(), batch)
	if err := errors.Join(err, s.CreateToken(t.Context(), token, account.HashSecret(secret)), by.Record(t.Context(), act)); err != nil {
		t.Fatal(err)
	}
	d := newDump()
	head, err := s.DumpShared(t.Context(), d.table)
	if err := errors.Join(err, by.BeginErasure(t.Context(), u.ID, "asked")); err != nil {
		t.Fatal(err)
	}
	for _, owner := range head.Owners {
		if _, err := s.DumpOwner(t.Context(), owner, d.table); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Load(t.Context(), head, d.load(t)); err != nil {
		t.Fatal(err)
	}
	if ids, err := to.Erasing(t.Context()); err != nil || fmt.Sprint(ids) != fmt.Sprint([]int64{u.ID}) {
		t.Errorf("being erased: %v, %v", ids, err)
	}
	for _, table := range []string{"users", "tokens", "audit", "conversations"} {
		if rows := rowsOf(t, to, table); strings.Contains(strings.ToLower(rows), "ann.b@") || table == "tokens" && rows != "" {
			t.Errorf("%s after the restore:\n%s", table, rows)
		}
	}
	if lines, _, err := to.Audit(t.Context(), store.AuditQuery{Action: account.ActUserErase}); err != nil || len(lines) != 1 || lines[0].Subject != u.ID {
		t.Errorf("the audit list has %+v, %v", lines, err)
	}
	if _, _, err := to.EraseSome(t.Context(), u.ID, 0); err != nil {
		t.Errorf("the erasure does not go on: %v", err)
	}
}

// Entries that leave a conversation take keep over, and no rev.
func TestAConversationThatCameAndWentDuringADumpLeavesWhatWasKept(t *testing.T) {
	t.Parallel()
	s, to := storetest.New(t), storetest.Open(t, storetest.Empty(t))
	s.SetDumpStep(3)
	u, err := s.CreateUser(t.Context(), "ann@example.org", "", false)
	if err != nil {
		t.Fatal(err)
	}
	add := func(conversation string, n int) {
		t.Helper()
		b := store.Batch{Now: time.Now().UTC().Truncate(time.Microsecond)}
		for range n {
			b.Writes = append(b.Writes, writeOf(u.ID, worklog.Draft{Title: "entry", Conversation: conversation}))
		}
		if _, _, err := s.Append(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
	add("stays", 10)
	keep := true
	dumpedAs(t, s, to, u.ID, func(between int) {
		switch between {
		case 2:
			add("came", 2)
		case 5: // its entries are in part 4, and in this one as they have changed since the dump began
			came, err := s.ConversationByKey(t.Context(), u.ID, "came")
			if err == nil {
				_, err = s.UpdateConversation(t.Context(), u.ID, came.ID, worklog.ConversationPatch{Keep: &keep})
			}
			if err == nil {
				err = errors.Join(s.DeleteConversation(t.Context(), u.ID, came.ID), s.FinishDeletions(t.Context()))
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
}
