package web

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
)

// threads are the lists of conversations that stand beside every page of a user.
type threads = latest[int64, threadList]

// threadsGrain is how old the times of a list may be that says otherwise what it said before: it shows them in minutes,
// and a busy conversation would be told to every page each second for the sake of its last second.
const threadsGrain = 20 * time.Second

type threadList struct {
	html   string
	coarse string // html with its times in grains
}

func (s *Server) newThreads() *threads {
	return &threads{spawn: s.hub.Go, ask: func(ctx context.Context, user int64, before threadList) (threadList, error) {
		list, err := s.beside(ctx, user)
		if err == nil {
			err = before.render(ctx, list, user, s.now())
		}
		return before, err
	}}
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

// tellThreads tells a page how the conversations of its user stand, if they stand otherwise. The page of all conversations
// shows more of them, and is told whenever there is news. A page of somebody else's conversation does not hear of the
// user's own.
func (st *pageStream) tellThreads(since time.Time) (done bool, err error) {
	if st.q.Owner != st.user {
		return true, nil
	}
	list, ready, err := st.s.threads.of(st.user, since)
	if !ready || err != nil || list.html == st.threads && !st.list {
		return ready, nil
	}
	st.threads = list.html
	return true, st.Send(sse.Event{Name: "threads", Data: list.html, NoID: true})
}
