package hub

import (
	"sync/atomic"
	"time"
)

// Stats describe the hub at one moment, and what it did since the start. Opened is Open plus the sum of Ended.
type Stats struct {
	Open, Users, Feeds int
	Busiest            int           // the tabs of the session that has most
	Oldest             time.Duration // the age of the oldest tab
	Opened             uint64
	Refused            uint64 // were not opened
	Ended              map[End]uint64
	Frames, Bytes      uint64 // sent
	Replayed           uint64 // frames that tabs took from the database
	Failed             uint64 // reads of feeds
	Latency            Histogram
}

// Histogram counts how long changes took from the hint to the flush into a stream.
type Histogram struct {
	Bounds []time.Duration // upper bounds; one more count is for everything above
	Counts []uint64
	Sum    time.Duration
}

// latencyBounds returns the upper bounds of the latency histogram.
func latencyBounds() [12]time.Duration {
	ms := time.Millisecond
	return [12]time.Duration{ms / 2, ms, 2 * ms, 5 * ms, 10 * ms, 20 * ms, 50 * ms, 100 * ms, 250 * ms, time.Second, 5 * time.Second, 20 * time.Second}
}

type counters struct {
	opened, refused, frames, bytes, replayed, failed atomic.Uint64

	ended   [EndLeft + 1]atomic.Uint64
	latency [13]atomic.Uint64
	sum     atomic.Int64
}

func (c *counters) sent(frames, bytes int, hinted time.Time) {
	c.frames.Add(uint64(frames))
	c.bytes.Add(uint64(bytes))
	if hinted.IsZero() {
		return
	}
	took := time.Since(hinted)
	c.sum.Add(int64(took))
	bounds := latencyBounds()
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	c.latency[i].Add(1)
}

// Stats returns the hub's figures. It never asks the database.
func (h *Hub) Stats() Stats {
	s := Stats{
		Opened: h.stats.opened.Load(), Refused: h.stats.refused.Load(), Frames: h.stats.frames.Load(), Bytes: h.stats.bytes.Load(),
		Replayed: h.stats.replayed.Load(), Failed: h.stats.failed.Load(), Ended: map[End]uint64{},
	}
	bounds := latencyBounds()
	s.Latency = Histogram{Bounds: bounds[:], Sum: time.Duration(h.stats.sum.Load())}
	for i := range h.stats.latency {
		s.Latency.Counts = append(s.Latency.Counts, h.stats.latency[i].Load())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := EndEvicted; e <= EndLeft; e++ {
		s.Ended[e] = h.stats.ended[e].Load()
	}
	s.Open, s.Users, s.Feeds = h.tabs, len(h.users), len(h.feeds)
	for _, tabs := range h.sessions {
		s.Busiest = max(s.Busiest, len(tabs))
	}
	now := time.Now()
	for _, f := range h.feeds {
		for _, t := range f.tabs {
			s.Oldest = max(s.Oldest, now.Sub(t.opened))
		}
	}
	return s
}

// Quantile returns about how long the share q of all changes took at most; 0 when there were none.
func (h Histogram) Quantile(q float64) time.Duration {
	all := uint64(0)
	for _, n := range h.Counts {
		all += n
	}
	rank, below := q*float64(all), 0.0
	for i, n := range h.Counts {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		to := h.Bounds[min(i, len(h.Bounds)-1)]
		from := time.Duration(0)
		if i > 0 {
			from = h.Bounds[i-1]
		}
		return from + time.Duration((rank-below)/float64(n)*float64(to-from))
	}
	return 0
}
