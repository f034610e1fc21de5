package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const roomy = 64 << 20

func open(t testing.TB, dir string, most int64) *Spool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := Open(ctx, dir, Options{MaxBytes: most})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// put appends a record with a text and returns its number.
func put(t testing.TB, s *Spool, text string) uint64 {
	t.Helper()
	seq, err := s.Append(Record{At: time.Unix(1_800_000_000, 5), Label: label(text), Body: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func label(text string) string { return "to " + text[:min(len(text), 20)] }

// texts returns all that waits.
func texts(t testing.TB, s *Spool) string {
	t.Helper()
	records, err := s.Peek(1_000_000, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range records {
		if r.Label != label(string(r.Body)) || !r.At.Equal(time.Unix(1_800_000_000, 5)) {
			t.Errorf("%q is labelled %q, %s", r.Body, r.Label, r.At)
		}
		all = append(all, string(r.Body))
	}
	return strings.Join(all, " ")
}

// segments are the files of a spool, oldest first.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestWhatIsKeptComesBackInOrderOverRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, roomy)
	for _, text := range []string{"a", "b", "c", "d"} {
		put(t, s, text)
	}
	first, err := s.Peek(2, 1<<20)
	if err != nil || len(first) != 2 {
		t.Fatalf("%v, %v", first, err)
	}
	if err := s.Taken(first[0].Seq); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, s); got != "b c d" || s.Stats().Pending != 3 {
		t.Errorf("%q waits, %+v", got, s.Stats())
	}
	_ = s.Close()
	s = open(t, dir, roomy)
	put(t, s, "e")
	if got := texts(t, s); got != "b c d e" || s.Stats().Pending != 4 {
		t.Errorf("%q waits, %+v", got, s.Stats())
	}
	last, _ := s.Peek(10, 1<<20)
	if err := s.Taken(last[3].Seq); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, s); got != "" || !s.Empty() || len(segments(t, dir)) != 0 {
		t.Errorf("%q waits in %v", got, segments(t, dir))
	}
	if put(t, s, "f") <= last[3].Seq {
		t.Error("a number was given twice")
	}
}

func TestAHalfWrittenEndIsCutWherever(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	s := open(t, whole, roomy)
	put(t, s, "a")
	kept := s.Stats().Bytes
	put(t, s, "the last one")
	_ = s.Close()
	raw, err := os.ReadFile(segments(t, whole)[0])
	if err != nil {
		t.Fatal(err)
	}
	for size := int(kept); size < len(raw); size++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(segments(t, whole)[0])), raw[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, roomy)
		put(t, s, "b")
		if got := texts(t, s); got != "a b" || s.Stats().Cut != int64(size)-kept {
			t.Fatalf("cut at %d of %d: %q, %+v", size, len(raw), got, s.Stats())
		}
		_ = s.Close()
	}
}

func TestADamagedRecordIsNamedAndSkipped(t *testing.T) {
	t.Parallel()
	for at := range headLength + len("to damaged") + len("damaged") {
		dir := t.TempDir()
		s := open(t, dir, roomy)
		put(t, s, "a")
		begin := int(s.Stats().Bytes)
		put(t, s, "damaged")
		put(t, s, "b")
		_ = s.Close()
		path := segments(t, dir)[0]
		raw, _ := os.ReadFile(path)
		raw[begin+at] ^= 0x40
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		s, err := Open(t.Context(), dir, Options{MaxBytes: roomy, Log: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(t, s) + "|" + texts(t, s); got != "a b|a b" || s.Stats().Damaged != 1 || s.Stats().Pending != 2 {
			t.Errorf("byte %d: %q, %+v", at, got, s.Stats())
		}
		if line := said.String(); strings.Count(line, "damaged record") != 1 || !strings.Contains(line, path) || !strings.Contains(line, fmt.Sprint("offset=", begin)) {
			t.Errorf("byte %d: %s", at, line)
		}
		_ = s.Close()
	}
}

func TestASpoolOfNothingButDamageIsEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, roomy)
	put(t, s, "a")
	raw, _ := os.ReadFile(segments(t, dir)[0])
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(segments(t, dir)[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, s); got != "" || !s.Empty() || s.Stats().Damaged != 1 {
		t.Errorf("%q, %+v", got, s.Stats())
	}
	put(t, s, "b")
	if got := texts(t, s); got != "b" {
		t.Errorf("%q", got)
	}
}

func TestAFullSpoolRefusesUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := strings.Repeat("x", 600<<10)
	s := open(t, dir, 2<<20)
	for i := range 3 {
		if _, err := s.Append(Record{Label: fmt.Sprint(i), Body: []byte(big)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Append(Record{Body: []byte(big)}); !errors.Is(err, ErrFull) || s.Stats().Refused != 1 || s.Stats().Bytes > 2<<20 {
		t.Fatalf("%v, %+v", err, s.Stats())
	}
	records, err := s.Peek(10, 700<<10)
	if err != nil || len(records) != 1 || records[0].Label != "0" {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if records, _ = s.Peek(10, 1<<30); len(records) != 3 {
		t.Fatalf("%d records", len(records))
	}
	if err := s.Taken(records[1].Seq); err != nil { // the first segment holds two
		t.Fatal(err)
	}
	if _, err := s.Append(Record{Label: "3", Body: []byte(big)}); err != nil {
		t.Error(err)
	}
	if _, err := s.Append(Record{Body: make([]byte, MaxBody+1)}); err == nil {
		t.Error("a record beyond the bound is kept")
	}
}

func TestManyWritersShareSyncs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, roomy)
	syncs := 0
	s.syncFile = func(f *os.File) error {
		syncs++ // under the lock of syncs, or of writes when a segment is full; here none is
		return f.Sync()
	}
	var wg sync.WaitGroup
	const writers, each = 32, 20
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				put(t, s, fmt.Sprintf("%d-%d", w, i))
			}
		})
	}
	wg.Wait()
	got := strings.Fields(texts(t, s))
	for w := range writers {
		last := -1
		for i := range each {
			at := slices.Index(got, fmt.Sprintf("%d-%d", w, i))
			if at <= last {
				t.Fatalf("record %d of writer %d is at %d, the one before at %d", i, w, at, last)
			}
			last = at
		}
	}
	t.Logf("%d records, %d syncs", len(got), syncs)
	if len(got) != writers*each || syncs == 0 || syncs >= writers*each {
		t.Errorf("%d records, %d syncs", len(got), syncs)
	}
}

