package spool

import (
	"io/fs"
	"path/filepath"
	"testing"
)

// What waits may hold secrets that are taken out only when it is stored.
func TestNobodyElseCanReadWhatWaits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, filepath.Join(root, "spool", "hooks"), roomy)
	s.segmentBytes = 1
	for _, text := range []string{"one", "two", "three"} {
		put(t, s, text)
	}
	records, err := s.Peek(1, 1<<20)
	if err != nil || len(records) != 1 {
		t.Fatalf("%v, %v", records, err)
	}
	if err := s.Taken(records[0].Seq); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(root, "spool"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s is %v, and not %v", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil || files != 4 { // two segments, the head and the lock
		t.Errorf("%d files, %v", files, err)
	}
}
