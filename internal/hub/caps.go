package hub

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// tabKey names an open document.
type tabKey struct{ session, tab string }

// eviction remembers that a tab was told to stop: its answer may have been lost, and then it comes back by itself.
type eviction struct {
	generation int
	at         time.Time
}

// ending remembers how streams were closed, for one that is being opened at that moment.
type ending struct {
	end End
	at  time.Time
}

const (
	// rememberEvicted is longer than any automatic reconnect takes.
	rememberEvicted = time.Hour
	// rememberEnded is longer than a request can take from its authentication to Open.
	rememberEnded = 10 * time.Minute
	// maxRemembered bounds each memory. What is dropped beyond costs an eviction too many, waits for a recheck, or has pages
	// loaded again.
	maxRemembered = 10_000
)

// Open adds a tab, or says why not. It may end the oldest tab of the session or user. The tab must be served, or closed.
func (h *Hub) Open(w Watch) (*Tab, End) {
	now := time.Now()
	t := &Tab{hub: h, watch: w, cursor: w.After, kick: make(chan struct{}, 1), opened: now, until: now.Add(h.age()), expires: w.Expires}
	h.mu.Lock()
	defer h.mu.Unlock()
	if end := h.admit(&t.watch); end != 0 {
		h.stats.refused.Add(1)
		return nil, end
	}
	h.stats.opened.Add(1)
	h.link(t)
	return t, 0
}

// admit makes room for w. The order matters: the bound of the process comes before anybody is evicted for nothing.
func (h *Hub) admit(w *Watch) End {
	if h.closed {
		return EndStopping
	}
	if end := h.closedMeanwhile(w); end != 0 {
		return end
	}
	if h.stale(w) {
		return EndEvicted
	}
	if !w.UnfiledAt.IsZero() && h.unfiledSince(w.Owner, w.UnfiledAt) {
		return EndBehind
	}
	h.replace(w)
	if h.tabs >= h.o.MaxTabs {
		return EndBusy
	}
	if p := w.program(); p != "" {
		if h.programs[p] >= h.o.StreamsPerToken {
			return EndRefused
		}
		return 0
	}
	h.evictDownTo(h.o.TabsPerSession-1, h.sessions[w.Session])
	h.evictDownTo(h.o.TabsPerUser-1, h.users[w.User])
	return 0
}

// closedMeanwhile returns how the session, token, user or conversation of w was closed since the caller looked at it. A
// session or token that ended stays ended; a user may come back.
func (h *Hub) closedMeanwhile(w *Watch) End {
	for _, id := range []string{w.Session, w.Token} {
		if e, found := h.ended[id]; found {
			return e.end
		}
	}
	for _, id := range []string{userKey(w.User), w.Conversation} {
		if e, found := h.ended[id]; found && !e.at.Before(w.AsOf) {
			return e.end
		}
	}
	return 0
}

// stale reports whether w comes from a document that was evicted, or superseded by its own resume, and has not been
// resumed since.
func (h *Hub) stale(w *Watch) bool {
	if w.TabID == "" {
		return false
	}
	if old := h.same(w); old != nil && w.Generation < old.watch.Generation {
		return true
	}
	key := tabKey{w.Session, w.TabID}
	e, found := h.evicted[key]
	if found && w.Generation <= e.generation {
		return true
	}
	delete(h.evicted, key)
	return false
}

// replace ends the older stream of the same document, whose connection is dead even if the server can not know it yet.
func (h *Hub) replace(w *Watch) {
	if old := h.same(w); old != nil {
		h.endLocked(old, EndReplaced)
	}
}

func (h *Hub) same(w *Watch) *Tab {
	if w.TabID == "" {
		return nil
	}
	for _, t := range h.sessions[w.Session] {
		if t.watch.TabID == w.TabID {
			return t
		}
	}
	return nil
}

func (h *Hub) evictDownTo(most int, tabs []*Tab) {
	for _, t := range slices.Clone(tabs[:max(len(tabs)-most, 0)]) {
		h.endLocked(t, EndEvicted)
		remember(h.evicted, tabKey{t.watch.Session, t.watch.TabID}, eviction{t.watch.Generation, time.Now()})
	}
}

func remember[K comparable, V any](m map[K]V, key K, value V) {
	if len(m) >= maxRemembered {
		for k := range m {
			delete(m, k)
			break
		}
	}
	m[key] = value
}

// link adds an admitted tab to its feed and accounts. A feed that is new, or may lack what the tab's page shows, is read.
func (h *Hub) link(t *Tab) {
	f := h.feeds[t.watch.Owner]
	if f == nil {
		f = &feed{owner: t.watch.Owner}
		h.feeds[f.owner] = f
		h.enqueue(f)
	}
	t.feed, t.place = f, len(f.tabs)
	f.tabs = append(f.tabs, t)
	if t.watch.Read == nil {
		f.watched[t.watch.Format]++
	}
	h.tabs++
	if p := t.watch.program(); p != "" {
		h.programs[p]++
		return
	}
	h.sessions[t.watch.Session] = append(h.sessions[t.watch.Session], t)
	h.users[t.watch.User] = append(h.users[t.watch.User], t)
}

