package export_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/export"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func at() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func write(t *testing.T, st *store.Store, owner int64, drafts ...worklog.Draft) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	b := store.Batch{Now: now}
	for i := range drafts {
		d := &drafts[i]
		d.Normalize()
		b.Writes = append(b.Writes, store.Write{Owner: owner, EntryID: uuid.NewString(), Conversation: d.Conversation, Facts: change.Of(d, now)})
	}
	if _, locked, err := st.Append(t.Context(), b); err != nil || len(locked) > 0 {
		t.Fatalf("append: %v, locked %v", err, locked)
	}
}

// read unpacks a zip.
func read(t *testing.T, data []byte) map[string][]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = []string{}
		for lines := bufio.NewScanner(r); lines.Scan(); {
			files[f.Name] = append(files[f.Name], lines.Text())
		}
	}
	return files
}

// newRecords is a store in which ann has something of everything, an entry in the archive included, and so has bob.
func newRecords(t *testing.T) (st *store.Store, a *archive.Archive, ann account.User) {
	t.Helper()
	ctx, st := t.Context(), storetest.New(t)
	ann, err := st.CreateUser(ctx, "ann@example.org", "secret-hash", false)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := st.CreateUser(ctx, "bob@example.org", "", true)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := archive.Open("file://"+filepath.Join(t.TempDir(), "archive"), archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := st.Installation(ctx)
	if err != nil {
		t.Fatal(err)
	}
	a = archive.New(bucket, id, st)
	old := time.Now().Add(-3 * time.Hour)
	write(t, st, ann.ID, worklog.Draft{Title: "cold", Details: "from the archive", Metadata: worklog.Metadata{"k": "v"}, LoggedAt: &old, Conversation: "one"})
	sweeper := retention.New(st, a, retention.Settings{Hot: time.Hour, Warm: 2 * time.Hour, Cold: 1000 * time.Hour})
	if _, err := sweeper.Run(ctx, retention.Options{}); err != nil {
		t.Fatal(err)
	}
	write(t, st, ann.ID, worklog.Draft{Title: "<hot> & new", Details: strings.Repeat("long ", 5000), Conversation: "two"}, worklog.Draft{Title: "unfiled"})
	write(t, st, bob.ID, worklog.Draft{Title: "bob's own", Conversation: "one"})
	giveAccess(t, st, ann, bob)
	return st, a, ann
}

// giveAccess gives ann tokens, a session and, by bob, a limit.
func giveAccess(t *testing.T, st *store.Store, ann, bob account.User) {
	t.Helper()
	ctx := t.Context()
	for i, name := range []string{"laptop", "revoked"} {
		token := account.Token{ID: uuid.NewString(), OwnerID: ann.ID, Name: name, Prefix: "wlg_abcd", Scopes: []account.Scope{account.ScopeWrite}}
		if err := st.CreateToken(ctx, token, account.HashSecret(name)); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := st.RevokeToken(ctx, ann.ID, token.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	session, err := json.Marshal(account.Session{User: ann, PasswordHash: "secret-hash", Agent: "Browser/1", Address: "192.0.2.1", SignedInAt: at(), Deadline: time.Now().Add(time.Hour)})
	if err == nil {
		err = st.SessionStore().CommitCtx(ctx, "cookie", session, time.Now().Add(time.Hour))
	}
	if err == nil {
		err = st.By(account.Actor{User: bob.ID, Address: "192.0.2.99"}).SetLimit(ctx, ann.ID, 77)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestExportHoldsEverythingOfOneUserAndNothingOfOthers(t *testing.T) {
	t.Parallel()
	st, a, ann := newRecords(t)
	var out bytes.Buffer
	told := int64(0)
	if lacking, err := export.New(st, a).Write(t.Context(), &out, ann.ID, at(), func(n int64) { told = n }); err != nil || lacking != 0 {
		t.Fatalf("%d entries lack something, %v", lacking, err)
	}
	files := read(t, out.Bytes())
	all := fmt.Sprint(files)
	for _, never := range []string{"bob's own", "secret-hash", "192.0.2.99", `\u003c`} {
		if strings.Contains(all, never) {
			t.Errorf("the export holds %q", never)
		}
	}
	for name, want := range map[string][]string{
		"README.txt":           {"entries.ndjson"},
		"profile.json":         {`"email": "ann@example.org"`, `"limit": 77`, `"stored": 3`, `"exported_at": "2026-11-22T12:00:00Z"`},
		"conversations.ndjson": {`"key":"one"`, `"key":"two"`},
		"entries.ndjson":       {"from the archive", `"k":"v"`, "<hot> & new", strings.Repeat("long ", 5000), "unfiled"},
		"tokens.ndjson":        {`"name":"laptop"`, `"name":"revoked"`},
		"sessions.ndjson":      {`"agent":"Browser/1"`, `"address":"192.0.2.1"`},
		"audit.ndjson":         {`"action":"user.limit"`, `"actor":"bob@example.org"`},
	} {
		for _, w := range want {
			if !strings.Contains(strings.Join(files[name], "\n"), w) {
				t.Errorf("%s lacks %.40q: %.300s", name, w, files[name])
			}
		}
	}
	if n := len(files["entries.ndjson"]); n != 3 || told != 3 || len(files["tokens.ndjson"]) != 2 || len(files["conversations.ndjson"]) != 2 {
		t.Errorf("%d entries, told %d, %d tokens, %d conversations", n, told, len(files["tokens.ndjson"]), len(files["conversations.ndjson"]))
	}
	for name, list := range files {
		for _, line := range list {
			if strings.HasSuffix(name, ".ndjson") && !json.Valid([]byte(line)) {
				t.Errorf("%s: %.100q is no JSON", name, line)
			}
		}
	}
}

// endless has many entries and little else.
type endless struct{ entries int64 }

func (e endless) UserByID(context.Context, int64) (account.User, string, error) {
	return account.User{ID: 7}, "", nil
}
func (e endless) Stats(context.Context, int64) (worklog.Stats, error) { return worklog.Stats{}, nil }
func (e endless) ExportConversations(context.Context, int64, string, int) ([]store.Conversation, error) {
	return nil, nil
}
func (e endless) ExportTokens(context.Context, int64) ([]account.Token, error) { return nil, nil }
func (e endless) Sessions(context.Context, int64) ([]account.Session, error)   { return nil, nil }
func (e endless) Audit(context.Context, store.AuditQuery) ([]account.AuditLine, int64, error) {
	return nil, 0, nil
}
func (e endless) Fill(context.Context, *store.Row) error { return nil }
func (e endless) ExportEntries(_ context.Context, _, after int64, limit int) ([]store.Row, error) {
	var rows []store.Row
	for seq := after + 1; seq <= min(after+int64(limit), e.entries); seq++ {
		rows = append(rows, store.Row{Entry: worklog.Entry{ID: "x", Seq: seq, Title: "t", Details: strings.Repeat("d", 1000)}})
	}
	return rows, nil
}

func TestExportTakesTheSameMemoryWhateverItsSize(t *testing.T) {
	const entries = 16_000 // 16 MB of details
	most, first := uint64(0), uint64(0)
	measure := func(n int64) {
		if n%2_000 != 0 {
			return
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		if first == 0 {
			first = m.HeapAlloc
		}
		most = max(most, m.HeapAlloc)
	}
	if _, err := export.New(endless{entries}, endless{}).Write(t.Context(), io.Discard, 7, at(), measure); err != nil {
		t.Fatal(err)
	}
	if most > first+4<<20 {
		t.Errorf("%d MB after the first pages, %d MB at most", first>>20, most>>20)
	}
}

// shut is a client that leaves.
type shut struct{ left int }

var errGone = errors.New("gone")

func (s *shut) Write(b []byte) (int, error) {
	if s.left -= len(b); s.left < 0 {
		return 0, errGone
	}
	return len(b), nil
}

func TestExportEndsWithItsReader(t *testing.T) {
	t.Parallel()
	if _, err := export.New(endless{1_000_000_000}, endless{}).Write(t.Context(), &shut{left: 100_000}, 7, at(), nil); !errors.Is(err, errGone) {
		t.Errorf("it ends with %v", err)
	}
}

// away is an archive that does not answer, as its readers find out after ten seconds each.
type away struct{ asked *int }

func (a away) Fill(_ context.Context, row *store.Row) error {
	*a.asked++
	row.Archive = worklog.ArchiveUnavailable
	return errors.New("no route to host")
}

// cold is a user all of whose entries are in the archive.
type cold struct{ endless }

func (c cold) ExportEntries(ctx context.Context, owner, after int64, limit int) ([]store.Row, error) {
	rows, err := c.endless.ExportEntries(ctx, owner, after, limit)
	for i := range rows {
		rows[i].Details, rows[i].ArchiveName, rows[i].Archive = "", "object", worklog.ArchiveUnread
	}
	return rows, err
}

func TestAnArchiveThatIsAwayIsNotWaitedForWithEveryEntry(t *testing.T) {
	t.Parallel()
	asked := 0
	var out bytes.Buffer
	lacking, err := export.New(cold{endless{300}}, away{&asked}).Write(t.Context(), &out, 7, at(), nil)
	if err != nil || lacking != 300 {
		t.Fatalf("%d entries lack something, %v", lacking, err)
	}
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
	lines := read(t, out.Bytes())["entries.ndjson"]
	if n := strings.Count(strings.Join(lines, "\n"), `"archive":"unavailable"`); len(lines) != 300 || n != 300 {
		t.Errorf("%d of %d entries say so", n, len(lines))
	}
}
