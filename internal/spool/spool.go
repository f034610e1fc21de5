// Package spool keeps records on disk until somebody has taken them: in order, synced before they count as kept, within
// a bound.
//
// A spool is a directory of segments. A segment is named after the number of its first record and only grows; records
// carry their number, a checksum of their head and one of their content. What a kill leaves half written at the end was
// never acknowledged and is cut off when the spool is opened. A record that the disk has damaged is named, counted and
// skipped; those behind it are found again by their magic. Where reading begins is noted in a file of its own, which is
// not synced: after a power cut some records may be read twice.
//
// One process at a time has a spool open; Open waits for its turn.
//
// What waits is what came, secrets included, in files that only their owner can read. It is redacted where everything is,
// on its way into the store: keys are made of the text as it came, so that the same prompt is the same entry through every
// door, and a place where redaction is switched off must find it as it came.
package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// MaxBody bounds the content of a record, and maxLabel its label.
	MaxBody  = 16 << 20
	maxLabel = 4 << 10
	// segmentBytes is when another segment begins: segments are removed whole, so they must not be all there is.
	segmentBytes = 1 << 20
	suffix       = ".spool"
	headFile     = "head"
	lockFile     = "lock"
)

// ErrFull says that a record would exceed the bound.
var ErrFull = errors.New("the spool is full")

// ErrLocked says that another process has the spool open.
var ErrLocked = errors.New("another process has the spool open")

// Record is one kept thing.
type Record struct {
	Seq   uint64    // given by Append: ascending, not always without gaps
	At    time.Time // when it came
	Label string    // what the spool's user needs to know about it
	Body  []byte
}

// Options configure a spool.
type Options struct {
	MaxBytes int64        // bound of all segments together
	Log      *slog.Logger // nil: nothing
}

// Stats are the figures of a spool since it was opened.
type Stats struct {
	Pending  int64 // records that wait
	Bytes    int64 // of the segments
	MaxBytes int64
	Appended int64
	Refused  int64 // because it was full
	Damaged  int64 // skipped
	Cut      int64 // bytes of half-written ends
}

// Spool is an open spool. Its methods are safe for concurrent use.
type Spool struct {
	dir  string
	max  int64
	log  *slog.Logger
	lock *os.File

	mu      sync.Mutex
	segs    []segment
	out     *output // the last segment; nil: the next record opens one
	next    uint64  // number of the next record
	head    uint64  // the first record that nobody has taken
	place   place   // of head, as far as it is known
	shown   []mark  // by the last Peek
	worst   place   // damage before it has been counted
	pending int64
	stats   Stats

	syncing sync.Mutex
	synced  uint64 // every record below has reached the disk

	segmentBytes int64 // tests have small ones
	syncFile     func(*os.File) error
}

// segment is a file of records.
type segment struct {
	first uint64
	size  int64
}

// place is where in the segments reading goes on.
type place struct {
	first  uint64 // of the segment
	offset int64
}

// Open opens the spool in dir, which is made if need be. It waits for another process that has it open until ctx ends.
func Open(ctx context.Context, dir string, o Options) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := Lock(ctx, filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, max: o.MaxBytes, log: o.Log, lock: lock, segmentBytes: segmentBytes, syncFile: (*os.File).Sync}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the spool %s: %w", dir, err), lock.Close())
	}
	return s, nil
}

// recover finds out what there is.
func (s *Spool) recover() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		hex, ok := strings.CutSuffix(e.Name(), suffix)
		first, err := strconv.ParseUint(hex, 16, 64)
		if !ok || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s.segs = append(s.segs, segment{first: first, size: info.Size()})
	}
	slices.SortFunc(s.segs, func(a, b segment) int { return cmp.Compare(a.first, b.first) })
	if s.head, err = readHead(filepath.Join(s.dir, headFile)); err != nil {
		return err
	}
	s.next = max(s.head, 1)
	if n := len(s.segs); n > 0 {
		s.next = max(s.next, s.segs[n-1].first)
	}
	return s.count()
}

// count reads all segments once: it finds the number of the next record, how many wait, and a half-written end.
func (s *Spool) count() error {
	for i := range s.segs {
		seg := &s.segs[i]
		raw, err := os.ReadFile(s.path(seg.first))
		if err != nil {
			return err
		}
		end := 0
		for f := range scan(raw) {
			if f.bad == nil {
				s.next = max(s.next, f.seq+1)
				if f.seq >= s.head {
					s.pending++
				}
				end = f.end
			}
		}
		if i == len(s.segs)-1 && end < len(raw) {
			s.log.Warn("a spool ended in half a record, which nobody was told is kept", "segment", s.path(seg.first), "offset", end, "bytes", len(raw)-end)
			if err := os.Truncate(s.path(seg.first), int64(end)); err != nil {
				return err
			}
			s.stats.Cut += int64(len(raw) - end)
			seg.size = int64(end)
		}
	}
	s.synced = s.next
	return s.clean()
}

// clean removes segments of which every record has been taken.
func (s *Spool) clean() error {
	for len(s.segs) > 0 {
		last := s.next
		if len(s.segs) > 1 {
			last = s.segs[1].first
		}
		if last > s.head {
			return nil
		}
		if len(s.segs) == 1 && s.out != nil {
			_ = s.out.Close() // every record in it has been taken
			s.out = nil
		}
		if err := os.Remove(s.path(s.segs[0].first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.segs = s.segs[1:]
	}
	return nil
}

func (s *Spool) path(first uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016x%s", first, suffix))
}

func readHead(path string) (uint64, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	head, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 1, nil // everything is read again, which is harmless
	}
	return head, nil
}

func (s *Spool) bytes() (n int64) {
	for _, seg := range s.segs {
		n += seg.size
	}
	return n
}

// Stats returns the figures.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Pending, st.Bytes, st.MaxBytes = s.pending, s.bytes(), s.max
	return st
}

// Empty reports whether nothing waits.
func (s *Spool) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending == 0
}

// Close ends the use of the spool. What waits stays.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.out != nil {
		err = s.out.Close()
		s.out = nil
	}
	return errors.Join(err, s.lock.Close())
}
