package hookdoor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/spool"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// openTimeout is how long a start waits for the process before it to let go of the spool.
	openTimeout = 2 * time.Second
	// fullEvery is how often a full spool is told of in the log.
	fullEvery = time.Minute
)

// Stats are the figures of the door since the start.
type Stats struct {
	Open      bool      // there is a spool
	AwaySince time.Time // zero: the database is there, as far as anybody knows
	Pending   int64     // events that wait in the spool
	Bytes     int64     // of the spool on disk
	MaxBytes  int64
	Spooled   int64 // events that went through the spool
	Replayed  int64 // of those, stored
	Revoked   int64 // dropped: their token had been revoked, or its user disabled, before they were stored
	Failed    int64 // dropped: nobody could store them
	Refused   int64 // answered with 503 because the spool was full or broken
	Damaged   int64 // records that the disk had damaged

	told time.Time // when the log last told of a full spool
}

// Stats returns the figures.
func (d *Door) Stats() Stats {
	d.mu.Lock()
	st, sp := d.stats, d.spool
	st.AwaySince = d.awaySince
	d.mu.Unlock()
	if sp != nil {
		s := sp.Stats()
		st.Open, st.Pending, st.Bytes, st.MaxBytes, st.Damaged = true, s.Pending, s.Bytes, s.MaxBytes, s.Damaged
	}
	return st
}

// Open opens the spool, before the first event comes: what is in it goes first. That another process still has it is
// no error; Run then tries again.
func (d *Door) Open(ctx context.Context) error {
	if d.dir == "" {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s, err := spool.Open(wait, d.dir, spool.Options{MaxBytes: d.max, Log: d.log})
	if errors.Is(err, spool.ErrLocked) {
		d.log.Warn("another process has the spool of hooks: without it, hooks are refused while the database is away", "directory", d.dir)
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the spool of hooks: %w", err)
	}
	waiting, err := count(s)
	if err != nil {
		return errors.Join(fmt.Errorf("read the spool of hooks: %w", err), s.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spool, d.waiting = s, waiting
	if n := s.Stats().Pending; n > 0 {
		d.log.Info("hooks wait in the spool of an earlier run", "events", n)
	}
	return nil
}

// count returns whose events wait.
func count(s *spool.Spool) (map[int64]int, error) {
	waiting := map[int64]int{}
	return waiting, s.Each(func(r spool.Record) {
		if l, ok := parseLabel(r.Label); ok {
			waiting[l.owner]++
		}
	})
}

// Close ends the use of the spool, after Run has returned and the last event was taken.
func (d *Door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.spool
	d.spool = nil
	if s == nil {
		return nil
	}
	return s.Close()
}

// label is what is kept of an event besides its bytes. Never the token's secret.
type label struct {
	owner    int64
	token    string // its id
	delivery string
	sender   string // empty: unknown
}

func (l label) String() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s %s", l.owner, l.token, l.delivery, l.sender))
}

func parseLabel(s string) (l label, ok bool) {
	n, _ := fmt.Sscanf(s, "%d %s %s %s", &l.owner, &l.token, &l.delivery, &l.sender)
	return l, n >= 3
}

// behind reports whether an event of p has to go behind others of its owner that are spooled, or the database is known
// to be away.
func (d *Door) behind(p *account.Principal) bool {
	if p.Token == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spool != nil && (d.away || d.waiting[p.User.ID] > 0)
}

// lose notes that the database is away, and reports whether an event of p can be spooled.
func (d *Door) lose(p *account.Principal, cause error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.Token == nil || d.spool == nil {
		return false
	}
	if !d.away {
		d.away, d.awaySince = true, d.now()
		d.log.Warn("the database is away: hooks are spooled", "error", cause)
	}
	d.signal()
	return true
}

// put spools an event.
func (d *Door) put(p *account.Principal, from Delivery, raw []byte) error {
	d.mu.Lock()
	s := d.spool
	d.waiting[p.User.ID]++ // before it can be read, so that the next one goes behind it
	d.mu.Unlock()
	err := errors.New("the spool is closed")
	if s != nil {
		_, err = s.Append(spool.Record{At: from.At, Label: label{p.User.ID, p.Token.ID, from.ID, from.Sender}.String(), Body: raw})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.stats.Spooled++
		d.signal()
		return nil
	}
	d.forget(p.User.ID, 1)
	d.stats.Refused++
	if now := d.now(); now.Sub(d.stats.told) >= fullEvery {
		d.stats.told = now
		d.log.Error("hooks are refused: they can not be spooled", "error", err, "refused", d.stats.Refused)
	}
	return &worklog.Error{Code: worklog.CodeUnavailable, Message: "the database is away and the spool can not take more", RetryAfter: retryAfter, Err: err}
}

// forget takes n events of an owner off the count.
func (d *Door) forget(owner int64, n int) {
	if d.waiting[owner] -= n; d.waiting[owner] <= 0 {
		delete(d.waiting, owner)
	}
}

// signal wakes Run.
func (d *Door) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
