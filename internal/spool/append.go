package spool

import (
	"errors"
	"fmt"
	"os"
)

// Append keeps r and returns its number when it has reached the disk. Writers at the same time share a sync. It returns
// ErrFull when there is no room.
func (s *Spool) Append(r Record) (uint64, error) {
	if len(r.Label) > maxLabel || len(r.Body) > MaxBody {
		return 0, fmt.Errorf("a record of %d bytes is too large to be kept", len(r.Label)+len(r.Body))
	}
	seq, out, err := s.write(r)
	if err != nil {
		return 0, err
	}
	if err := s.sync(seq, out); err != nil {
		return 0, fmt.Errorf("sync the spool: %w", err)
	}
	return seq, nil
}

// output is the segment that is being written.
type output struct {
	*os.File
	failed error // of a sync: nobody knows what is on the disk
}

// write hands r to the system. What it returns has to be synced.
func (s *Spool) write(r Record) (uint64, *output, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes()+int64(headLength+len(r.Label)+len(r.Body)) > s.max {
		s.stats.Refused++
		return 0, nil, ErrFull
	}
	if s.out == nil || s.segs[len(s.segs)-1].size >= s.segmentBytes {
		if err := s.begin(); err != nil {
			return 0, nil, err
		}
	}
	r.Seq = s.next
	last := &s.segs[len(s.segs)-1]
	raw := appendRecord(nil, r)
	if _, err := s.out.WriteAt(raw, last.size); err != nil { // perhaps half of it is there: the next one overwrites that
		return 0, nil, errors.Join(err, s.out.Truncate(last.size))
	}
	last.size += int64(len(raw))
	s.next++
	s.pending++
	s.stats.Appended++
	return r.Seq, s.out, nil
}

// begin opens the segment for the next record: the last one, if it was not opened yet and has room, or a new one.
func (s *Spool) begin() error {
	if s.out == nil && len(s.segs) > 0 && s.segs[len(s.segs)-1].size < s.segmentBytes {
		f, err := os.OpenFile(s.path(s.segs[len(s.segs)-1].first), os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		s.out = &output{File: f}
		return nil
	}
	if s.out != nil { // its writers may still wait for a sync
		if err := s.syncFile(s.out.File); err != nil {
			s.abandon(s.out, err)
			return err
		}
		_ = s.out.Close()
		s.out = nil
	}
	f, err := os.OpenFile(s.path(s.next), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := syncDir(s.dir); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	s.segs = append(s.segs, segment{first: s.next})
	s.out = &output{File: f}
	return nil
}

// sync makes sure that the record seq, and what was written with it, is on the disk.
func (s *Spool) sync(seq uint64, out *output) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.synced > seq {
		return nil
	}
	s.mu.Lock()
	written, current, failed := s.next, s.out == out, out.failed
	s.mu.Unlock()
	if !current { // it was closed: synced, or not needed any more
		return failed
	}
	err := s.syncFile(out.File)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.out == out {
		s.abandon(out, err)
	}
	if out.failed == nil {
		s.synced = written
	}
	return out.failed
}

// abandon makes the next record begin another segment.
func (s *Spool) abandon(out *output, err error) {
	out.failed = err
	_ = out.Close()
	s.out = nil
	last := &s.segs[len(s.segs)-1]
	last.size = max(last.size, s.segmentBytes) // it is not opened again
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
