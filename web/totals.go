package web

import (
	"bytes"
	"context"
	"time"

	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
)

// readConversation is a conversation as a reader sees it.
type readConversation struct {
	reader int64
	id     string
}

// totals are what open pages of the same conversation say about it.
type totals = latest[readConversation, store.Conversation]

func (s *Server) newTotals() *totals {
	return &totals{spawn: s.hub.Go, ask: func(ctx context.Context, c readConversation, _ store.Conversation) (store.Conversation, error) {
		return s.store.Conversation(ctx, c.reader, c.id)
	}}
}

// Settled tells a page what has come of the news beyond its rows. A failure costs nothing but that: the next news brings
// it.
func (st *pageStream) Settled(ctx context.Context, since time.Time) (done bool, err error) {
	if done, err = st.tellFacts(ctx, since); err != nil || !done {
		return done, err
	}
	return st.tellThreads(since)
}

// tellFacts tells a conversation's page its new totals, and its title unless that is the one it was told last.
func (st *pageStream) tellFacts(ctx context.Context, since time.Time) (done bool, err error) {
	if st.q.Conversation == "" || !st.flushed.After(st.told) {
		return true, nil
	}
	conv, ready, err := st.s.totals.of(readConversation{st.q.Owner, st.q.Conversation}, since)
	if !ready || err != nil {
		return ready, nil
	}
	st.told = since
	titled := conv.DisplayTitle() != st.title
	st.title = conv.DisplayTitle()
	var b bytes.Buffer
	if err := view.FactsUpdate(conversationOf(conv, st.user, st.s.now()), titled).Render(ctx, &b); err != nil {
		return true, nil
	}
	return true, st.Send(sse.Event{Name: "stats", Data: b.String(), NoID: true})
}
