package hub

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Format is a wire format of frames.
type Format uint8

// The formats.
const (
	HTML Format = iota // for pages
	JSON               // for programs
	formats
)

// Frame is one change as tabs receive it: an immutable piece of a stream, shared by all of them.
type Frame struct {
	rev          int64
	entry        string
	conversation string
	weight       int
	render       func(context.Context, Format) ([]byte, error)
	hinted       time.Time // when the hub heard of it; zero for a replay. Set before the frame is shared.
	wire         [formats]struct {
		mu    sync.Mutex
		bytes atomic.Pointer[[]byte]
	}
}

// NewFrame returns the frame of the change rev of an entry. Render must be safe for concurrent use and depend on nothing
// but the change: it is called again when it fails, and for each tab that needs a large frame which is not in the ring in
// its format. Weight is about how many bytes render itself holds on to.
func NewFrame(rev int64, entry, conversation string, weight int, render func(context.Context, Format) ([]byte, error)) *Frame {
	return &Frame{rev: rev, entry: entry, conversation: conversation, weight: weight, render: render}
}

// maxUnasked is the size up to which a frame keeps what a tab had rendered: nobody counts that towards the ring.
const maxUnasked = 8 << 10

// Wire returns the frame in a format, rendering it if nobody has. The caller must not change it.
func (f *Frame) Wire(ctx context.Context, format Format) ([]byte, error) {
	if p := f.wire[format].bytes.Load(); p != nil {
		return *p, nil
	}
	return f.draw(ctx, format, maxUnasked)
}

// prepare renders the frame in a format, and keeps that.
func (f *Frame) prepare(ctx context.Context, format Format) error {
	_, err := f.draw(ctx, format, math.MaxInt)
	return err
}

// draw renders the frame if nobody has meanwhile, and keeps up to most bytes.
func (f *Frame) draw(ctx context.Context, format Format, most int) (b []byte, err error) {
	w := &f.wire[format]
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.bytes.Load(); p != nil {
		return *p, nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("hub: rendering change %d panicked: %v", f.rev, r)
		}
	}()
	if b, err = f.render(ctx, format); err != nil {
		return nil, fmt.Errorf("hub: render change %d: %w", f.rev, err)
	}
	if len(b) <= most {
		w.bytes.Store(&b)
	}
	return b, nil
}

// size is about how much memory the frame holds.
func (f *Frame) size() int {
	n := f.weight
	for i := range f.wire {
		if p := f.wire[i].bytes.Load(); p != nil {
			n += len(*p)
		}
	}
	return n
}
