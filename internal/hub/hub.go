// Package hub brings news to open pages. It knows neither entries, HTML nor SQL: it carries frames, bytes that a
// [Source] renders, from the database to tabs.
//
// Whoever commits a change gives a hint, which carries no data and may be lost. The feed of a watched owner then reads
// what is new, once for all of its tabs, renders it once, keeps it in a small ring and kicks the tabs. A tab is a
// cursor and a one-slot kick: it has no queue and no goroutine of its own. Kicked, it takes what it lacks from the
// ring, or from the database when that lies further back, so live delivery and replay are one code path, a slow reader
// costs only itself, and a lost hint costs at most one sweep: a single query for all watched owners.
//
// Decision: feeds are read by a fixed number of workers and not by a goroutine per feed. An idle feed costs no
// goroutine, and however many owners have news at once, the hub holds no more database connections than it has workers.
package hub

import (
	"cmp"
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Source is the database as the hub sees it.
type Source interface {
	// Frames returns at most limit frames of the owner's feed with a rev above after, by rev ascending; the empty
	// conversation means all of them.
	Frames(ctx context.Context, owner, after int64, conversation string, limit int) ([]*Frame, error)
	// Heads returns the last rev of each owner; an owner without entries may be missing.
	Heads(ctx context.Context, owners []int64) (map[int64]int64, error)
	// Alive returns those of the sessions and tokens that are still good, with the time at which they end (zero: never).
	Alive(ctx context.Context, ids []string) (map[string]time.Time, error)
}

// Options bound what the hub may hold. A zero field means its default.
type Options struct {
	TabsPerSession  int           // default 3: HTTP/1.1 gives a browser six connections in all
	TabsPerUser     int           // default 12
	StreamsPerToken int           // default 10
	MaxTabs         int           // default 20,000, in the whole process
	MaxAge          time.Duration // default 1 h; a tab lives 0.8 to 1.0 of it
	Sweep           time.Duration // default 15 s, + 0 to 20 %: the longest that a lost hint delays anything
	Recheck         time.Duration // default 4 min: how often sessions and tokens are looked up again
	Ping            time.Duration // default 20 s, +- 10 %: proxies give up after 30
	Settle          time.Duration // default 1 s: see Output.Settled
	RingFrames      int           // default 512 per feed
	RingBytes       int           // default 1 MiB per feed
	TotalBytes      int           // default 64 MiB in the rings of all feeds
	Workers         int           // default 4 feeds are read at once
	Readers         int           // default 8 tabs replay at once
	Log             *slog.Logger  // default slog.Default
}

const (
	// queryTimeout bounds one question to the Source.
	queryTimeout = 5 * time.Second
	// farewellTimeout is how long Run waits for streams that were told to end.
	farewellTimeout = 5 * time.Second
	// readBatch is how many frames one query brings.
	readBatch = 200
)

func (o Options) withDefaults() Options {
	o.TabsPerSession = cmp.Or(o.TabsPerSession, 3)
	o.TabsPerUser = cmp.Or(o.TabsPerUser, 12)
	o.StreamsPerToken = cmp.Or(o.StreamsPerToken, 10)
	o.MaxTabs = cmp.Or(o.MaxTabs, 20_000)
	o.MaxAge = cmp.Or(o.MaxAge, time.Hour)
	o.Sweep = cmp.Or(o.Sweep, 15*time.Second)
	o.Recheck = cmp.Or(o.Recheck, 4*time.Minute)
	o.Ping = cmp.Or(o.Ping, 20*time.Second)
	o.Settle = cmp.Or(o.Settle, time.Second)
	o.RingFrames = cmp.Or(o.RingFrames, 512)
	o.RingBytes = cmp.Or(o.RingBytes, 1<<20)
	o.TotalBytes = cmp.Or(o.TotalBytes, 64<<20)
	o.Workers = cmp.Or(o.Workers, 4)
	o.Readers = cmp.Or(o.Readers, 8)
	o.Log = cmp.Or(o.Log, slog.Default())
	return o
}

// Hub holds the live state of one process. Its methods may be called by any goroutine.
type Hub struct {
	src     Source
	o       Options
	log     *slog.Logger
	stats   counters
	wake    chan struct{} // one slot: some feed waits to be read
	readers chan struct{} // a place for each tab that replays

	recheckNow chan struct{} // one slot: sessions and tokens are to be looked up
	streamless chan struct{} // closed when the hub is, and all streams have ended
	clock      atomic.Int64  // what Now said last, in microseconds

	mu       sync.Mutex
	closed   bool
	streams  int // started by Go
	tabs     int
	feeds    map[int64]*feed
	sessions map[string][]*Tab // the tabs of each session, oldest first
	users    map[int64][]*Tab  // the tabs of each user, oldest first
	programs map[string]int    // the streams of each token
	evicted  map[tabKey]eviction
	ended    map[string]ending   // sessions, tokens and conversations that were closed a moment ago
	dirty    []*feed             // waiting to be read, each at most once
	unfiled  map[int64]time.Time // when entries of each owner last left a conversation
	// unfiledKnown is since when unfiled lacks none.
	unfiledKnown time.Time
}

// New returns a hub that reads from src. It does nothing until Run.
func New(src Source, o Options) *Hub {
	o = o.withDefaults()
	h := &Hub{
		src: src, o: o, log: o.Log,
		wake:    make(chan struct{}, 1),
		readers: make(chan struct{}, o.Readers),

		recheckNow: make(chan struct{}, 1),
		streamless: make(chan struct{}),
		feeds:      map[int64]*feed{},
		sessions:   map[string][]*Tab{},
		users:      map[int64][]*Tab{},
		programs:   map[string]int{},
		evicted:    map[tabKey]eviction{},
		ended:      map[string]ending{},
		unfiled:    map[int64]time.Time{},
	}
	h.unfiledKnown = h.Now()
	return h
}

// Hint says that the owner has news. It never blocks, and costs a look into a map when nobody watches the owner.
func (h *Hub) Hint(owner int64) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.feeds[owner]; f != nil {
		if f.hinted.IsZero() {
			f.hinted = now
		}
		h.enqueue(f)
	}
}

