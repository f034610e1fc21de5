package web

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
)

// threads shares the list of conversations that stands beside every page of a user: however many of them are open, the
// database is asked once for the same news, and an idle page asks nothing.
type threads struct {
	store *store.Store

	mu     sync.Mutex
	byUser map[int64]*threadList
}

// maxThreads bounds the users whose list is remembered; beyond it the memory starts anew.
const maxThreads = 1000

// threadsGrain is how old the times of a list may be that says otherwise what it said before: it shows them in minutes,
// and a busy conversation would be told to every page each second for the sake of its last second.
const threadsGrain = 20 * time.Second

type threadList struct {
	mu     sync.Mutex
	html   string
	coarse string    // html with its times in grains
	at     time.Time // when it was asked for; zero: never
}

// of returns the list as it was after since, or later.
func (t *threads) of(ctx context.Context, user int64, since, now time.Time) (string, error) {
	x := t.list(user)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at.After(since) {
		return x.html, nil
	}
	ctx, cancel := context.WithTimeout(ctx, totalsTimeout)
	defer cancel()
	at := time.Now()
	list, _, err := t.store.Conversations(ctx, store.ConversationQuery{Viewer: user, Limit: sidebarLimit})
	if err != nil {
		return "", err
	}
	if err := x.render(ctx, list, user, now); err != nil {
		return "", err
	}
	x.at = at
	return x.html, nil
}

// render renders the list anew if it says something else than the one before.
func (x *threadList) render(ctx context.Context, list []store.Conversation, user int64, now time.Time) error {
	shown := conversationsOf(list, user, now)
	coarse, err := threadsHTML(ctx, inGrains(shown), now)
	if err != nil || coarse == x.coarse {
		return err
	}
	html, err := threadsHTML(ctx, shown, now)
	if err == nil {
		x.html, x.coarse = html, coarse
	}
	return err
}

func threadsHTML(ctx context.Context, list []view.Conversation, now time.Time) (string, error) {
	var b strings.Builder
	err := view.Threads(list, now).Render(ctx, &b)
	return b.String(), err
}

func inGrains(list []view.Conversation) []view.Conversation {
	list = slices.Clone(list)
	for i := range list {
		c := &list[i]
		c.SilentAt = c.SilentAt.Truncate(threadsGrain)
		if c.LastEntryAt != nil {
			last := c.LastEntryAt.Truncate(threadsGrain)
			c.LastEntryAt = &last
		}
	}
	return list
}

func (t *threads) list(user int64) *threadList {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.byUser[user]; x != nil {
		return x
	}
	if t.byUser == nil || len(t.byUser) >= maxThreads {
		t.byUser = map[int64]*threadList{}
	}
	x := &threadList{}
	t.byUser[user] = x
	return x
}

// tellThreads tells a page how the conversations of its user stand, if they stand otherwise. The page of all conversations
// shows more of them, and is told whenever there is news. A page of somebody else's conversation does not hear of the
// user's own.
func (st *pageStream) tellThreads(ctx context.Context, since time.Time) error {
	if st.q.Owner != st.user {
		return nil
	}
	html, err := st.s.threads.of(ctx, st.user, since, st.s.now())
	if err != nil || html == st.threads && !st.list {
		return nil
	}
	st.threads = html
	return st.Send(sse.Event{Name: "threads", Data: html, NoID: true})
}
