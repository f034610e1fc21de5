package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// loop is a file that nobody can read, not even root: a link to itself.
func loop(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, path); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnreadableFileIsNamedAndTheOthersAreImported(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	s := shellOf(a, apptest.Email)
	folder := session(t)
	bad := filepath.Join(folder, "s0.jsonl") // comes first
	loop(t, bad)
	none, torn := filepath.Join(folder, "..", "none"), filepath.Join(folder, "s2.jsonl.zst")
	put(t, torn, "\x28\xb5\x2f\xfd torn", 0o600)
	code := s.run(t.Context(), "import", none, folder)
	out := s.stderr.String()
	if code != 1 || !strings.Contains(out, "8 lines: 4 stored") || !strings.Contains(out, "3 files or folders were left out") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, path := range []string{bad, none, torn} {
		if !strings.Contains(out, path+": ") {
			t.Errorf("%s is not named: %s", path, out)
		}
	}
}

func TestAnEmptyFolderDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	s := shellOf(apptest.Shared(t), apptest.Email)
	code := s.run(t.Context(), "import", t.TempDir(), session(t))
	if out := s.stderr.String(); code != 1 || !strings.Contains(out, "8 lines: 4 stored") || !strings.Contains(out, "no transcript in this folder") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestAFolderBehindALinkIsImported(t *testing.T) {
	t.Parallel()
	s := shellOf(apptest.Shared(t), apptest.Email)
	link := filepath.Join(t.TempDir(), "projects")
	if err := os.Symlink(filepath.Dir(session(t)), link); err != nil {
		t.Fatal(err)
	}
	if code := s.run(t.Context(), "import", link); code != 0 || !strings.Contains(s.stderr.String(), "8 lines: 4 stored") {
		t.Errorf("exit %d: %s", code, s.stderr.String())
	}
}

// failing is a file that breaks off.
type failing struct{ io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = &fs.PathError{Op: "read", Path: "-", Err: errors.New("input/output error")}
	}
	return n, err
}

func TestWhatWasReadBeforeAFileBrokeOffIsImported(t *testing.T) {
	t.Parallel()
	s := shellOf(apptest.Shared(t), apptest.Email)
	s.stdin = failing{strings.NewReader(`{"title":"a"}` + "\n")}
	code := s.run(t.Context(), "import", "-")
	if out := s.stderr.String(); code != 1 || !strings.Contains(out, "1 stored") || !strings.Contains(out, "input/output error") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestFollowingGoesOnBesideWhatCanNotBeRead(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "projects")
	bad, mended := filepath.Join(folder, "s0.jsonl"), filepath.Join(folder, "s2.jsonl")
	loop(t, bad)
	loop(t, mended)
	put(t, filepath.Join(folder, "s3.jsonl.zst"), "\x28\xb5\x2f\xfd torn", 0o600)
	write(t, filepath.Join(folder, "s1.jsonl"), call("t1", "Bash", `{"command":"ls"}`), os.O_APPEND)
	f := follow(t, nil, folder)
	f.shows("s1/t1", worklog.StatusWorking)
	if err := os.Remove(mended); err != nil {
		t.Fatal(err)
	}
	write(t, mended, strings.ReplaceAll(call("t2", "Bash", `{"command":"ls"}`), `"s1"`, `"s2"`), os.O_APPEND)
	f.shows("s2/t2", worklog.StatusWorking)
	f.cancel()
	select {
	case code := <-f.code:
		out := f.shell.stderr.String()
		if code != 1 || strings.Count(out, bad+": ") != 1 || !strings.Contains(out, "2 files or folders were left out") {
			t.Errorf("exit %d: %s", code, out)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
}
