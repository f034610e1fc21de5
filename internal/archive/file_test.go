package archive_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/worklogdev/worklog/internal/archive"
)

// A sweep that root runs as a command must not lock out the server that runs as the owner of DATA_DIR.
func TestTheOwnerOfTheDirectoryOwnsTheArchiveWhoeverMakesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	b, err := archive.Open("file://"+filepath.Join(dir, "archive"), archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), installation+"/7/object", []byte("any")); err != nil {
		t.Fatal(err)
	}
	var seen int
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		seen++
		if of, want := ownerOf(t, path), ownerOf(t, dir); of != want {
			t.Errorf("%s belongs to %d, the directory to %d", path, of, want)
		}
		return nil
	})
	if err != nil || seen != 5 {
		t.Errorf("%d files and folders, %v", seen, err)
	}
}

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}
