package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/worklog"
)

// Write is one draft of a batch, admitted by the caller.
type Write struct {
	Owner int64
	// EntryID is the id of a new entry, or, when Patch is set, of the entry to change.
	// A patch with a Key instead of an EntryID changes the entry with that key.
	EntryID string
	Patch   bool
	// Key, Conversation, ConversationID and ConversationTitle are as in the draft.
	Key, Conversation, ConversationID, ConversationTitle string
	Facts                                                change.Facts
	TokenID                                              string
	// OwnOnly lets the write change only entries of its own token, RunningOnly only those that have not ended.
	OwnOnly, RunningOnly bool
	// Repeats is added to the repeats of the entry EntryID, and nothing else happens.
	Repeats int
	// Move is what the write says about whose move it is in its conversation, if it says anything new at all.
	Move Move
	// Keep keeps the conversation that the entry belongs to.
	Keep bool
	// Note is an entry of worklog's own: it is always admitted, makes no conversation, and may change after its end.
	Note bool
}

// Result says what became of a Write.
type Result struct {
	Outcome worklog.Outcome
	Row     Row            // the entry as it now stands; zero when invalid, and when limited but for the conversation if there is one
	Error   *worklog.Error // of an invalid one
	NoSuch  bool           // Patch or Repeats named an entry that does not exist
	Refused bool           // OwnOnly stood in the way
}

// Batch is what one transaction of the write path does.
type Batch struct {
	Writes []Write
	// Counts and Noted are added to the owners' counters, on top of what the writes themselves count.
	Counts map[int64]worklog.Counts
	Noted  map[int64]int64
	// Admit is asked right before the write with that index makes a new entry; without leave the write is limited.
	Admit func(write int) bool
	Room  Room
	// Now is the batch's one clock.
	Now time.Time
}

// Append writes a batch in one transaction and returns a result per write, in order. Owners whose stats row another
// writer holds are left out and returned in locked: nothing of theirs was written, and their results are zero.
//
// An error with CodeUnavailable means that nothing was stored, or that it is not known; CodeInvalid that the
// database refused some value of the batch and stored nothing of it.
func (s *Store) Append(ctx context.Context, b Batch) (results []Result, locked []int64, err error) {
	conn, err := s.writer.Acquire(ctx)
	if err != nil {
		return nil, nil, mapError(err)
	}
	defer conn.Release()
	if err := prepare(ctx, conn); err != nil {
		return nil, nil, mapError(err)
	}
	p := newPlan(b)
	if err := s.ensureStats(ctx, conn, p.owners); err != nil {
		return nil, nil, err
	}
	if err := p.lookup(ctx, conn); err != nil {
		rollback(ctx, conn)
		return nil, nil, mapError(err)
	}
	p.decide()
	if err := p.write(ctx, conn); err != nil {
		if !isInDoubt(err) {
			rollback(ctx, conn)
			return nil, nil, mapError(err)
		}
		if !s.committed(ctx, p) {
			return nil, nil, mapError(err)
		}
	}
	return p.results, p.locked(), nil
}

// rollback ends a transaction; a connection that can not even do that is closed by the pool.
func rollback(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitCheckTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

// ensureStats makes sure that the stats rows exist. It remembers those it has seen.
func (s *Store) ensureStats(ctx context.Context, conn *pgxpool.Conn, owners []int64) error {
	missing := s.owners.unknown(owners)
	if len(missing) == 0 {
		return nil
	}
	_, err := conn.Exec(ctx, "INSERT INTO work_log_stats (owner_id) SELECT id FROM users WHERE id = ANY($1) ORDER BY id ON CONFLICT DO NOTHING", missing)
	if err != nil {
		return mapError(err)
	}
	s.owners.add(missing)
	return nil
}
