package api_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// cleanup asks for a sweep and returns its report.
func (s *server) cleanup(admin, body string) (r retention.Report) {
	s.t.Helper()
	a := s.do(http.MethodPost, "/api/v1/admin/cleanup", admin, body)
	if a.status != http.StatusOK {
		s.t.Fatalf("cleanup %s: %d %s", body, a.status, a.body)
	}
	a.into(s.t, &r)
	return r
}

// old stores an entry of so many days ago and returns its id.
func (s *server) old(token string, days int) string {
	s.t.Helper()
	at := s.clock.now().AddDate(0, 0, -days)
	d := worklog.Draft{Title: "old", Details: strings.Repeat("line\n", 100), Metadata: worklog.Metadata{"exit": 0}, LoggedAt: &at}
	receipts := must[[]worklog.Receipt](s.t)(s.client(token).Append(s.t.Context(), d))
	return receipts[0].Entry.ID
}

func TestAdminsSweepAndOthersDoNot(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	user, admin := s.user("ann@example.org"), s.user("admin@example.org", account.ScopeAdmin)
	s.old(user, 10)
	s.old(user, 40)
	for name, token := range map[string]string{"a user's token": user, "an admin's token without the scope": s.user("admin@example.org", account.ScopeRead)} {
		if a := s.do(http.MethodPost, "/api/v1/admin/cleanup", token, `{"dry_run":true}`); a.status != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, a.status)
		}
	}
	if a := s.do(http.MethodPost, "/api/v1/admin/cleanup", admin, `{"dryrun":true}`); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown member: %d, want 422", a.status)
	}
	dry := s.cleanup(admin, `{"dry_run":true}`)
	if !dry.DryRun || dry.Warm != 1 || dry.Cold != 1 || len(dry.Steps) != 4 || dry.Steps[2].Owners[0].Email != "ann@example.org" {
		t.Errorf("dry run %+v", dry)
	}
	r := s.cleanup(admin, `{}`)
	if r.State != store.SweepDone || r.Warm != 1 || r.Cold != 1 || r.StartedBy != "api" || r.ID == 0 {
		t.Errorf("sweep %+v", r)
	}
	var history struct {
		Sweeps []store.Sweep
		Next   time.Time
	}
	s.do(http.MethodGet, "/api/v1/admin/cleanup?limit=5", admin, "").into(t, &history)
	if len(history.Sweeps) != 1 || history.Sweeps[0].Cold != 1 || !history.Next.After(s.clock.now()) {
		t.Errorf("history %+v", history)
	}
}

func TestASweepBesideAnotherIsAConflictAndNotInTheAuditList(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	admin := s.user("admin@example.org", account.ScopeAdmin)
	_, release, err := s.store.LockRetention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	a := s.do(http.MethodPost, "/api/v1/admin/cleanup", admin, `{}`)
	if a.status != http.StatusConflict && a.status != http.StatusServiceUnavailable { // when the database needs long to say so
		t.Errorf("beside another sweep: %d %s, want 409", a.status, a.body)
	}
	lines, _, err := s.store.Audit(t.Context(), store.AuditQuery{Action: account.ActSweep})
	if err != nil || len(lines) != 0 {
		t.Errorf("the audit list has %v, %v", lines, err)
	}
}

func TestNoRequestGetsPastAHold(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	user, admin := s.user("ann@example.org"), s.user("admin@example.org", account.ScopeAdmin)
	at := s.clock.now().AddDate(0, 0, -100)
	r := must[[]worklog.Receipt](t)(s.client(user).Append(t.Context(), worklog.Draft{Title: "evidence", Conversation: "c", LoggedAt: &at}))[0]
	if err := s.store.By(account.CommandLine()).Hold(t.Context(), r.Entry.ConversationID, true, "court order 7"); err != nil {
		t.Fatal(err)
	}
	if a := s.do(http.MethodDelete, "/api/v1/conversations/"+r.Entry.ConversationID, user, ""); a.status != http.StatusConflict || !strings.Contains(string(a.body), "holds this conversation") {
		t.Errorf("its owner's deletion: %d %s, want 409", a.status, a.body)
	}
	if dry := s.cleanup(admin, `{"dry_run":true}`); dry.Deleted+dry.Cold+dry.Warm+dry.Archived != 0 {
		t.Errorf("dry run %+v", dry.Sweep)
	}
	if sweep := s.cleanup(admin, `{}`); sweep.State != store.SweepDone || sweep.Deleted+sweep.Cold+sweep.Warm+sweep.Archived != 0 {
		t.Errorf("sweep %+v", sweep.Sweep)
	}
	if e := must[worklog.Entry](t)(s.client(user).Entry(t.Context(), r.Entry.ID)); e.ConversationID != r.Entry.ConversationID || e.StorageStatus != worklog.StorageHot {
		t.Errorf("what is held is %+v", e)
	}
}

func TestAnArchivedEntrySaysWhereItsPayloadIs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	user, admin := s.user("ann@example.org"), s.user("admin@example.org", account.ScopeAdmin)
	id := s.old(user, 40)
	s.cleanup(admin, `{}`)
	client := s.client(user)
	page := must[worklog.Page](t)(client.Entries(t.Context(), worklog.Query{}))
	if e := page.Entries[0]; e.Archive != worklog.ArchiveUnread || e.Details != "" || e.StorageStatus != worklog.StorageCold {
		t.Errorf("in a list: %+v", e)
	}
	entry := must[worklog.Entry](t)(client.Entry(t.Context(), id))
	if entry.Archive != worklog.ArchiveRead || entry.Details != strings.Repeat("line\n", 100) || len(entry.Metadata) != 1 {
		t.Errorf("alone: %+v", entry)
	}
}

func TestAMissingOrDamagedObjectIsSaidAndBreaksNothing(t *testing.T) {
	t.Parallel()
	for want, harm := range map[worklog.ArchiveState]func(path string) error{
		worklog.ArchiveMissing: os.Remove,
		worklog.ArchiveDamaged: func(path string) error { return os.WriteFile(path, []byte("not what was written"), 0o600) },
	} {
		s := newServer(t)
		user, admin := s.user("ann@example.org"), s.user("admin@example.org", account.ScopeAdmin)
		id := s.old(user, 40)
		s.cleanup(admin, `{}`)
		err := filepath.WalkDir(s.archiveDir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return harm(path)
		})
		if err != nil {
			t.Fatal(err)
		}
		entry := must[worklog.Entry](t)(s.client(user).Entry(t.Context(), id))
		if entry.Archive != want || entry.Details != "" || entry.Title != "old" {
			t.Errorf("%s: %+v", want, entry)
		}
	}
}
