package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"
)

// Output is where a tab's frames go. Every method must give up after a deadline of its own, with an error that is
// os.ErrDeadlineExceeded.
type Output interface {
	// Frame adds a frame to the current batch.
	Frame(wire []byte) error
	// Flush sends the batch.
	Flush() error
	// Ping sends a sign of life that carries the cursor.
	Ping(cursor int64) error
	// Settled is called once within Options.Settle after the feed has had news (with very many tabs up to five times as
	// late), however many and whether the tab shows them or not: the place for totals. Since is when the last of them was seen. It must not wait, since frames wait
	// for it: when it is not done it is called again soon, with the same since.
	Settled(ctx context.Context, since time.Time) (done bool, err error)
}

// Tab is one open page, or one stream of a program.
type Tab struct {
	hub    *Hub
	feed   *feed
	watch  Watch
	cursor int64 // used by Serve alone
	kick   chan struct{}
	end    atomic.Uint32
	opened time.Time
	until  time.Time // when its age ends it

	// Guarded by Hub.mu.
	place   int       // in feed.tabs; -1 when it is not there any more
	expires time.Time // of its session or token
}

// Serve sends the tab's frames to out until the tab ends or ctx does, and closes the tab. It returns why. Everything
// happens in the caller's goroutine.
func (t *Tab) Serve(ctx context.Context, out Output) End {
	defer t.Close()
	end := t.serve(ctx, out)
	t.hub.finish(t, end)
	return t.Ended()
}

func (t *Tab) serve(ctx context.Context, out Output) End {
	ping := time.Now().Add(jitter(t.hub.o.Ping))
	var settle settling
	timer := time.NewTimer(t.wait(ping, settle.due))
	defer timer.Stop()
	for {
		before := t.cursor
		if end := t.drain(ctx, out); end != 0 {
			return end
		}
		if t.cursor != before && settle.news(t.hub.settle) {
			timer.Reset(t.wait(ping, settle.due))
		}
		select {
		case <-ctx.Done():
			return EndLeft
		case <-t.kick:
			continue
		case <-timer.C:
		}
		now := time.Now()
		var err error
		switch {
		case !now.Before(t.until):
			return EndAged
		case settle.isDue(now):
			err = settle.tell(ctx, out, now, t.hub.settle)
		case !now.Before(ping):
			ping = now.Add(jitter(t.hub.o.Ping))
			err = out.Ping(t.cursor)
		}
		if err != nil {
			return endOf(err)
		}
		timer.Reset(t.wait(ping, settle.due))
	}
}

// settleAgain is when an output that was not done is asked again.
const settleAgain = 25 * time.Millisecond

// settling is when a tab is to be told what has come of the news.
type settling struct {
	due   time.Time // zero: there was nothing since
	since time.Time // of the last news
	asked time.Time // the since that is being told; zero: none
}

// news notes that there was some, and reports whether that makes something due.
func (s *settling) news(within func() time.Duration) bool {
	s.since = time.Now()
	if !s.due.IsZero() {
		return false
	}
	s.due = s.since.Add(within())
	return true
}

func (s *settling) isDue(now time.Time) bool { return !s.due.IsZero() && !now.Before(s.due) }

// tell calls Settled. News that has come while it was not done is told next time.
func (s *settling) tell(ctx context.Context, out Output, now time.Time, within func() time.Duration) error {
	if s.asked.IsZero() {
		s.asked = s.since
	}
	done, err := out.Settled(ctx, s.asked)
	switch {
	case !done:
		s.due = now.Add(settleAgain)
	case s.since.After(s.asked):
		s.due, s.asked = now.Add(within()), time.Time{}
	default:
		s.due, s.asked = time.Time{}, time.Time{}
	}
	return err
}

// wait is how long it takes until the tab has to do something by itself.
func (t *Tab) wait(ping, settle time.Time) time.Duration {
	next := t.until
	if ping.Before(next) {
		next = ping
	}
	if !settle.IsZero() && settle.Before(next) {
		next = settle
	}
	return time.Until(next)
}

// drain sends everything that the tab lacks.
func (t *Tab) drain(ctx context.Context, out Output) End {
	for {
		if end := t.Ended(); end != 0 {
			return end
		}
		frames, more, end := t.next(ctx)
		if end != 0 {
			return end
		}
		if len(frames) > 0 {
			if end := t.send(ctx, out, frames); end != 0 {
				return end
			}
		}
		if !more {
			return 0
		}
	}
}

func (t *Tab) send(ctx context.Context, out Output, frames []*Frame) End {
	bytes := 0
	for _, f := range frames {
		wire, err := f.Wire(ctx, t.watch.Format)
		if err != nil {
			t.hub.log.Error("hub: can not render", "owner", t.watch.Owner, "error", err)
			return EndFailed
		}
		if err := out.Frame(wire); err != nil {
			return endOf(err)
		}
		bytes += len(wire)
	}
	if err := out.Flush(); err != nil {
		return endOf(err)
	}
	t.hub.stats.sent(len(frames), bytes, frames[0].hinted)
	return 0
}

