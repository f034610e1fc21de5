package ingest_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/redact"
	"github.com/worklogdev/worklog/worklog"
)

// secret has the shape of a token of ours, and of none that was ever made.
func secret() string { return "wlg_" + strings.Repeat("aB3dE6", 6) }

func redacting(o *ingest.Options) { o.Redactor = redact.New() }

func (b *bundle) redacted(t *testing.T) int64 {
	t.Helper()
	stats, err := b.store.Stats(b.ctx, b.me.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return stats.Redacted
}

// S-21.
func TestSecretsAreReplacedBeforeAnythingIsStored_S21(t *testing.T) {
	b := setupWith(t, redacting)
	full := worklog.Draft{
		Title: "Bash: curl -H 'Authorization: Bearer " + secret() + "'", Tool: secret(), Details: "a\x1b[31m" + secret()[:9] + "\x1b[0m" + secret()[9:], Source: secret(),
		Conversation: "c/" + secret(), ConversationTitle: secret(), Key: "k/" + secret(), Parent: "p/" + secret(),
		Metadata: worklog.Metadata{"password": "hunter2", "deep": map[string]any{"list": []any{map[string]any{"api_key": "abc", "note": secret()}}}, secret(): 1},
	}
	rec := b.append(t, b.me, full)[0]
	if rec.Outcome != worklog.OutcomeStored || rec.Entry.Title != "Bash: curl -H 'Authorization: Bearer [redacted: worklog token]'" || rec.Entry.Details != "a\x1b[31m[redacted: worklog token]" {
		t.Fatalf("receipt %+v, entry %+v", rec, rec.Entry)
	}
	row, err := b.store.Entry(b.ctx, b.me.User.ID, rec.Entry.ID)
	if err != nil || row.Redacted != 12 {
		t.Errorf("%d secrets in the entry, want 12; %v", row.Redacted, err)
	}
	conv, err := b.store.ConversationByKey(b.ctx, b.me.User.ID, b.Key("c/"+secret()))
	if err != nil || conv.Title != "[redacted: worklog token]" {
		t.Errorf("conversation %+v, %v", conv, err)
	}
	if n := b.redacted(t); n != 12 {
		t.Errorf("%d secrets counted for the owner, want 12", n)
	}
	if dump := b.dump(t); strings.Contains(dump, secret()[:12]) || strings.Contains(dump, secret()[20:]) || strings.Contains(dump, "hunter2") {
		t.Errorf("a secret is in the database: %s", dump)
	}
}

// dump is everything in the tables that hold what agents write.
func (b *bundle) dump(t *testing.T) (text string) {
	t.Helper()
	conn, err := pgx.Connect(b.ctx, b.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(b.ctx)
	for _, table := range []string{"work_logs", "conversations", "work_log_stats"} {
		var part string
		if err := conn.QueryRow(b.ctx, "SELECT COALESCE(string_agg(x::text, ' '), '') FROM "+table+" AS x").Scan(&part); err != nil {
			t.Fatal(err)
		}
		text += part
	}
	return text
}

func TestTheSameSecretKeyIsTheSameEntry(t *testing.T) {
	b := setupWith(t, redacting)
	d := worklog.Draft{Title: "step", Status: worklog.StatusWorking, Key: secret(), Details: "token=" + secret()}
	first := b.append(t, b.me, d)[0]
	second := b.append(t, b.me, d)[0]
	if second.Outcome != worklog.OutcomeUnchanged || second.Entry.ID != first.Entry.ID {
		t.Errorf("the retry is %s of %s, want unchanged of %s", second.Outcome, second.Entry.ID, first.Entry.ID)
	}
	other := d
	other.Key = "wlg_" + strings.Repeat("Zy9xW8", 6)
	if rec := b.append(t, b.me, other)[0]; rec.Outcome != worklog.OutcomeStored {
		t.Errorf("another key is %s", rec.Outcome)
	}
	d.Status, d.Details = worklog.StatusSuccess, "done; password=hunter2, and password=hunter3"
	if rec := b.append(t, b.me, d)[0]; rec.Outcome != worklog.OutcomeUpdated {
		t.Errorf("the end is %s", rec.Outcome)
	}
	row, err := b.store.Entry(b.ctx, b.me.User.ID, first.Entry.ID)
	if err != nil || row.Redacted != 3 {
		t.Errorf("the entry shows %d replaced secrets, want its key and two passwords; %v", row.Redacted, err)
	}
	if n := b.redacted(t); n != 5 {
		t.Errorf("%d secrets counted for the owner, want 2 of each entry and 1 more of the end", n)
	}
}

func TestDraftsThatDifferInASecretAloneAreTheSame(t *testing.T) {
	b := setupWith(t, redacting)
	rec := b.append(t, b.me, worklog.Draft{Title: "login password=hunter2"}, worklog.Draft{Title: "login password=hunter3"})
	if rec[0].Outcome != worklog.OutcomeStored || rec[1].Outcome != worklog.OutcomeMerged || rec[1].Entry.Title != "login password=[redacted: password]" {
		t.Errorf("outcomes %s, %s (%s)", rec[0].Outcome, rec[1].Outcome, rec[1].Entry.Title)
	}
}

func TestASecretAtTheCutOfDetailsLeavesNoHalf(t *testing.T) {
	b := setupWith(t, redacting)
	for _, before := range []int{worklog.MaxDetailsBytes - 60, worklog.MaxDetailsBytes - 30, worklog.MaxDetailsBytes - 10} {
		details := strings.Repeat("x", before-1) + " " + secret() + strings.Repeat(" y", 100)
		rec := b.append(t, b.me, worklog.Draft{Title: "long", Details: details})[0]
		if got := rec.Entry.Details; len(got) > worklog.MaxDetailsBytes || strings.Contains(got, "wlg_") || !strings.Contains(got, "[cut here: ") {
			t.Errorf("after %d bytes: %q", before, got[len(got)-80:])
		}
	}
}

func TestAPatchIsRedacted(t *testing.T) {
	b := setupWith(t, redacting)
	id := b.append(t, b.me, worklog.Draft{Title: "step", Status: worklog.StatusWorking, Key: "k"})[0].Entry.ID
	title, details := "now "+secret(), "password=hunter2"
	e, err := b.Patch(b.ctx, b.me, id, worklog.EntryPatch{Title: &title, Details: &details, Metadata: worklog.Metadata{"token": "abc"}})
	if err != nil || e.Title != "now [redacted: worklog token]" || e.Details != "password=[redacted: password]" || e.Metadata["token"] != "[redacted: token]" {
		t.Errorf("%+v, %v", e, err)
	}
	if row, _ := b.store.Entry(b.ctx, b.me.User.ID, id); row.Redacted != 3 {
		t.Errorf("%d secrets, want 3", row.Redacted)
	}
}

func TestAnInstallationMayKeepEntriesAsTheyAre(t *testing.T) {
	b := setup(t)
	rec := b.append(t, b.token(t, "0192f3a4-7c1e-7d2b-9a44-1f5e6c7d8e9f", account.ScopeWrite), worklog.Draft{Title: secret()})[0]
	if rec.Entry.Title != secret() || b.redacted(t) != 0 || b.Key(secret()) != secret() {
		t.Errorf("stored %q", rec.Entry.Title)
	}
}
