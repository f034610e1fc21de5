package ingest

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// TellUntold tells of drafts that an earlier process has counted as limited and, since it was killed within the second,
// not told of: an unfiled note for each owner. An owner of whom a draft is limited during the pause is left to the next
// start: another process may be about to tell. It returns after the pause, or with the error of a query.
func (s *Service) TellUntold(ctx context.Context, pause time.Duration) error {
	before, err := s.store.Untold(ctx)
	if err != nil || len(before) == 0 {
		return err
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-timer.C:
	}
	now, err := s.store.Untold(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for owner, u := range before {
		if now[owner] == u {
			at := s.now()
			s.pending.notes[noteKey{owner: owner, earlier: true}] = &note{key: "worklog/" + uuid.NewString(), first: at, last: at, total: int(u.Entries), fresh: int(u.Entries)}
			s.pending.mark(at)
		}
	}
	s.signal()
	return nil
}
