package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/store"
)

func TestReadersAtOnceShareWhatIsLoaded(t *testing.T) {
	t.Parallel()
	b, write := counted(t)
	list := payloads(7, 100)
	o := write(list)
	b.gets = 0
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if _, _, err := b.of.Payload(t.Context(), o.Name, list[i].ID); err != nil {
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
	b, write := counted(t)
	var objects []store.ArchiveObject
	for i := range 12 { // of 4 MiB each: more than the cache holds
		p := payloads(7, 1)
		p[0].Details = strings.Repeat(fmt.Sprint(i%10), 4<<20)
		objects = append(objects, write(p))
	}
	read := func(o store.ArchiveObject) int {
		before := b.gets
		if _, _, err := b.of.Payload(t.Context(), o.Name, payloads(7, 1)[0].ID); err != nil {
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
	of   *archive.Archive
	mu   sync.Mutex
	gets int
}

// counted returns an archive in a folder whose reads are counted, and what writes an object into it.
func counted(t *testing.T) (b *counting, write func([]store.Payload) store.ArchiveObject) {
	t.Helper()
	folder, err := archive.Open("file://"+t.TempDir(), archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	known := catalog{}
	b = &counting{Bucket: folder}
	b.of = archive.New(b, installation, known)
	return b, func(list []store.Payload) store.ArchiveObject {
		t.Helper()
		o, data, err := b.of.Pack(7, list, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		known[o.Name] = o
		if err := b.of.Write(t.Context(), o, data); err != nil {
			t.Fatal(err)
		}
		return o
	}
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
