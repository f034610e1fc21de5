package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// controlChannel carries what must reach every process within two seconds: rights that ended. Entries never travel here.
const controlChannel = "worklog_control"

// listenBackoff is the pause before listening again after the connection was lost.
const listenBackoff = time.Second

// ControlKind says what a Control names.
type ControlKind string

// The kinds of Control. ControlAway and ControlLost are not sent: Listen reports that it hears none any more, and that
// it hears them again and may have missed some.
const (
	ControlToken        ControlKind = "token"        // revoked
	ControlUser         ControlKind = "user"         // disabled, or signed out everywhere
	ControlSession      ControlKind = "session"      // ended
	ControlConversation ControlKind = "conversation" // deleted, or no longer readable for others
	ControlUnfiled      ControlKind = "unfiled"      // entries of a user have left a conversation that was deleted
	ControlLimit        ControlKind = "limit"        // a user's limits are others now
	ControlAway         ControlKind = "away"
	ControlLost         ControlKind = "lost"
)

// Control is a message between processes that share a database.
type Control struct {
	Kind ControlKind `json:"kind"`
	ID   string      `json:"id"`
}

// NotifyControl sends c to every process that listens, this one included.
func (s *Store) NotifyControl(ctx context.Context, c Control) error {
	return mapError(notify(ctx, s.db, c))
}

// notify sends c when the transaction of db commits.
func notify(ctx context.Context, db bun.IDB, c Control) error {
	payload, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "SELECT pg_notify(?, ?)", controlChannel, string(payload))
	return err
}

// Listen calls f for each Control until ctx ends. It connects again when the connection is lost and then calls f with
// ControlLost, since some may have been missed; ControlAway comes as soon as it is lost, and with each failure after that.
func (s *Store) Listen(ctx context.Context, f func(Control)) error {
	for lost := false; ; lost = true {
		err := s.listenOnce(ctx, lost, f)
		if ctx.Err() != nil {
			return nil
		}
		s.log.Warn("control channel lost, connecting again", "error", err)
		s.pool.Reset() // whatever ended it has ended the others, too, and nobody is to find that out by failing
		s.writer.Reset()
		f(Control{Kind: ControlAway})
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(listenBackoff):
		}
	}
}

func (s *Store) listenOnce(ctx context.Context, lost bool, f func(Control)) error {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack() // a connection that listens never returns to the pool
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+controlChannel); err != nil {
		return err
	}
	if lost {
		f(Control{Kind: ControlLost})
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		var c Control
		if err := json.Unmarshal([]byte(n.Payload), &c); err != nil {
			s.log.Warn("control message not understood", "error", fmt.Errorf("%q: %w", n.Payload, err))
			continue
		}
		f(c)
	}
}
