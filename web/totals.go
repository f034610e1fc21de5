package web

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/worklogdev/worklog/internal/sse"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
)

// maxTotals bounds the conversations that are remembered; beyond it the memory starts anew.
const maxTotals = 1000

// totalsTimeout bounds one question for totals. They are told again after the next news.
const totalsTimeout = 5 * time.Second

// totals shares what open pages of the same conversation say about it: however many there are, they ask the database
// once for the same news.
type totals struct {
	store *store.Store

	mu   sync.Mutex
	byID map[string]*total
}

type total struct {
	mu   sync.Mutex
	conv store.Conversation
	at   time.Time // when it was asked for; zero: never
}

// of returns the conversation as it was after since, or later.
func (t *totals) of(ctx context.Context, owner int64, id string, since time.Time) (store.Conversation, error) {
	x := t.total(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at.After(since) {
		return x.conv, nil
	}
	ctx, cancel := context.WithTimeout(ctx, totalsTimeout)
	defer cancel()
	at := time.Now()
	conv, err := t.store.Conversation(ctx, owner, id)
	if err == nil {
		x.conv, x.at = conv, at
	}
	return conv, err
}

func (t *totals) total(id string) *total {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.byID[id]; x != nil {
		return x
	}
	if t.byID == nil || len(t.byID) >= maxTotals {
		t.byID = map[string]*total{}
	}
	x := &total{}
	t.byID[id] = x
	return x
}

// Settled tells a page what has come of the news beyond its rows. A failure costs nothing but that: the next news brings
// it.
func (st *pageStream) Settled(ctx context.Context, since time.Time) error {
	if err := st.tellFacts(ctx); err != nil {
		return err
	}
	return st.tellThreads(ctx, since)
}

// tellFacts tells a conversation's page its new totals.
func (st *pageStream) tellFacts(ctx context.Context) error {
	if st.q.Conversation == "" || !st.flushed.After(st.told) {
		return nil
	}
	conv, err := st.s.totals.of(ctx, st.q.Owner, st.q.Conversation, st.flushed)
	if err != nil {
		return nil
	}
	var b bytes.Buffer
	if err := view.FactsUpdate(conversationOf(conv, st.user, st.s.now())).Render(ctx, &b); err != nil {
		return nil
	}
	st.told = st.flushed
	return st.Send(sse.Event{Name: "stats", Data: b.String(), NoID: true})
}
