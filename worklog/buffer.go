package worklog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// maxBufferBytes bounds what a buffer holds, whatever its length: a thousand drafts with full details are 256 MB.
	maxBufferBytes = 32 << 20
	// maxBatchDrafts is how many the buffer sends at once.
	maxBatchDrafts = 500
)

// BufferStats say what became of the drafts that went through a buffer.
type BufferStats struct {
	Queued  int   // waiting, or on their way
	Dropped int64 // no room, closed, nothing that can be sent, or a request that failed for good
	Counts        // of the receipts
	Err     error // why something was dropped last
}

// buffer is the queue of a client and the goroutine that empties it, one batch at a time: while a batch is under way,
// the next one gathers. There is no timer.
type buffer struct {
	c    *Client
	most int
	ctx  context.Context // ends the sender
	stop context.CancelFunc
	done chan struct{} // the sender has returned

	mu     sync.Mutex
	queue  []queued
	bytes  int           // of the queue and the batch under way
	away   int           // drafts of the batch under way
	wake   chan struct{} // one slot
	idle   chan struct{} // closed when nothing waits or is under way; nil: nobody asks
	closed bool
	stats  BufferStats
}

// queued is a draft that waits.
type queued struct {
	draft Draft
	at    time.Time
	size  int // about what it takes, in bytes
}

// textBytes is how many bytes the texts of d have.
func (d *Draft) textBytes() (n int) {
	for _, s := range d.texts() {
		n += len(*s)
	}
	return n
}

// staleAfter is how long a draft may wait before it is told when it was logged. Sooner, the server's clock is better.
const staleAfter = time.Second

// drafts returns what is sent of batch at this moment.
func drafts(batch []queued) []Draft {
	out := make([]Draft, len(batch))
	for i := range batch {
		q := &batch[i]
		if q.draft.LoggedAt == nil && time.Since(q.at) > staleAfter {
			q.draft.LoggedAt = &q.at
		}
		out[i] = q.draft
	}
	return out
}

func newBuffer(c *Client, most int) *buffer {
	b := &buffer{c: c, most: most, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	b.ctx, b.stop = context.WithCancel(context.Background())
	go b.run()
	return b
}

// put queues d, never waits, and says why it did not. What it queues is its own: the caller may go on with d.
func (b *buffer) put(d Draft) error {
	b.c.complete(&d)
	m, size, invalid := d.Metadata.sendable()
	d.Metadata = m
	for _, t := range []**time.Time{&d.StartedAt, &d.EndedAt, &d.LoggedAt} {
		if *t != nil {
			*t = new(**t)
		}
	}
	q := queued{d, time.Now(), d.textBytes() + size}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return b.drop(1, Errorf(CodeUnavailable, "the client is closed"))
	case invalid != nil:
		return b.drop(1, invalid)
	case len(b.queue)+b.away >= b.most || b.bytes+q.size > maxBufferBytes:
		return b.drop(1, Errorf(CodeUnavailable, "the buffer is full"))
	}
	b.queue = append(b.queue, q)
	b.bytes += q.size
	b.signal()
	return nil
}

func (b *buffer) drop(n int, err error) error {
	b.stats.Dropped += int64(n)
	b.stats.Err = err
	return err
}

func (b *buffer) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run sends batches until the buffer is closed and empty, or stopped.
func (b *buffer) run() {
	defer close(b.done)
	for {
		batch, closed := b.take()
		switch {
		case len(batch) > 0:
			counts, dropped, err := b.deliver(batch)
			b.settle(batch, counts, dropped, err)
		case closed:
			return
		default:
			<-b.wake
		}
	}
}

func (b *buffer) take() (batch []queued, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.queue), maxBatchDrafts)
	batch = slices.Clone(b.queue[:n])
	clear(b.queue[:n])
	b.queue = b.queue[n:]
	b.away = n
	return batch, b.closed
}