func (h *Hub) unlink(t *Tab) {
	f := t.feed
	last := len(f.tabs) - 1
	f.tabs[t.place] = f.tabs[last]
	f.tabs[t.place].place = t.place
	f.tabs[last] = nil
	f.tabs = f.tabs[:last]
	t.place = -1
	if t.watch.Read == nil {
		f.watched[t.watch.Format]--
	}
	if last == 0 {
		delete(h.feeds, f.owner)
		if f.retry != nil {
			f.retry.Stop()
		}
	}
	h.tabs--
	if p := t.watch.program(); p != "" {
		if h.programs[p]--; h.programs[p] == 0 {
			delete(h.programs, p)
		}
		return
	}
	leave(h.sessions, t.watch.Session, t)
	leave(h.users, t.watch.User, t)
}

func leave[K comparable](m map[K][]*Tab, key K, t *Tab) {
	rest := slices.DeleteFunc(m[key], func(o *Tab) bool { return o == t })
	if len(rest) == 0 {
		delete(m, key)
		return
	}
	m[key] = rest
}

// finish ends a tab that is open, and takes it out of the hub.
func (h *Hub) finish(t *Tab, end End) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked(t, end)
}

func (h *Hub) endLocked(t *Tab, end End) {
	if t.place < 0 {
		return
	}
	t.end.Store(uint32(end))
	h.stats.ended[end].Add(1)
	h.unlink(t)
	t.wake()
}

// endWhere ends the tabs that match. It looks at every tab: what calls it is rare.
func (h *Hub) endWhere(match func(*Tab) bool, end End) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range slices.Collect(maps.Values(h.feeds)) {
		for _, t := range slices.Clone(f.tabs) {
			if match(t) {
				h.endLocked(t, end)
			}
		}
	}
}

// CloseSession ends the streams of a session that was signed out, also one that is being opened at this moment.
func (h *Hub) CloseSession(session string, end End) {
	h.rememberEnded(session, end)
	h.endWhere(func(t *Tab) bool { return t.watch.Session == session }, end)
}

// CloseToken ends the streams of a token that was revoked, also one that is being opened at this moment.
func (h *Hub) CloseToken(token string, end End) {
	h.rememberEnded(token, end)
	h.endWhere(func(t *Tab) bool { return t.watch.Token == token }, end)
}

// CloseConversation ends the streams of a conversation, also one that is being opened at this moment: EndGone when it
// was deleted, EndRecheck when its readers may have changed.
func (h *Hub) CloseConversation(conversation string, end End) {
	h.rememberEnded(conversation, end)
	h.endWhere(func(t *Tab) bool { return t.watch.Conversation == conversation }, end)
}

// CloseUser ends everything that a user watches, also what is being opened at this moment.
func (h *Hub) CloseUser(user int64, end End) {
	h.rememberEnded(userKey(user), end)
	h.endWhere(func(t *Tab) bool { return t.watch.User == user }, end)
}

// Now is the time by which pages say when they were read, and Unfiled when entries left a conversation. It is the clock's,
// but later with each call also when that is set back: else every page would then be older than what it shows.
func (h *Hub) Now() time.Time {
	for {
		last := h.clock.Load()
		now := max(time.Now().UnixMicro(), last+1)
		if h.clock.CompareAndSwap(last, now) {
			return time.UnixMicro(now)
		}
	}
}

// Unfiled says that entries of the owner have left a conversation: pages of what belongs to none, which were read before
// that, have to be loaded again, for it gave the entries no rev.
func (h *Hub) Unfiled(owner int64) {
	h.mu.Lock()
	if _, found := h.unfiled[owner]; !found && len(h.unfiled) >= maxRemembered {
		h.forgetUnfiled()
	}
	h.unfiled[owner] = h.Now()
	h.mu.Unlock()
	h.endWhere(func(t *Tab) bool { return t.watch.Owner == owner && !t.watch.UnfiledAt.IsZero() }, EndBehind)
}

// forgetUnfiled makes room for another owner. Pages that are not younger than what is dropped are then loaded again,
// whoever's they are; so that is the oldest. The caller holds h.mu.
func (h *Hub) forgetUnfiled() {
	var oldest int64
	var at time.Time
	for owner, last := range h.unfiled {
		if at.IsZero() || last.Before(at) {
			oldest, at = owner, last
		}
	}
	delete(h.unfiled, oldest)
	h.unfiledKnown = at.Add(time.Microsecond)
}

// UnfiledSince reports whether Unfiled was called for the owner at a time or later, or may have been: nobody remembers
// what was before the process started, before [Hub.RecheckAll], or beyond 10,000 owners.
func (h *Hub) UnfiledSince(owner int64, at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unfiledSince(owner, at)
}

func (h *Hub) unfiledSince(owner int64, at time.Time) bool {
	last, found := h.unfiled[owner]
	return found && !last.Before(at) || at.Before(h.unfiledKnown)
}

// RecheckAll looks at everybody's rights again, for when notifications may have been missed.
func (h *Hub) RecheckAll() {
	h.mu.Lock()
	clear(h.unfiled)
	h.unfiledKnown = h.Now()
	h.mu.Unlock()
	h.endWhere(func(t *Tab) bool { return t.watch.Conversation != "" }, EndRecheck)
	h.endWhere(func(t *Tab) bool { return !t.watch.UnfiledAt.IsZero() }, EndBehind)
	select {
	case h.recheckNow <- struct{}{}:
	default:
	}
}

// userKey is a user's name among the ended, where all others are UUIDs.
func userKey(user int64) string { return "user " + strconv.FormatInt(user, 10) }

func (h *Hub) rememberEnded(id string, end End) {
	if id == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	remember(h.ended, id, ending{end, time.Now()})
}
