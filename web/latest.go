package web

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// maxLatest is how many answers are remembered at least. More are as long as they are wanted: no tab has more than one
	// question under way, so with hub.Options.MaxTabs tabs at most there are hardly more answers than tabs.
	maxLatest = 1000
	// latestFresh is how long an answer is kept in any case: whoever waits for it comes back long before, even on a busy
	// machine, and would have to ask anew.
	latestFresh = 2 * time.Second
	// questionsAtOnce leaves the database to those who read entries, however many pages have news.
	questionsAtOnce = 4
	// latestTimeout bounds one question. It is asked again after the next news.
	latestTimeout = 5 * time.Second
)

// latest shares what open pages say beside their rows: however many there are, the database is asked once for the same
// news, an idle page asks nothing, and none waits for the answer while it could show entries.
type latest[K comparable, V any] struct {
	// ask reads the value anew; before is the one that was known.
	ask   func(ctx context.Context, key K, before V) (V, error)
	spawn func(func()) // runs the questions, and survives their panic

	mu       sync.Mutex
	byKey    map[K]*known[V]
	waiting  []K       // not asked yet, the oldest first
	askers   int       // that were spawned
	answered list.List // the keys that nobody asks for, by their last answer
}

type known[V any] struct {
	value  V
	err    error
	at     time.Time     // when it was asked for; zero: never
	came   time.Time     // the answer
	place  *list.Element // in answered; nil while it is asked for
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
	start := l.enqueue(key, x)
	l.mu.Unlock()
	if start {
		l.spawn(l.answer)
	}
	return value, false, nil
}

// known is what is known of key. The caller holds the lock.
func (l *latest[K, V]) known(key K) *known[V] {
	x := l.byKey[key]
	if x == nil {
		if l.byKey == nil {
			l.byKey = map[K]*known[V]{}
		}
		l.forget()
		x = &known[V]{}
		l.byKey[key] = x
	}
	return x
}

// forget makes room for one more, if answers are there that are old enough. The caller holds the lock.
func (l *latest[K, V]) forget() {
	for len(l.byKey) >= maxLatest {
		oldest := l.answered.Front()
		if oldest == nil {
			return
		}
		key := oldest.Value.(K)
		if time.Since(l.byKey[key].came) < latestFresh {
			return
		}
		l.answered.Remove(oldest)
		delete(l.byKey, key)
	}
}

// enqueue has key asked for, once, and reports whether that takes one more to ask. The caller holds the lock.
func (l *latest[K, V]) enqueue(key K, x *known[V]) (start bool) {
	if x.asking {
		return false
	}
	x.asking = true
	if x.place != nil {
		l.answered.Remove(x.place)
		x.place = nil
	}
	l.waiting = append(l.waiting, key)
	if l.askers == questionsAtOnce {
		return false
	}
	l.askers++
	return true
}

// answer asks until nobody waits. When a question panics, another one goes on.
func (l *latest[K, V]) answer() {
	panicked := true
	defer func() {
		if panicked {
			l.spawn(l.answer)
		}
	}()
	for l.askNext() {
	}
	panicked = false
}

// askNext asks for what has waited longest. It returns false when there is nothing, and then its caller asks no more.
func (l *latest[K, V]) askNext() bool {
	l.mu.Lock()
	if len(l.waiting) == 0 {
		l.waiting = nil
		l.askers--
		l.mu.Unlock()
		return false
	}
	key := l.waiting[0]
	l.waiting = l.waiting[1:]
	x := l.byKey[key]
	before := x.value
	l.mu.Unlock()
	l.read(key, before, x)
	return true
}

func (l *latest[K, V]) read(key K, before V, x *known[V]) {
	ctx, cancel := context.WithTimeout(context.Background(), latestTimeout)
	defer cancel()
	at, value, err := time.Now(), before, errUnanswered
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		x.asking, x.at, x.err, x.came = false, at, err, time.Now()
		x.place = l.answered.PushBack(key)
		if err == nil {
			x.value = value
		}
	}()
	value, err = l.ask(ctx, key, before)
}
