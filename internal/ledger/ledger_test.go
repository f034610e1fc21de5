package ledger

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const installation = "0192a000-0000-7000-8000-000000000001"

func start() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func sync1(t *testing.T, f *File, want int, records ...Record) {
	t.Helper()
	if n, err := f.Sync(records); n != want || err != nil {
		t.Fatalf("added %d, %v; want %d", n, err, want)
	}
}

func TestTheLedgerHoldsEachEndingOnce(t *testing.T) {
	t.Parallel()
	f := In(t.TempDir() + "/made/on/demand")
	if got, err := f.Read(); got != nil || err != nil {
		t.Fatalf("before the first line: %v, %v", got, err)
	}
	erased := Record{At: start(), Installation: installation, Kind: Erased, ID: "7"}
	revoked := Record{At: start().Add(time.Hour), Installation: installation, Kind: Revoked, ID: "0192a000-0000-7000-8000-000000000002"}
	sync1(t, f, 1, erased)
	sync1(t, f, 1, erased, revoked, revoked)
	sync1(t, f, 0, erased, revoked)
	later := erased
	later.At = start().Add(48 * time.Hour)
	sync1(t, f, 0, later)
	elsewhere := erased
	elsewhere.Installation = "0192a000-0000-7000-8000-00000000000f"
	sync1(t, f, 1, elsewhere)
	got, err := f.Read()
	if err != nil || len(got) != 3 || got[0] != erased || got[1] != revoked || got[2] != elsewhere {
		t.Errorf("read %+v, %v", got, err)
	}
	text, err := os.ReadFile(f.Path())
	if err != nil || !strings.HasPrefix(string(text), "2026-11-22T12:00:00Z "+installation+" erase 7\n") {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(f.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestALineThatACrashCutOffHarmsNoOther(t *testing.T) {
	t.Parallel()
	first := Record{At: start(), Installation: installation, Kind: Erased, ID: "7"}
	second := Record{At: start(), Installation: installation, Kind: Erased, ID: "8"}
	for _, rest := range []string{"2026-11-22T12:00", "2026-11-22T12:00:00Z " + installation + " erase 8", "\x00\x00\x00", strings.Repeat("x", 3*maxLine), "not one of ours\n", "a b c d\n"} {
		f := In(t.TempDir())
		sync1(t, f, 1, first)
		file, err := os.OpenFile(f.Path(), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString(rest)
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		sync1(t, f, 1, first, second)
		if got, err := f.Read(); err != nil || len(got) < 2 || got[0] != first || got[len(got)-1] != second {
			t.Errorf("after %.20q: %+v, %v", rest, got, err)
		}
	}
}

func TestProcessesThatAddAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				if _, err := In(dir).Sync([]Record{{At: start(), Installation: installation, Kind: Erased, ID: fmt.Sprint(i*10 + j)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got, err := In(dir).Read()
	seen := map[string]bool{}
	for _, r := range got {
		seen[r.ID] = true
	}
	if err != nil || len(seen) != 80 {
		t.Errorf("%d of 80, %v", len(seen), err)
	}
}

func TestADirectoryThatCanNotBeWrittenIsSaid(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := In(file).Sync([]Record{{At: start(), Installation: installation, Kind: Erased, ID: "7"}}); err == nil {
		t.Errorf("added %d", n)
	}
}

// A command that root runs must not lock out the server that runs as the owner of DATA_DIR.
func TestTheOwnerOfTheDirectoryOwnsTheLedgerWhoeverMakesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := In(dir).Sync([]Record{{At: start(), Installation: installation, Kind: Erased, ID: "7"}}); err != nil {
		t.Fatal(err)
	}
	if of, want := ownerOf(t, In(dir).Path()), ownerOf(t, dir); of != want {
		t.Errorf("the ledger belongs to %d, its directory to %d", of, want)
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

func FuzzReadLedger(f *testing.F) {
	f.Add("2026-11-22T12:00:00Z " + installation + " erase 7\n")
	f.Add("\n\n\x00")
	f.Add(strings.Repeat("x", 2*maxLine) + "\n2026-11-22T12:00:00Z " + installation + " revoke a\n")
	f.Fuzz(func(t *testing.T, text string) {
		records, err := read(strings.NewReader(text))
		if err != nil || len(records) > strings.Count(text, "\n") {
			t.Errorf("%d records of %d lines, %v", len(records), strings.Count(text, "\n"), err)
		}
	})
}
