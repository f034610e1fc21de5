package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// in is run with a DATA_DIR.
func (d *desk) in(dir, input string, args ...string) (stdout, stderr string, code int) {
	d.Helper()
	a, out, said := world(d.T, map[string]string{"DATABASE_URL": d.dsn, "DATA_DIR": dir})
	a.stdin = strings.NewReader(input)
	code = a.run(args)
	return out.String(), said.String(), code
}

// acts is what the audit list says about a user, oldest first, and who did it.
func (d *desk) acts(about int64) string {
	d.Helper()
	lines, _, err := d.store.Audit(d.Context(), store.AuditQuery{Subject: about})
	if err != nil {
		d.Fatal(err)
	}
	var words []string
	for _, l := range lines {
		words = append([]string{l.ActorName + ":" + string(l.Action)}, words...)
	}
	return strings.Join(words, " ")
}

func TestCommandsAreInTheAuditList(t *testing.T) {
	d := newDesk(t)
	d.ok(passphrase+"\n", "user", "add", "root@example.org", "--admin", "--password-stdin")
	d.ok("", "user", "add", "ann@example.org")
	ann, _ := d.user("ann@example.org")
	d.ok("", "user", "link", "ann@example.org")
	d.ok(passphrase+"\n", "user", "passwd", "ann@example.org", "--password-stdin")
	d.ok("", "user", "disable", "ann@example.org", "--reason", "left us")
	d.ok("", "user", "disable", "ann@example.org", "--undo")
	d.ok("", "token", "create", "ann@example.org", "--name", "n")
	tokens, err := d.store.Tokens(t.Context(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, stderr, code := d.in(dir, "", "token", "revoke", tokens[0].ID); code != 0 {
		t.Fatal(stderr)
	}
	want := "command line:user.create command line:user.link command line:user.link command line:user.password command line:user.disable command line:user.enable command line:token.create command line:token.revoke"
	if got := d.acts(ann.ID); got != want {
		t.Errorf("written down: %s\nwant %s", got, want)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "ledger")); err != nil || !strings.Contains(string(text), " revoke "+tokens[0].ID+"\n") {
		t.Errorf("the ledger holds %q, %v", text, err)
	}
	if _, stderr, code := d.run("", "user", "disable", "root@example.org"); code != 1 || !strings.Contains(stderr, "last administrator") {
		t.Errorf("the last admin: %d %s", code, stderr)
	}
}

// steps appends n entries of a user.
func (d *desk) steps(owner account.User, n int) {
	d.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	b := store.Batch{Now: at}
	for i := range n {
		draft := worklog.Draft{Title: fmt.Sprintf("step %d of ann", i)}
		draft.Normalize()
		b.Writes = append(b.Writes, store.Write{Owner: owner.ID, EntryID: uuid.NewString(), Facts: change.Of(&draft, at)})
	}
	if _, _, err := d.store.Append(d.Context(), b); err != nil {
		d.Fatal(err)
	}
}

func TestAnExportSaysWhatTheArchiveDidNotGive(t *testing.T) {
	d := newDesk(t)
	d.ok("", "user", "add", "ann@example.org")
	ann, _ := d.user("ann@example.org")
	d.steps(ann, 3)
	db, err := pgx.Connect(t.Context(), d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(t.Context())) }()
	if _, err := db.Exec(t.Context(), "UPDATE work_logs SET storage_status = 'cold', archive_url = 'gone' WHERE seq = 1"); err != nil {
		t.Fatal(err)
	}
	out, stderr, code := d.in(t.TempDir(), "", "user", "export", "ann@example.org")
	if _, err := zip.NewReader(bytes.NewReader([]byte(out)), int64(len(out))); err != nil || code != 1 || !strings.Contains(stderr, "without the details of 1 entries") {
		t.Errorf("exit %d, %v, %s", code, err, stderr)
	}
}

