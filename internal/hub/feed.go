package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"sync/atomic"
	"time"
)

// feed is the live state of one watched owner. It exists while it has tabs.
type feed struct {
	owner  int64
	window atomic.Pointer[window] // nil until the first read; written by the worker that reads the feed

	// Used by that worker alone.
	backoff time.Duration
	kicked  []*Tab // room for a copy of tabs

	// Guarded by Hub.mu.
	tabs    []*Tab
	watched [formats]int // tabs that take the ring's frames, by format
	state   state
	hinted  time.Time // of the oldest hint that is not yet read
	head    int64     // the owner's last rev as the sweep saw it
	retry   *time.Timer
}

type state uint8

const (
	idle state = iota
	queued
	reading
	readingStale // and there was a hint meanwhile
)

// A failed read is tried again after minBackoff, doubled up to maxBackoff.
const (
	minBackoff = 250 * time.Millisecond
	maxBackoff = 10 * time.Second
)

// window is what the ring holds at one moment: every change in (low, high] as it stood when it was read. It is
// immutable, so tabs read it without a lock; successive windows share the memory behind frames.
type window struct {
	low, high int64
	frames    []*Frame
}

// after returns the frames behind cursor, which must not be below low.
func (w *window) after(cursor int64) []*Frame {
	i := sort.Search(len(w.frames), func(i int) bool { return w.frames[i].rev > cursor })
	return w.frames[i:]
}

// grown returns the window with more frames at its end. Beyond either bound it loses its older half, at least.
func (w *window) grown(more []*Frame, maxFrames, maxBytes int) *window {
	g := &window{low: w.low, frames: append(w.frames, more...)}
	g.high = more[len(more)-1].rev
	bytes := 0
	for _, f := range g.frames {
		bytes += f.size()
	}
	if len(g.frames) <= maxFrames && bytes <= maxBytes {
		return g
	}
	n, drop := len(g.frames), 0
	for drop < n-1 && (n-drop > maxFrames/2 || bytes > maxBytes/2) {
		bytes -= g.frames[drop].size()
		g.low = g.frames[drop].rev
		drop++
	}
	g.frames = append(make([]*Frame, 0, n-drop+readBatch), g.frames[drop:]...)
	return g
}

// pump reads what is new to f, renders it and kicks the tabs. One worker at a time runs it for a feed.
func (h *Hub) pump(ctx context.Context, f *feed) {
	hinted, head := h.takeHint(f)
	if f.window.Load() == nil {
		first, err := h.start(ctx, f)
		if err != nil {
			h.postpone(f, hinted, err)
			return
		}
		head = max(head, first)
		if f.window.Load().high == head { // what is committed from now on brings a hint of its own
			h.kick(f)
			f.backoff = 0
			return
		}
	}
	for ctx.Err() == nil {
		frames, err := h.read(ctx, f)
		if err != nil {
			h.postpone(f, hinted, err)
			return
		}
		last := len(frames) < readBatch
		if !last {
			h.publish(ctx, f, frames, 0, hinted)
			continue
		}
		h.publish(ctx, f, frames, head, hinted)
		f.backoff = 0
		return
	}
}

// start gives a new feed its first window, and returns the owner's last rev. The window begins at the oldest cursor
// that a tab waits at, but not more than half a ring before the head: after a restart one read serves all the tabs that
// come back.
func (h *Hub) start(ctx context.Context, f *feed) (head int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	heads, err := h.src.Heads(ctx, []int64{f.owner})
	if err != nil {
		return 0, fmt.Errorf("head of owner %d: %w", f.owner, err)
	}
	head = heads[f.owner]
	from := head
	h.mu.Lock()
	for _, t := range f.tabs {
		from = min(from, t.watch.After)
	}
	h.mu.Unlock()
	from = max(from, head-int64(h.o.RingFrames/2), 0)
	f.window.Store(&window{low: from, high: from})
	return head, nil
}

func (h *Hub) read(ctx context.Context, f *feed) ([]*Frame, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	high := f.window.Load().high
	frames, err := h.src.Frames(ctx, f.owner, high, "", readBatch)
	if err != nil {
		return nil, fmt.Errorf("changes of owner %d after %d: %w", f.owner, high, err)
	}
	return frames, nil
}

// publish renders frames in the formats that are watched, puts them into the ring and kicks the tabs, as often as a ring
// is full. It holds no lock while it renders. A head other than 0 says that nothing else is left up to there: the revs in
// between belong to rows that do not exist any more.
func (h *Hub) publish(ctx context.Context, f *feed, frames []*Frame, head int64, hinted time.Time) {
	h.mu.Lock()
	watched := f.watched
	maxBytes := min(h.o.RingBytes, h.o.TotalBytes/max(len(h.feeds), 1))
	h.mu.Unlock()
	w := f.window.Load()
	for len(frames) > 0 {
		n := h.prepare(ctx, f.owner, frames, watched, maxBytes, hinted)
		w = w.grown(frames[:n], h.o.RingFrames, maxBytes)
		f.window.Store(w)
		h.kick(f)
		clear(frames[:n]) // what the ring drops is to be dropped
		frames = frames[n:]
	}
	if head > w.high {
		f.window.Store(&window{low: w.low, high: head, frames: w.frames})
		h.kick(f)
	}
}

// prepare renders frames up to about maxBytes and returns how many. One that fails is left to its tabs, which then end
// and come back.
func (h *Hub) prepare(ctx context.Context, owner int64, frames []*Frame, watched [formats]int, maxBytes int, hinted time.Time) int {
	bytes := 0
	for i, fr := range frames {
		fr.hinted = hinted
		for format, tabs := range watched {
			if tabs == 0 {
				continue
			}
			if err := fr.prepare(ctx, Format(format)); err != nil {
				h.log.Error("hub: can not render", "owner", owner, "error", err)
			}
		}
		if bytes += fr.size(); bytes >= maxBytes {
			return i + 1
		}
	}
	return len(frames)
}

// kick wakes the tabs of f, without holding up those who give hints meanwhile.
func (h *Hub) kick(f *feed) {
	h.mu.Lock()
	f.kicked = append(f.kicked[:0], f.tabs...)
	h.mu.Unlock()
	for i, t := range f.kicked {
		t.wake()
		f.kicked[i] = nil // a tab that has gone must not stay here
	}
}

func (h *Hub) takeHint(f *feed) (hinted time.Time, head int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	hinted, head = f.hinted, f.head
	f.hinted = time.Time{}
	return hinted, head
}

// postpone has a feed that could not be read read again a little later. Its tabs stay open: while the database is away
// there is no news, and a herd of reconnecting pages would not help it.
func (h *Hub) postpone(f *feed, hinted time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(f.tabs) == 0 || h.closed {
		return
	}
	h.stats.failed.Add(1)
	h.log.Warn("hub: a feed can not be read", "owner", f.owner, "error", err)
	f.hinted = hinted
	f.backoff = min(max(2*f.backoff, minBackoff), maxBackoff)
	wait := jitter(f.backoff)
	if f.retry == nil {
		f.retry = time.AfterFunc(wait, func() { h.Hint(f.owner) })
	} else {
		f.retry.Reset(wait)
	}
}

// jitter returns d +- 10 %.
func jitter(d time.Duration) time.Duration {
	return d*9/10 + rand.N(max(d/5, 1))
}
