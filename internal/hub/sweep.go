package hub

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// sweepUntil repairs what hints and notifications missed, every now and then, until ctx ends.
func (h *Hub) sweepUntil(ctx context.Context) {
	pause := func() time.Duration { return h.o.Sweep + rand.N(max(h.o.Sweep/5, 1)) } // never more often than promised
	timer := time.NewTimer(pause())
	defer timer.Stop()
	recheck := time.Now().Add(jitter(h.o.Recheck))
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-timer.C:
			all := !now.Before(recheck)
			if all {
				recheck = now.Add(jitter(h.o.Recheck))
			}
			h.guarded("sweep", func() { h.sweep(ctx, now, all) })
			timer.Reset(pause())
		case <-h.recheckNow:
			h.guarded("recheck", func() { h.recheck(ctx, time.Now(), true) })
		}
	}
}

func (h *Hub) sweep(ctx context.Context, now time.Time, recheckAll bool) {
	h.forget(now)
	h.compareHeads(ctx)
	h.recheck(ctx, now, recheckAll)
}

// forget drops what need not be remembered any longer.
func (h *Hub) forget(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.evicted, func(_ tabKey, e eviction) bool { return now.Sub(e.at) > rememberEvicted })
	maps.DeleteFunc(h.ended, func(_ string, e ending) bool { return now.Sub(e.at) > rememberEnded })
}

// compareHeads asks once for all watched owners whether a hint was lost. A head that went back means that a backup was
// restored under the running program: its tabs have to load their pages again.
func (h *Hub) compareHeads(ctx context.Context) {
	highs := h.highs()
	if len(highs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	heads, err := h.src.Heads(ctx, slices.Collect(maps.Keys(highs)))
	if err != nil {
		h.log.Warn("hub: the sweep can not read heads", "owners", len(highs), "error", err)
		return
	}
	for owner, high := range highs {
		switch head := heads[owner]; {
		case head > high:
			h.found(owner, head)
		case head < high:
			h.log.Warn("hub: a feed went back, loading its pages again", "owner", owner, "from", high, "to", head)
			h.endWhere(func(t *Tab) bool { return t.watch.Owner == owner }, EndBehind)
		}
	}
}

// highs returns how far each started feed has read.
func (h *Hub) highs() map[int64]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	highs := make(map[int64]int64, len(h.feeds))
	for owner, f := range h.feeds {
		if w := f.window.Load(); w != nil {
			highs[owner] = w.high
		}
	}
	return highs
}

func (h *Hub) found(owner, head int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.feeds[owner]; f != nil {
		f.head = head
		h.enqueue(f)
	}
}

// recheck looks up sessions and tokens again: those that should have ended by now, or all. It repairs a lost
// notification, and a session that was used meanwhile has a later end.
func (h *Hub) recheck(ctx context.Context, now time.Time, all bool) {
	ids := h.principals(func(t *Tab) bool { return all || !t.expires.IsZero() && !now.Before(t.expires) })
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	alive, err := h.src.Alive(ctx, slices.Collect(maps.Keys(ids)))
	if err != nil {
		h.log.Warn("hub: sessions can not be checked", "sessions", len(ids), "error", err)
		return
	}
	h.renew(alive)
	h.endWhere(func(t *Tab) bool {
		id := t.watch.principal()
		_, good := alive[id]
		return ids[id] && !good
	}, EndSignedOut)
}

// renew notes the new ends of sessions and tokens.
func (h *Hub) renew(alive map[string]time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.feeds {
		for _, t := range f.tabs {
			if expires, found := alive[t.watch.principal()]; found {
				t.expires = expires
			}
		}
	}
}

// principals returns the sessions and tokens of the tabs that match.
func (h *Hub) principals(match func(*Tab) bool) map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := map[string]bool{}
	for _, f := range h.feeds {
		for _, t := range f.tabs {
			if match(t) {
				ids[t.watch.principal()] = true
			}
		}
	}
	return ids
}