// sendBatch bounds the frames of one flush, so that a write deadline covers a bounded amount.
const sendBatch = 64

// next returns frames behind the cursor and moves the cursor behind them. With more it wants to be called again at once.
func (t *Tab) next(ctx context.Context) (frames []*Frame, more bool, end End) {
	w := t.feed.window.Load()
	switch {
	case w == nil || t.cursor == w.high: // a feed kicks its tabs when it has started
		return nil, false, 0
	case t.cursor > w.high:
		return nil, false, t.ahead(ctx)
	case t.watch.Read != nil || t.cursor < w.low:
		return t.replay(ctx, w.high)
	}
	frames = w.after(t.cursor)
	if len(frames) > sendBatch {
		frames, more = frames[:sendBatch], true
	}
	t.cursor = w.high
	if more {
		t.cursor = frames[len(frames)-1].rev
	}
	return t.mine(frames), more, 0
}

// mine returns the frames of the tab's conversation or entry; frames itself, which is shared, when that is all of them.
func (t *Tab) mine(frames []*Frame) []*Frame {
	if t.watch.Conversation == "" && t.watch.Entry == "" {
		return frames
	}
	other := func(f *Frame) bool {
		return t.watch.Conversation != "" && f.conversation != t.watch.Conversation || t.watch.Entry != "" && f.entry != t.watch.Entry
	}
	n := 0
	for _, f := range frames {
		if !other(f) {
			n++
		}
	}
	if n == len(frames) || n == 0 {
		return frames[:n]
	}
	own := make([]*Frame, 0, n)
	for _, f := range frames {
		if !other(f) {
			own = append(own, f)
		}
	}
	return own
}

// replay reads from the database. Everything up to high is committed, so a read that finds no more than it may return
// has brought the tab at least there, whatever the tab filters.
func (t *Tab) replay(ctx context.Context, high int64) (frames []*Frame, more bool, end End) {
	limit := readBatch
	if t.watch.MaxBehind > 0 {
		limit = t.watch.MaxBehind + 1
	}
	frames, end = t.read(ctx, limit)
	switch {
	case end != 0:
		return nil, false, end
	case t.watch.MaxBehind > 0 && len(frames) == limit:
		return nil, false, EndBehind
	case len(frames) == limit:
		more = true
		t.cursor = frames[len(frames)-1].rev
	case len(frames) > 0:
		t.cursor = max(high, frames[len(frames)-1].rev)
	default:
		t.cursor = high
	}
	t.hub.stats.replayed.Add(uint64(len(frames)))
	return t.mine(frames), more, 0
}

func (t *Tab) read(ctx context.Context, limit int) (frames []*Frame, end End) {
	end = t.ask(ctx, "changes", func(ctx context.Context) (err error) {
		if t.watch.Read != nil {
			frames, err = t.watch.Read(ctx, t.cursor, limit)
		} else {
			frames, err = t.hub.src.Frames(ctx, t.watch.Owner, t.cursor, t.watch.Conversation, limit)
		}
		return err
	})
	return frames, end
}

// ahead deals with a cursor that lies in the future of the feed: either the feed has yet to read what the page already
// shows, or the page is of another history, from before a backup was restored.
func (t *Tab) ahead(ctx context.Context) End {
	var head int64
	end := t.ask(ctx, "head", func(ctx context.Context) error {
		heads, err := t.hub.src.Heads(ctx, []int64{t.watch.Owner})
		head = heads[t.watch.Owner]
		return err
	})
	switch {
	case end != 0:
		return end
	case t.cursor > head:
		return EndBehind
	}
	t.hub.Hint(t.watch.Owner)
	return 0
}

// ask puts one question to the source, in one of the places for that: a thousand tabs that come back at once must not
// take every database connection.
func (t *Tab) ask(ctx context.Context, what string, question func(context.Context) error) End {
	ctx, cancel := context.WithTimeout(ctx, 2*queryTimeout)
	defer cancel()
	select {
	case t.hub.readers <- struct{}{}:
		defer func() { <-t.hub.readers }()
	case <-ctx.Done():
		return EndBusy
	}
	if err := question(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return EndLeft
		}
		t.hub.log.Warn("hub: a tab can not be brought up to date", "owner", t.watch.Owner, "reading", what, "error", err)
		return EndFailed
	}
	return 0
}

// Cursor is the rev up to which the tab is complete. Only Output may call it while Serve runs.
func (t *Tab) Cursor() int64 { return t.cursor }

// Ended returns why the tab is over, and 0 while it is open.
func (t *Tab) Ended() End { return End(t.end.Load()) }

// Close leaves the hub. It may be called any number of times.
func (t *Tab) Close() { t.hub.finish(t, EndLeft) }

func (t *Tab) wake() {
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

// endOf tells a reader that is too slow from one that has gone.
func endOf(err error) End {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return EndSlow
	}
	return EndLeft
}

// age is how long a tab may live: spread, so that tabs that came together do not leave together.
func (h *Hub) age() time.Duration {
	return h.o.MaxAge*8/10 + rand.N(max(h.o.MaxAge/5, 1))
}
