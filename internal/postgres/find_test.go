package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindReturnsAUsablePostgreSQL(t *testing.T) {
	t.Parallel()
	bin, major, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	if major < MinMajor || !executable(filepath.Join(bin, "postgres")) || !executable(filepath.Join(bin, "initdb")) {
		t.Errorf("PostgreSQL %d in %s", major, bin)
	}
}

// fakeBin makes a directory whose postgres says that it is the given version.
func fakeBin(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"postgres": "#!/bin/sh\necho '" + version + "'\n", "initdb": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNewestInstallationIsChosen(t *testing.T) {
	t.Parallel()
	old, beta := fakeBin(t, "postgres (PostgreSQL) 9.6.24"), fakeBin(t, "postgres (PostgreSQL) 19beta1")
	first, second := fakeBin(t, "postgres (PostgreSQL) 17.2 (Debian 17.2-1)"), fakeBin(t, "postgres (PostgreSQL) 17.0")
	other := fakeBin(t, "postgres (SomethingElse) 30")
	all := installations([]string{old, other, first, second, first, t.TempDir(), "/nonexistent"})
	if got, err := newest(all); err != nil || got.bin != first || got.major != 17 || len(all) != 3 {
		t.Errorf("%+v of %+v, %v", got, all, err)
	}
	if got, err := newest(installations([]string{first, beta})); err != nil || got.major != 19 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := forMajor(all, "/d", 17); err != nil || got.bin != first {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMissingAndOldPostgreSQLAreRefusedByName(t *testing.T) {
	t.Parallel()
	_, err := newest(nil)
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "postgresql") || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("got %v", err)
	}
	_, err = newest(installations([]string{fakeBin(t, "postgres (PostgreSQL) 14.9")}))
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "holds PostgreSQL 14, worklog needs 15") {
		t.Errorf("got %v", err)
	}
}

func TestVersionsAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)": 15, "postgres (PostgreSQL) 18beta1": 18, "postgres (PostgreSQL) 20devel": 20,
		"": 0, "postgres (PostgreSQL)": 0, "postgres (PostgreSQL) next": 0, "psql 15.2 x": 0,
	} {
		got, err := parseMajor(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestSocketGoesWhereTheServerCanReachIt(t *testing.T) {
	t.Parallel()
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := &account{uid: 4242, gid: 4242}
	if stranger.reaches(private) {
		t.Errorf("a stranger reaches %s", private)
	}
	if !stranger.reaches("/") {
		t.Error("a stranger does not reach /")
	}
	if me := (*account)(nil); !me.reaches(private) {
		t.Error("the program does not reach its own directory")
	}
}