func TestAFailedSyncAcknowledgesNothingAndSparesTheNext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, roomy)
	put(t, s, "a")
	broken := errors.New("the disk is gone")
	s.syncFile = func(*os.File) error { return broken }
	if _, err := s.Append(Record{Body: []byte("b")}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	s.syncFile = (*os.File).Sync
	put(t, s, "c")
	if n := len(segments(t, dir)); n != 2 {
		t.Errorf("%d segments: what was written after a failed sync must not be where it failed", n)
	}
}

func TestTwoProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, roomy)
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(now, dir, Options{MaxBytes: roomy}); !errors.Is(err, ErrLocked) {
		t.Fatalf("%v", err)
	}
	put(t, s, "a")
	opened := make(chan *Spool)
	go func() {
		other, err := Open(t.Context(), dir, Options{MaxBytes: roomy})
		if err != nil {
			t.Error(err)
		}
		opened <- other
	}()
	_ = s.Close()
	other := <-opened
	defer func() { _ = other.Close() }()
	if got := texts(t, other); got != "a" {
		t.Errorf("%q", got)
	}
}

// Whatever is appended and taken, and however often the spool is opened anew or killed in the middle of a record, it
// shows what was kept and not taken, in order. After a lost note of the head it may show more, never less.
func TestSpoolBehavesLikeAQueue(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			rt.Fatal(err)
		}
		s := open(t, dir, roomy)
		s.segmentBytes = 3000
		var queue []string
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				n++
				text := fmt.Sprintf("%d%s", n, strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 100, 2000}).Draw(rt, "size")))
				put(t, s, text)
				queue = append(queue, text)
			},
			"take": func(rt *rapid.T) {
				records, err := s.Peek(rapid.IntRange(1, 5).Draw(rt, "n"), 1<<20)
				if err != nil || (len(records) == 0) != (len(queue) == 0) {
					rt.Fatalf("%d of %d, %v", len(records), len(queue), err)
				}
				if len(records) == 0 {
					return
				}
				done := rapid.IntRange(1, len(records)).Draw(rt, "taken")
				if err := s.Taken(records[done-1].Seq); err != nil {
					rt.Fatal(err)
				}
				queue = queue[done:]
			},
			"open anew": func(rt *rapid.T) {
				_ = s.Close()
				if torn := rapid.IntRange(0, headLength+3).Draw(rt, "torn"); torn > 0 {
					tear(t, dir, appendRecord(nil, Record{Seq: 1 << 40, Body: []byte("half")})[:torn])
				}
				s = open(t, dir, roomy)
				s.segmentBytes = 3000
			},
			"": func(rt *rapid.T) {
				if got := texts(t, s); got != strings.Join(queue, " ") || s.Stats().Pending != int64(len(queue)) {
					rt.Fatalf("%d waiting, want %d", s.Stats().Pending, len(queue))
				}
			},
		})
		_ = s.Close()
	})
}

// tear adds the beginning of a record to the last segment.
func tear(t testing.TB, dir string, half []byte) {
	all := segments(t, dir)
	if len(all) == 0 {
		return
	}
	f, err := os.OpenFile(all[len(all)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(half); err != nil {
		t.Fatal(err)
	}
}

func FuzzSegment(f *testing.F) {
	good := appendRecord(appendRecord(nil, Record{Seq: 1, Label: "x", Body: []byte("one")}), Record{Seq: 2, Body: []byte("two")})
	f.Add(good)
	f.Add(good[:len(good)-2])
	f.Add(append([]byte("wlS1wlS1noise"), good...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		end := 0
		for x := range scan(raw) {
			if x.begin != end || x.end <= x.begin || x.end > len(raw) {
				t.Fatalf("from %d to %d after %d of %d", x.begin, x.end, end, len(raw))
			}
			if end = x.end; x.bad == nil {
				r := x.record()
				if again := appendRecord(nil, r); !bytes.Equal(again, raw[x.begin:x.end]) {
					t.Fatalf("%q reads back as %q", raw[x.begin:x.end], again)
				}
			}
		}
		if end != len(raw) {
			t.Fatalf("%d of %d bytes", end, len(raw))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir(), 1<<40)
	body := bytes.Repeat([]byte("x"), 1000)
	b.SetParallelism(25)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Append(Record{Body: body}); err != nil {
				b.Error(err)
			}
		}
	})
}
