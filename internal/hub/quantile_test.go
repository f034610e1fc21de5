package hub

import (
	"testing"
	"time"
)

func TestLatencyQuantilesLieInTheirBucket(t *testing.T) {
	t.Parallel()
	bounds := latencyBounds()
	h := Histogram{Bounds: bounds[:], Counts: make([]uint64, len(bounds)+1)}
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("without a change: %v", got)
	}
	h.Counts[3], h.Counts[7], h.Counts[len(bounds)] = 90, 9, 1 // up to 5 ms, up to 100 ms, beyond everything
	for q, bounds := range map[float64][2]time.Duration{
		0.5: {2 * time.Millisecond, 5 * time.Millisecond}, 0.95: {50 * time.Millisecond, 100 * time.Millisecond}, 0.999: {20 * time.Second, 20 * time.Second},
	} {
		if got := h.Quantile(q); got < bounds[0] || got > bounds[1] {
			t.Errorf("quantile %v = %v, want %v to %v", q, got, bounds[0], bounds[1])
		}
	}
}

func TestTheHubKnowsWhoIsWatched(t *testing.T) {
	t.Parallel()
	h := New(nil, Options{})
	if h.Watches(7) {
		t.Error("somebody watches before anybody has come")
	}
	tab, end := h.Open(Watch{User: 1, Owner: 7, Session: "s", TabID: "t"})
	if end != 0 || !h.Watches(7) || h.Watches(8) {
		t.Errorf("open ended with %v; watched %v, %v", end, h.Watches(7), h.Watches(8))
	}
	tab.Close()
	if h.Watches(7) {
		t.Error("somebody watches after all have left")
	}
}