// Watches reports whether anybody watches the owner.
func (h *Hub) Watches(owner int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.feeds[owner] != nil
}

// Run reads feeds and sweeps until ctx ends. Then it ends every tab, and returns when its workers and streams have
// ended.
func (h *Hub) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range h.o.Workers {
		workers.Go(func() { h.work(ctx) })
	}
	h.sweepUntil(ctx)
	workers.Wait()
	h.Shutdown()
	select {
	case <-h.streamless:
	case <-time.After(farewellTimeout):
	}
	return nil
}

const (
	// settleTabs is how many tabs are told totals at their usual pace. More are told less often, since rows come first.
	settleTabs = 400
	// maxSettle bounds that, in the usual pace.
	maxSettle = 5
)

// settle is when after news a tab is told what has come of it.
func (h *Hub) settle() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.o.Settle * time.Duration(min(1+h.tabs/settleTabs, maxSettle))
}

// Shutdown ends every tab and refuses new ones. It does not wait.
func (h *Hub) Shutdown() {
	h.mu.Lock()
	if !h.closed && h.streams == 0 {
		close(h.streamless)
	}
	h.closed = true
	h.mu.Unlock()
	h.endWhere(func(*Tab) bool { return true }, EndStopping)
}

// Go runs a stream in a goroutine that Run waits for, and survives its panic. After Shutdown it runs it at once: there
// is only a farewell left to say.
func (h *Hub) Go(stream func()) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		h.guarded("end a stream", stream)
		return
	}
	h.streams++
	h.mu.Unlock()
	go func() {
		defer h.streamEnded()
		h.guarded("serve a stream", stream)
	}()
}

func (h *Hub) streamEnded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams--; h.streams == 0 && h.closed {
		close(h.streamless)
	}
}

func (h *Hub) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for f := h.take(); f != nil && ctx.Err() == nil; f = h.take() {
			h.guarded("read a feed", func() { h.pump(ctx, f) })
			h.release(f)
		}
	}
}

// guarded keeps a panic of f from ending the program.
func (h *Hub) guarded(what string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("hub: panic", "while", what, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// enqueue has f read soon. The caller holds h.mu.
func (h *Hub) enqueue(f *feed) {
	switch f.state {
	case idle:
		f.state = queued
		h.dirty = append(h.dirty, f)
		h.signal()
	case reading:
		f.state = readingStale
	}
}

// take returns the next feed to read, nil if there is none, and wakes another worker if there are more.
func (h *Hub) take() *feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.dirty) > 0 {
		f := h.dirty[0]
		h.dirty[0] = nil
		h.dirty = h.dirty[1:]
		if len(f.tabs) == 0 {
			continue
		}
		f.state = reading
		if len(h.dirty) > 0 {
			h.signal()
		}
		return f
	}
	return nil
}

// release ends the reading of f, and has it read again when there was a hint meanwhile.
func (h *Hub) release(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	stale := f.state == readingStale
	f.state = idle
	if stale && len(f.tabs) > 0 {
		h.enqueue(f)
	}
}

func (h *Hub) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}
