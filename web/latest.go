package web

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxLatest bounds what is remembered; beyond it the memory starts anew.
const maxLatest = 1000

// latestTimeout bounds one question. It is asked again after the next news.
const latestTimeout = 5 * time.Second

// latest shares what open pages say beside their rows: however many there are, the database is asked once for the same
// news, an idle page asks nothing, and none waits for the answer while it could show entries.
type latest[K comparable, V any] struct {
	// ask reads the value anew; before is the one that was known.
	ask   func(ctx context.Context, key K, before V) (V, error)
	spawn func(func()) // runs a question, and survives its panic

	mu    sync.Mutex
	byKey map[K]*known[V]
}

type known[V any] struct {
	value  V
	err    error
	at     time.Time // when it was asked for; zero: never
	asking bool
}

var errUnanswered = errors.New("the question was not answered")

// of returns the value as it was after since, or later. It is not ready while somebody has to be asked: then whoever
// wants it comes back.
func (l *latest[K, V]) of(key K, since time.Time) (value V, ready bool, err error) {
	l.mu.Lock()
	x := l.known(key)
	if x.at.After(since) {
		defer l.mu.Unlock()
		return x.value, true, x.err
	}
	asking := x.asking
	x.asking = true
	before := x.value
	l.mu.Unlock()
	if !asking {
		l.spawn(func() { l.read(key, before, x) })
	}
	return value, false, nil
}

// known is what is known of key. The caller holds the lock.
func (l *latest[K, V]) known(key K) *known[V] {
	x := l.byKey[key]
	if x == nil {
		if l.byKey == nil || len(l.byKey) >= maxLatest {
			l.byKey = map[K]*known[V]{}
		}
		x = &known[V]{}
		l.byKey[key] = x
	}
	return x
}

func (l *latest[K, V]) read(key K, before V, x *known[V]) {
	ctx, cancel := context.WithTimeout(context.Background(), latestTimeout)
	defer cancel()
	at, value, err := time.Now(), before, errUnanswered
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		x.asking, x.at, x.err = false, at, err
		if err == nil {
			x.value = value
		}
	}()
	value, err = l.ask(ctx, key, before)
}
