package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const installation = "11111111-2222-4333-8444-555555555555"

// catalog is the part of the store that knows objects.
type catalog map[string]store.ArchiveObject

func (c catalog) Object(_ context.Context, name string) (store.ArchiveObject, error) {
	if o, ok := c[name]; ok {
		return o, nil
	}
	return store.ArchiveObject{}, worklog.Errorf(worklog.CodeNotFound, "not found")
}

func (c catalog) Objects(_ context.Context, owner int64, _ string, _ int) (list []store.ArchiveObject, err error) {
	for _, o := range c {
		if o.Owner == owner {
			list = append(list, o)
		}
	}
	return list, nil
}

func (catalog) NeedsArchive(context.Context, int64) (bool, error) { return false, nil }

func (c catalog) ForgetObjectsOf(_ context.Context, _ int64, names []string) error {
	for _, name := range names {
		delete(c, name)
	}
	return nil
}

// buckets are a folder and a server that speaks S3.
func buckets(t *testing.T) map[string]archive.Bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("cold"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	list := map[string]archive.Bucket{}
	for kind, url := range map[string]string{
		"file": "file://" + filepath.Join(t.TempDir(), "archive"), "s3": "s3://cold/some/prefix?region=us-east-1&endpoint=" + server.URL, "s3 without a prefix": "s3://cold?region=us-east-1&endpoint=" + server.URL,
	} {
		b, err := archive.Open(url, archive.Credentials{AccessKey: "key", SecretKey: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		list[kind] = b
	}
	return list
}

func payloads(owner int64, n int) (list []store.Payload) {
	for i := range n {
		list = append(list, store.Payload{
			Owner: owner, Seq: int64(i + 1), ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), LoggedAt: time.Unix(int64(i), 0).UTC(),
			Details: fmt.Sprintf("details %d <&>\u2028\x1b[2J\"\\\n", i) + strings.Repeat("line\n", 50), Metadata: []byte(fmt.Sprintf(`{"n": %d, "big": 12345678901234567890}`, i)),
		})
	}
	return list
}

func TestWhatIsWrittenComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for kind, b := range buckets(t) {
		known := catalog{}
		a := archive.New(b, installation, known)
		list := payloads(7, 300)
		o, data, err := a.Pack(7, list, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		known[o.Name] = o
		if !strings.HasPrefix(o.Name, installation+"/7/") || o.Entries != 300 || o.Bytes != int64(len(data)) {
			t.Errorf("object %+v", o)
		}
		if err := a.Write(t.Context(), o, data); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if err := a.Check(t.Context(), o); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for _, p := range list {
			details, metadata, err := a.Payload(t.Context(), o.Name, p.ID)
			if err != nil || details != p.Details || !bytes.Contains(metadata, []byte("12345678901234567890")) {
				t.Fatalf("%s: %s: %.40q %s %v", kind, p.ID, details, metadata, err)
			}
		}
		if _, _, err := a.Payload(t.Context(), o.Name, "stranger"); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%s: an entry that the object does not have: %v", kind, err)
		}
		var names []string
		for name, err := range a.Names(t.Context()) {
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			names = append(names, name)
		}
		if fmt.Sprint(names) != fmt.Sprint([]string{o.Name}) {
			t.Errorf("%s: names %v", kind, names)
		}
		for range 2 { // the second time there is nothing to delete
			if err := a.Drop(t.Context(), o.Name); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if err := a.Check(t.Context(), o); !errors.Is(err, archive.ErrMissing) {
			t.Errorf("%s: after it was dropped: %v", kind, err)
		}
	}
}

func TestAnOwnersObjectsAreDroppedWithoutTouchingOthers(t *testing.T) {
	t.Parallel()
	for kind, b := range buckets(t) {
		known := catalog{}
		a := archive.New(b, installation, known)
		for _, owner := range []int64{7, 7, 77} {
			o, data, err := a.Pack(owner, payloads(owner, 3), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			known[o.Name] = o
			if err := a.Write(t.Context(), o, data); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Put(t.Context(), installation+"/7/stray.tmp", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := a.DropOwner(t.Context(), 7); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		n := 0
		for name, err := range a.Names(t.Context()) {
			if n++; err != nil || !strings.HasPrefix(name, installation+"/77/") {
				t.Errorf("%s: left is %s, %v", kind, name, err)
			}
		}
		if n != 1 || len(known) != 1 {
			t.Errorf("%s: %d objects are left, %d known", kind, n, len(known))
		}
	}
}

func TestDamageOfEveryKindIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := archive.Open("file://"+dir, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	bomb := zstdBomb(t)
	for what, harm := range map[string]func([]byte) []byte{
		"truncated":  func(d []byte) []byte { return d[:len(d)/2] },
		"one bit":    func(d []byte) []byte { d[len(d)/2] ^= 1; return d },
		"longer":     func(d []byte) []byte { return append(d, 0) },
		"empty":      func([]byte) []byte { return nil },
		"not zstd":   func([]byte) []byte { return []byte("hello") },
		"zstd bomb":  func([]byte) []byte { return bomb },
		"other zstd": func([]byte) []byte { return deflate(t, []byte("{\"id\":\"x\"}\nnot json\n")) },
	} {
		known := catalog{}
		a := archive.New(b, installation, known)
		o, data, err := a.Pack(7, payloads(7, 3), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Write(t.Context(), o, data); err != nil {
			t.Fatal(err)
		}
		known[o.Name] = o
		harmed := harm(bytes.Clone(data))
		if err := os.WriteFile(filepath.Join(dir, o.Name), harmed, 0o600); err != nil {
			t.Fatal(err)
		}
		row := store.Row{ArchiveName: o.Name, Entry: worklog.Entry{ID: payloads(7, 1)[0].ID}}
		if err := a.Fill(t.Context(), &row); err == nil || row.Archive != worklog.ArchiveDamaged || row.Details != "" {
			t.Errorf("%s: %s, %v", what, row.Archive, err)
		}
		if what == "zstd bomb" || what == "other zstd" { // even when the checksum agrees
			o.SHA256, o.Bytes = sum(harmed), int64(len(harmed))
			if err := a.Check(t.Context(), o); !errors.Is(err, archive.ErrDamaged) {
				t.Errorf("%s with its own checksum: %v", what, err)
			}
		}
	}
}

func TestNamesCanNotLeaveTheFolder_S18(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "archive"), filepath.Join(dir, "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(inside, "up")); err != nil {
		t.Fatal(err)
	}
	b, err := archive.Open("file://"+inside, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../secret", "link", "up/secret", "/etc/passwd", "a/../../secret"} {
		if data, err := b.Get(t.Context(), name, 100); err == nil {
			t.Errorf("%s is read: %q", name, data)
		}
		if name != "link" { // writing replaces a link, it does not follow it
			if err := b.Put(t.Context(), name, []byte("x")); err == nil {
				t.Errorf("%s is written", name)
			}
		}
	}
	if data, err := os.ReadFile(outside); err != nil || string(data) != "secret" {
		t.Errorf("the file outside holds %q, %v", data, err)
	}
}

func TestAServerThatIsAwayIsNotTakenForAMissingObject(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	b, err := archive.Open("s3://cold?region=us-east-1&endpoint="+server.URL, archive.Credentials{AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	known := catalog{"x": {Name: "x", Bytes: 10}}
	row := store.Row{ArchiveName: "x", Entry: worklog.Entry{ID: "y"}}
	if err := archive.New(b, installation, known).Fill(t.Context(), &row); err == nil || row.Archive != worklog.ArchiveUnavailable {
		t.Errorf("%s, %v", row.Archive, err)
	}
	if err := b.Put(t.Context(), "x", nil); err == nil {
		t.Error("written to nowhere")
	}
}
