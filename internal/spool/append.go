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

// write hands r to the system. The file that it returns has to be synced.
func (s *Spool) write(r Record) (uint64, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes()+int64(headLength+len(r.Label)+len(r.Body)) > s.max {
		s.stats.Refused++
		return 0, nil, ErrFull
	}
	if s.out == nil || s.segs[len(s.segs)-1].size >= segmentBytes {
		if err := s.begin(); err != nil {
			return 0, nil, err
		}
	}
	r.Seq = s.next
	last := &s.segs[len(s.segs)-1]
	raw := appendRecord(nil, r)
	if _, err := s.out.WriteAt(raw, last.size); err != nil { // perhaps half of it: the next one overwrites that
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
	if s.out == nil && len(s.segs) > 0 && s.segs[len(s.segs)-1].size < segmentBytes {
		out, err := os.OpenFile(s.path(s.segs[len(s.segs)-1].first), os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		s.out = out
		return nil
	}
	out, err := os.OpenFile(s.path(s.next), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := syncDir(s.dir); err != nil {
		return errors.Join(err, out.Close(), os.Remove(out.Name()))
	}
	if s.out != nil { // a writer may still want to sync it
		if err := errors.Join(s.out.Sync(), s.out.Close()); err != nil {
			return errors.Join(err, out.Close(), os.Remove(out.Name()))
		}
	}
	s.segs = append(s.segs, segment{first: s.next})
	s.out = out
	return nil
}

// sync makes sure that the record seq, and what was written with it, is on the disk.
func (s *Spool) sync(seq uint64, out *os.File) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.synced > seq {
		return nil
	}
	s.mu.Lock()
	written := s.next
	same := s.out == out
	s.mu.Unlock()
	if !same { // another segment was begun, which synced this one
		return nil
	}
	if err := out.Sync(); err != nil {
		if errors.Is(err, os.ErrClosed) { // begun in between
			return nil
		}
		s.abandon(out)
		return err
	}
	s.synced = written
	return nil
}

// abandon makes the next record begin another segment: after a failed sync nobody knows what is on the disk.
func (s *Spool) abandon(out *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == out {
		_ = s.out.Close()
		s.out = nil
		s.segs[len(s.segs)-1].size = max(s.segs[len(s.segs)-1].size, segmentBytes) // not to be opened again
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
