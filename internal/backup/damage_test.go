package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/backup"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestDamagedBackupIsRefusedAndLoadsNothing(t *testing.T) {
	t.Parallel()
	from := lived(t)
	raw, err := os.ReadFile(from.backup())
	from.must(err)
	flipped := bytes.Clone(raw)
	member := bytes.Index(flipped, []byte("rows/work_logs/"))
	flipped[member+512+50] ^= 0xff // behind the head of the member
	for what, damaged := range map[string]struct {
		data []byte
		want string
	}{
		"cut in the middle":  {raw[:len(raw)/2], "not whole"},
		"without its end":    {raw[:len(raw)-8192], "not whole"},
		"with a changed bit": {flipped, "rows/work_logs/"},
		"something else":     {bytes.Repeat([]byte("no backup "), 1000), "no backup of worklog"},
		"empty":              {nil, "not whole"},
		"of a later format":  {withManifest(t, raw, func(m map[string]any) { m["format"] = 2 }), "format 2"},
		"with a foreign object": {withManifest(t, raw, func(m map[string]any) {
			m["installation"] = uuid.NewString()
		}), "not an object of this installation"},
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "damaged")
			if err := os.WriteFile(path, damaged.data, 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := backup.Open(t.Context(), path)
			if err == nil {
				_ = b.Close()
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), damaged.want) {
				t.Errorf("got %q, want something of %q", err, damaged.want)
			}
		})
	}
}

// withManifest changes the manifest of a backup.
func withManifest(t *testing.T, raw []byte, change func(map[string]any)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		data, readErr := io.ReadAll(r)
		if err = errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		if head.Name == "manifest.json" {
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			change(m)
			if data, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			head.Size = int64(len(data))
		}
		if err := errors.Join(w.WriteHeader(head), func() error { _, err := w.Write(data); return err }()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestMissingObjectIsNamedAndTheRestIsBackedUp(t *testing.T) {
	t.Parallel()
	from := lived(t)
	name := from.one("SELECT name FROM archive_objects LIMIT 1")
	from.must(from.bucket.Delete(t.Context(), name))
	path := filepath.Join(t.TempDir(), "worklog.backup")
	m, err := backup.Write(t.Context(), path, from.Store, from.bucket, backup.Options{Now: time.Now})
	from.must(err)
	if len(m.Missing) != 1 || m.Missing[0].Object != name {
		t.Errorf("missing: %+v", m.Missing)
	}
	to := newSite(t, storetest.Empty(t))
	to.must(restore(t, path, to))
	if got, want := to.tables()["work_logs"], from.tables()["work_logs"]; got != want {
		t.Error("entries are not those that were backed up")
	}
}

func TestBackupThatFailsLeavesTheLastOne(t *testing.T) {
	t.Parallel()
	from := lived(t)
	path := from.backup()
	before, err := os.ReadFile(path)
	from.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = backup.Write(ctx, path, from.Store, from.bucket, backup.Options{Now: time.Now, Progress: func(backup.Progress) { cancel() }})
	if err == nil {
		t.Fatal("a backup that was stopped says that it is whole")
	}
	after, err := os.ReadFile(path)
	from.must(err)
	if !bytes.Equal(before, after) {
		t.Error("the last backup is gone")
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABackupThatIsNotOnDiskDoesNotReplaceTheLastOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b")
	for name, text := range map[string]string{path: "the last one", path + ".partial": "not on disk"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path + ".partial")
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close() // so that it can not be synced
	if err := backup.Publish(f, path); err == nil {
		t.Error("a file that could not be synced counts as whole")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "the last one" {
		t.Errorf("the last backup is %q, %v", text, err)
	}
	if _, err := os.Stat(path + ".partial"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the other one is left behind: %v", err)
	}
}

// away is an archive that does not answer.
type away struct{ archive.Bucket }

func (away) Get(context.Context, string, int64) ([]byte, error) {
	return nil, errors.New("dial tcp: connection refused")
}

func TestABackupWithoutTheArchiveLeavesTheLastOne(t *testing.T) {
	t.Parallel()
	from := lived(t)
	path := from.backup()
	before, err := os.ReadFile(path)
	from.must(err)
	unmounted, err := archive.Open("file://"+t.TempDir(), archive.Credentials{})
	from.must(err)
	for what, bucket := range map[string]archive.Bucket{"away": away{from.bucket}, "not mounted": unmounted} {
		if _, err := backup.Write(t.Context(), path, from.Store, bucket, backup.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "archive") {
			t.Errorf("%s: %v", what, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the last backup is gone, %v", what, err)
		}
	}
}

func TestNothingIsSweptWhileABackupRuns(t *testing.T) {
	t.Parallel()
	from := lived(t)
	swept := false
	_, err := backup.Write(t.Context(), filepath.Join(t.TempDir(), "b"), from.Store, from.bucket, backup.Options{Now: time.Now, Progress: func(backup.Progress) {
		if swept {
			return
		}
		swept = true
		if _, release, err := from.LockRetention(t.Context()); worklog.CodeOf(err) != worklog.CodeConflict {
			t.Errorf("a sweep could begin: %v", err)
			release()
		}
	}})
	from.must(err)
	if !swept {
		t.Error("nothing was tried")
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("got %q, want %q", g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// tables is every table of the schema as text.
func (s *site) tables() map[string]string {
	s.t.Helper()
	tables := map[string]string{}
	for name := range strings.FieldsSeq(s.one("SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = current_schema()")) {
		switch name {
		case "bun_migrations", "bun_migration_locks", "installation": // when it was installed, and what is compared on its own
		default:
			tables[name] = s.one("SELECT COALESCE(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM " + name + " t")
		}
	}
	return tables
}

// one returns the text that a query gives.
func (s *site) one(query string) (text string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.dsn)
	s.must(err)
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	s.must(conn.QueryRow(s.t.Context(), query).Scan(&text))
	return text
}

func TestAManifestThatCouldNotBeReadAgainIsNotWritten(t *testing.T) {
	t.Parallel()
	m := backup.Manifest{Members: []backup.Member{{Name: "rows/users/000000.copy.zst"}}}
	if _, err := m.Encode(1000); err != nil {
		t.Error(err)
	}
	for range 10 {
		m.Members = append(m.Members, m.Members[0])
	}
	if _, err := m.Encode(1000); err == nil || !strings.Contains(err.Error(), "11 parts") {
		t.Errorf("eleven parts in 1,000 bytes: %v", err)
	}
}

func TestAManifestThatIsTooLargeIsNotSaidToBeDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "large.backup")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	err = tar.NewWriter(f).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: 257 << 20, Mode: 0o600})
	if err := errors.Join(err, f.Truncate(258<<20), f.Close()); err != nil { // with a hole that takes no room
		t.Fatal(err)
	}
	if _, err := backup.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("opened: %v", err)
	}
}
