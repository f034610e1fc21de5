package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/klauspost/compress/zstd"

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

func TestReadersAtOnceShareWhatIsLoaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder, err := archive.Open("file://"+dir, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	b := &counting{Bucket: folder}
	known := catalog{}
	a := archive.New(b, installation, known)
	list := payloads(7, 100)
	o, data, err := a.Pack(7, list, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	known[o.Name] = o
	if err := a.Write(t.Context(), o, data); err != nil {
		t.Fatal(err)
	}
	b.gets = 0
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if _, _, err := a.Payload(t.Context(), o.Name, list[i].ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if b.gets > 4 { // as many as may load at once
		t.Errorf("the object was read %d times", b.gets)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder, err := archive.Open("file://"+dir, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	b := &counting{Bucket: folder}
	known := catalog{}
	a := archive.New(b, installation, known)
	var objects []store.ArchiveObject
	for i := range 12 { // of 4 MiB each: more than the cache holds
		p := payloads(7, 1)
		p[0].Details = strings.Repeat(fmt.Sprint(i%10), 4<<20)
		o, data, err := a.Pack(7, p, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		known[o.Name] = o
		if err := a.Write(t.Context(), o, data); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	read := func(o store.ArchiveObject) int {
		before := b.gets
		if _, _, err := a.Payload(t.Context(), o.Name, payloads(7, 1)[0].ID); err != nil {
			t.Fatal(err)
		}
		return b.gets - before
	}
	for _, o := range objects {
		read(o)
	}
	if read(objects[11]) != 0 || read(objects[0]) != 1 {
		t.Error("want the newest in the cache and the oldest not")
	}
}

// counting counts what is read.
type counting struct {
	archive.Bucket
	mu   sync.Mutex
	gets int
}

func (c *counting) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	c.mu.Lock()
	c.gets++
	c.mu.Unlock()
	return c.Bucket.Get(ctx, name, limit)
}

func TestAnInterruptedWriteLeavesTheOldObject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := archive.Open("file://"+dir, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "a/b", []byte("old")); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Put(ended, "a/b", []byte("new")); err == nil {
		t.Error("written although the context has ended")
	}
	if data, err := b.Get(t.Context(), "a/b", 10); err != nil || string(data) != "old" {
		t.Errorf("%q, %v", data, err)
	}
	left := 0
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left++
		}
		return err
	})
	if err != nil || left != 1 {
		t.Errorf("%d files, %v", left, err)
	}
}

func zstdBomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 65 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}

func deflate(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// A disk that is not mounted: what lies on it is not deleted, whoever would like to think so.
func TestAFolderThatIsAwayDeletesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "archive")
	b, err := archive.Open("file://"+dir, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	list := func() (names []string) {
		for name, err := range b.List(t.Context(), installation) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		return names
	}
	if names := list(); len(names) != 0 {
		t.Errorf("before there is a folder: %v", names)
	}
	if err := b.Put(t.Context(), installation+"/7/x", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), installation+"/7/x"); err == nil {
		t.Error("it counts as deleted")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) || len(list()) != 0 {
		t.Errorf("a folder in its place: %v", err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), installation+"/7/x"); err != nil || len(list()) != 0 {
		t.Errorf("when it is back: %v, %v", list(), err)
	}
}