// deliver sends a batch until it arrives, the server refuses it for good, or the buffer is stopped. It makes every try
// itself, since what is sent changes while it waits. What is too large for a proxy on the way goes in parts.
func (b *buffer) deliver(batch []queued) (counts Counts, dropped int, err error) {
	defer func() {
		if r := recover(); r != nil { // the program that logs is worth more than its log
			dropped, err = dropped+len(batch), Errorf(CodeInternal, "sending failed: %v", r)
		}
	}()
	most := len(batch)
	for try := 0; len(batch) > 0; {
		part := batch[:min(most, len(batch))]
		receipts, failed := b.c.append(b.ctx, appending{buffered: true}, drafts(part))
		for i := range receipts {
			counts.Add(receipts[i].Outcome, 1)
		}
		part, batch = part[len(receipts):], batch[len(receipts):]
		next := call{blind: slices.ContainsFunc(part, b.blind)}
		switch {
		case len(part) == 0:
			try = 0
		case CodeOf(failed) == CodeTooLarge && len(part) > 1:
			most = len(part) / 2
		case CodeOf(failed) == CodeTooLarge:
			dropped, err, batch = dropped+1, failed, batch[1:]
		case !next.mayRetry(failed) || !sleep(b.ctx, pause(try, failed)):
			return counts, dropped + len(batch), failed
		default:
			try++
		}
	}
	return counts, dropped, err
}

// blind reports that q may not arrive twice.
func (b *buffer) blind(q queued) bool { return b.c.keyless && q.draft.Key == "" }

func (b *buffer) settle(batch []queued, counts Counts, dropped int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = 0
	for i := range batch {
		b.bytes -= batch[i].size
	}
	b.stats.Counts.AddAll(counts)
	if dropped > 0 {
		_ = b.drop(dropped, err)
	}
	b.rest()
}

// flush waits until nothing waits or is under way.
func (b *buffer) flush(ctx context.Context) error {
	b.mu.Lock()
	left := len(b.queue) + b.away
	if left == 0 {
		b.mu.Unlock()
		return nil
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return &Error{Code: CodeUnavailable, Message: "drafts are still waiting", Err: ctx.Err()}
	}
}

func (b *buffer) close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.signal()
	before := b.stats.Dropped
	b.mu.Unlock()
	select {
	case <-b.done:
	case <-ctx.Done():
		b.stop() // ends the request under way and the pause before the next one
		b.abandon(ctx.Err())
		<-b.done
	}
	b.stop()
	if lost := b.snapshot().Dropped - before; lost > 0 {
		return &Error{Code: CodeUnavailable, Message: fmt.Sprintf("%d drafts were not sent", lost), Err: ctx.Err()}
	}
	return nil
}

// abandon drops what waits.
func (b *buffer) abandon(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.queue {
		b.bytes -= b.queue[i].size
	}
	if n := len(b.queue); n > 0 {
		b.queue = nil
		_ = b.drop(n, err)
	}
	b.rest()
}

// rest tells those who flush when nothing is left.
func (b *buffer) rest() {
	if len(b.queue)+b.away == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

func (b *buffer) snapshot() BufferStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Queued = len(b.queue) + b.away
	return s
}

// Buffered says how the buffer of [WithBuffer] is doing.
func (c *Client) Buffered() BufferStats {
	if c.buffer == nil {
		return BufferStats{}
	}
	return c.buffer.snapshot()
}

// Flush waits until nothing is queued or under way. It takes no longer than ctx and the timeout allow, and fails with
// [CodeUnavailable] when something still waits then.
func (c *Client) Flush(ctx context.Context) error {
	if c.buffer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.buffer.flush(ctx)
}

// Close sends what is queued, ends the client's goroutine and closes idle connections. It takes no longer than ctx and
// the timeout allow, and reports how many drafts were lost then. Log refuses drafts afterwards; other calls still work.
func (c *Client) Close(ctx context.Context) error {
	defer c.http.CloseIdleConnections()
	if c.buffer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.buffer.close(ctx)
}
