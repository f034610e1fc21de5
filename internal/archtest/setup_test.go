package archtest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Somebody who may not install runs one line with sudo, and goes on as before.
func TestWhatRootFetchesBelongsToTheOwnerOfTheCheckout(t *testing.T) {
	t.Parallel()
	checkout, programs := t.TempDir(), t.TempDir()
	for to, from := range map[string]string{".ci/setup": "../../.ci/setup", "internal/exporttest/package-lock.json": "../exporttest/package-lock.json"} {
		raw, err := os.ReadFile(from)
		to = filepath.Join(checkout, to)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, raw, 0o755)); err != nil { //nolint:gosec // a script
			t.Fatal(err)
		}
	}
	for _, name := range []string{"npm", "node"} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(checkout, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(checkout, ".ci", "setup"), "exporters")
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var fetched []string
	err := filepath.WalkDir(filepath.Join(checkout, ".cache"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && owner(t, path) != owner(t, checkout) {
			t.Errorf("%s belongs to %d, the checkout to %d", path, owner(t, path), owner(t, checkout))
		}
		fetched = append(fetched, filepath.Base(path))
		return err
	})
	if err != nil || !strings.Contains(strings.Join(fetched, " "), ".cache exporters installed") {
		t.Errorf("fetched %v, %v", fetched, err)
	}
}

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}
