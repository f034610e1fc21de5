package web

import (
	"context"
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

type threadList struct {
	mu   sync.Mutex
	html string
	at   time.Time // when it was asked for; zero: never
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
	var b strings.Builder
	if err := view.Threads(conversationsOf(list, user, now), now).Render(ctx, &b); err != nil {
		return "", err
	}
	x.html, x.at = b.String(), at
	return x.html, nil
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

// tellThreads tells a page how the conversations of its user stand. A page of somebody else's conversation does not hear
// of the user's own.
func (st *pageStream) tellThreads(ctx context.Context, since time.Time) error {
	if st.q.Owner != st.user {
		return nil
	}
	html, err := st.s.threads.of(ctx, st.user, since, st.s.now())
	if err != nil || html == st.threads {
		return nil
	}
	st.threads = html
	return st.Send(sse.Event{Name: "threads", Data: html, NoID: true})
}
