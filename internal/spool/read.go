package spool

import (
	"os"
	"path/filepath"
	"strconv"
)

// mark is a record that Peek has shown, and where reading goes on behind it.
type mark struct {
	seq   uint64
	after place
}

// Peek returns the oldest records that nobody has taken: at most n, and no more than about size bytes of them. Without
// an error none means that nothing waits.
func (s *Spool) Peek(n, size int) ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = s.shown[:0]
	var records []Record
	for _, seg := range s.segs {
		if seg.first < s.place.first {
			continue
		}
		raw, err := os.ReadFile(s.path(seg.first))
		if err != nil {
			return nil, err
		}
		raw = raw[:min(int64(len(raw)), seg.size)]
		begin := 0
		if seg.first == s.place.first {
			begin = min(int(s.place.offset), len(raw))
		}
		for f := range scan(raw[begin:]) {
			switch at := (place{seg.first, int64(begin + f.begin)}); {
			case f.bad != nil:
				s.damaged(at, f)
			case f.seq < s.head:
			case len(records) >= n || len(records) > 0 && size < len(f.raw):
				return records, nil
			default:
				records = append(records, f.record())
				size -= len(f.raw)
				s.shown = append(s.shown, mark{f.seq, place{seg.first, int64(begin + f.end)}})
			}
		}
	}
	if len(records) == 0 { // whatever else there was is damaged
		s.pending = 0
		s.head = s.next
		return nil, s.clean()
	}
	return records, nil
}

// damaged counts and names what can not be read, once.
func (s *Spool) damaged(at place, f found) {
	if at.first < s.worst.first || at.first == s.worst.first && at.offset < s.worst.offset {
		return
	}
	s.worst = place{at.first, at.offset + 1}
	s.stats.Damaged++
	s.log.Error("a damaged record of the spool is skipped", "segment", s.path(at.first), "offset", at.offset, "bytes", f.end-f.begin, "record", f.seq, "error", f.bad)
}

// Taken says that every record up to seq has been taken care of. They are not shown again.
func (s *Spool) Taken(seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.shown {
		if m.seq <= seq && m.seq >= s.head {
			s.head, s.place = m.seq+1, m.after
			s.pending--
		}
	}
	if err := s.writeHead(); err != nil {
		return err
	}
	return s.clean()
}

// writeHead notes where reading begins. It is not synced: to read a record twice is harmless.
func (s *Spool) writeHead() error {
	path := filepath.Join(s.dir, headFile)
	if err := os.WriteFile(path+".new", strconv.AppendUint(nil, s.head, 10), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Each shows every record that nobody has taken, without taking any. Show must not use the spool.
func (s *Spool) Each(show func(Record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segs {
		raw, err := os.ReadFile(s.path(seg.first))
		if err != nil {
			return err
		}
		for f := range scan(raw) {
			if f.bad == nil && f.seq >= s.head {
				show(f.record())
			}
		}
	}
	return nil
}