func TestAUserIsExportedAndErasedByCommand(t *testing.T) {
	d := newDesk(t)
	d.ok(passphrase+"\n", "user", "add", "root@example.org", "--admin", "--password-stdin")
	d.ok("", "user", "add", "ann@example.org")
	ann, _ := d.user("ann@example.org")
	d.steps(ann, 700)
	dir := t.TempDir()
	out, stderr, code := d.in(dir, "", "user", "export", "ann@example.org")
	z, err := zip.NewReader(bytes.NewReader([]byte(out)), int64(len(out)))
	if code != 0 || err != nil || len(z.File) != 7 || !strings.Contains(stderr, "700 entries") {
		t.Fatalf("exit %d, %v, %s", code, err, stderr)
	}
	for name, args := range map[string][]string{
		"no reason":   {"user", "erase", "ann@example.org", "--yes"},
		"not meant":   {"user", "erase", "ann@example.org", "--reason", "request 12"},
		"a word":      {"user", "erase", "ann@example.org", "--reason", "x", "--yes"},
		"nobody":      {"user", "erase", "zoe@example.org", "--reason", "request 12", "--yes"},
		"the last":    {"user", "erase", "root@example.org", "--reason", "request 12", "--yes"},
		"not a user":  {"user", "export", "zoe@example.org"},
		"no argument": {"user", "erase"},
	} {
		if _, _, code := d.in(dir, "", args...); code == 0 {
			t.Errorf("%s: it was done", name)
		}
	}
	if n, err := d.store.Erasing(t.Context()); err != nil || len(n) != 0 {
		t.Fatalf("erasing %v, %v", n, err)
	}
	out, stderr, code = d.in(dir, "", "user", "erase", "ANN@example.org", "--reason", "request 12", "--yes")
	if code != 0 || out != "" || !strings.Contains(stderr, "700 entries") {
		t.Fatalf("exit %d, %q, %s", code, out, stderr)
	}
	u, _, err := d.store.UserByID(t.Context(), ann.ID)
	if err != nil || !u.Erased || u.Email != store.ErasedName(ann.ID) {
		t.Errorf("%+v, %v", u, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "ledger")); err != nil || !strings.HasSuffix(string(text), fmt.Sprintf(" erase %d\n", ann.ID)) || strings.Contains(string(text), "ann") {
		t.Errorf("the ledger holds %q, %v", text, err)
	}
	if got := d.acts(ann.ID); got != "command line:user.create command line:user.link command line:user.export command line:user.erase worklog:user.erased" {
		t.Errorf("written down: %s", got)
	}
	if list := d.ok("", "user", "list"); !strings.Contains(list, "erased") || strings.Contains(list, "ann@") {
		t.Errorf("the list: %s", list)
	}
	if _, stderr, code := d.in(dir, "", "user", "erase", store.ErasedName(ann.ID), "--reason", "request 12", "--yes"); code != 0 {
		t.Errorf("once more: %d %s", code, stderr)
	}
	if _, err := d.store.CreateUser(t.Context(), "ann@example.org", "", false); err != nil {
		t.Errorf("the address is not free: %v", err)
	}
}

// An erasure that a killed command began is finished by naming the number.
func TestTheEraseCommandGoesOnWithWhatBegan(t *testing.T) {
	d := newDesk(t)
	d.ok("", "user", "add", "ann@example.org")
	ann, _ := d.user("ann@example.org")
	if err := d.store.By(account.CommandLine()).BeginErasure(t.Context(), ann.ID, "request 12"); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := d.in(t.TempDir(), "", "user", "erase", store.ErasedName(ann.ID), "--reason", "request 12"); code != 0 {
		t.Fatal(stderr)
	}
	if u, _, err := d.store.UserByID(t.Context(), ann.ID); err != nil || !u.Erased {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestNoCommandGetsPastAHold(t *testing.T) {
	d := newDesk(t)
	d.old("ann@example.org", "work", 40, 100)
	ann, _ := d.user("ann@example.org")
	conv, err := d.store.FindConversation(t.Context(), ann.ID, "work")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.store.By(account.CommandLine()).Hold(t.Context(), conv.ID, true, "court order 7"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, said, code := d.at(dir, "cleanup"); code != 0 || strings.Contains(out, "40") {
		t.Errorf("the sweep: exit %d\n%s%s", code, out, said)
	}
	if _, said, code := d.at(dir, "user", "erase", "ann@example.org", "--reason", "asked", "--yes"); code == 0 || !strings.Contains(said, "under hold") {
		t.Errorf("the erasure: exit %d\n%s", code, said)
	}
	stats, err := d.store.Stats(t.Context(), ann.ID)
	if err != nil || stats.Entries[worklog.StorageHot] != 2 {
		t.Errorf("held were 2 entries, there are %v, %v", stats.Entries, err)
	}
}
