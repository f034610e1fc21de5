package hub

import (
	"context"
	"fmt"
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

// NewFrame returns the frame of the change rev of an entry. Render is called at most once per format unless it fails; it must be
// safe for concurrent use and depend on nothing but the change. Weight is about how many bytes render itself holds on to.
func NewFrame(rev int64, entry, conversation string, weight int, render func(context.Context, Format) ([]byte, error)) *Frame {
	return &Frame{rev: rev, entry: entry, conversation: conversation, weight: weight, render: render}
}

// Rev is the number of the change.
func (f *Frame) Rev() int64 { return f.rev }

// Wire returns the frame in a format, rendering it if nobody has. The caller must not change it.
func (f *Frame) Wire(ctx context.Context, format Format) (b []byte, err error) {
	w := &f.wire[format]
	if p := w.bytes.Load(); p != nil {
		return *p, nil
	}
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
	w.bytes.Store(&b)
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
