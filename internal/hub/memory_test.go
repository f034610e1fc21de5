package hub

import (
	"context"
	"testing"
	"testing/synctest"
)

// A program that catches up with large entries must not fill the memory with them.
func TestALargeFrameThatOnlyATabHasAskedForIsNotKept(t *testing.T) {
	t.Parallel()
	for size, kept := range map[int]bool{maxUnasked: true, maxUnasked + 1: false} {
		f := NewFrame(1, "e", "", 0, func(context.Context, Format) ([]byte, error) { return make([]byte, size), nil })
		if b, err := f.Wire(t.Context(), JSON); err != nil || len(b) != size {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		if got := f.size() == size; got != kept {
			t.Errorf("of %d bytes %d are kept", size, f.size())
		}
	}
}

func TestABurstOfLargeEntriesIsRenderedARingAtATime(t *testing.T) {
	t.Parallel()
	inWorld(t, Options{RingBytes: 64 << 10}, func(w *world) {
		p := w.open(watch(1, "s", "a", 0))
		synctest.Wait()
		p.stuck = make(chan struct{}) // a tab that falls behind the ring renders what it lacks by itself, with nothing kept
		w.commit(1, "")
		synctest.Wait()
		w.db.size = 16 << 10
		feed := w.hub.feeds[1]
		w.db.rendering = func(rev int64) {
			if ahead := rev - feed.window.Load().high; ahead > 4 {
				t.Errorf("change %d is rendered when the ring ends at %d", rev, rev-ahead)
			}
		}
		before := w.db.renders.Load()
		for range 3 * readBatch / 2 {
			w.db.insert(1, "")
		}
		w.hub.Hint(1)
		synctest.Wait()
		if n := w.db.renders.Load() - before; n != 3*readBatch/2 {
			t.Errorf("%d changes are rendered of %d", n, 3*readBatch/2)
		}
		w.db.rendering = nil
		close(p.stuck)
		w.wantRevs(p, w.db.since(1, 0, ""))
	})
}
