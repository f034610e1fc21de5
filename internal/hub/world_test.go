package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// change is a row of the fake database: the entry's last change.
type change struct {
	rev          int64
	entry        int
	conversation string
}

// database is a Source without a network. A row keeps only the last rev of its entry, as the real table does.
type database struct {
	mu       sync.Mutex
	rows     map[int64][]change // by owner, rev ascending
	heads    map[int64]int64
	alive    map[string]time.Time
	down     error
	queries  map[string]int
	renders  atomic.Int64
	failures atomic.Int64 // renderings that are to fail
	size     int          // of a frame, in bytes
	// rendering is called with each change that is rendered.
	rendering func(rev int64)
	delay     time.Duration // before rows are read
	lag       time.Duration // before they are returned
}

func (d *database) write(owner int64, conversation string, entry int) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heads[owner]++
	rev := d.heads[owner]
	rows := slices.DeleteFunc(d.rows[owner], func(c change) bool { return c.entry == entry })
	d.rows[owner] = append(rows, change{rev, entry, conversation})
	return rev
}

func (d *database) insert(owner int64, conversation string) int64 {
	d.mu.Lock()
	next := int(d.heads[owner]) + 1_000_000
	d.mu.Unlock()
	return d.write(owner, conversation, next)
}

// since returns the revs that a page with the cursor after has to receive.
func (d *database) since(owner, after int64, conversation string) []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var revs []int64
	for _, c := range d.rows[owner] {
		if c.rev > after && (conversation == "" || c.conversation == conversation) {
			revs = append(revs, c.rev)
		}
	}
	return revs
}

func (d *database) count(query string) error {
	d.queries[query]++
	return d.down
}

func (d *database) asked(query string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queries[query]
}

func (d *database) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = err
}

func (d *database) Frames(ctx context.Context, owner, after int64, conversation string, limit int) ([]*Frame, error) {
	time.Sleep(d.delay) // the bubble's clock
	defer time.Sleep(d.lag)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.count("frames"); err != nil {
		return nil, err
	}
	var frames []*Frame
	for _, c := range d.rows[owner] {
		if c.rev > after && (conversation == "" || c.conversation == conversation) && len(frames) < limit {
			frames = append(frames, d.frame(c))
		}
	}
	return frames, ctx.Err()
}

func (d *database) frame(c change) *Frame {
	return NewFrame(c.rev, strconv.Itoa(c.entry), c.conversation, 0, func(context.Context, Format) ([]byte, error) {
		d.renders.Add(1)
		if d.rendering != nil {
			d.rendering(c.rev)
		}
		if d.failures.Add(-1) >= 0 {
			return nil, errors.New("no ink")
		}
		return append(fmt.Appendf(nil, "%d %d\n", c.rev, c.entry), make([]byte, d.size)...), nil
	})
}

func (d *database) Heads(_ context.Context, owners []int64) (map[int64]int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	heads := map[int64]int64{}
	for _, o := range owners {
		heads[o] = d.heads[o]
	}
	return heads, d.count("heads")
}

func (d *database) Alive(_ context.Context, ids []string) (map[string]time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	alive := maps.Clone(d.alive)
	maps.DeleteFunc(alive, func(id string, _ time.Time) bool { return !slices.Contains(ids, id) })
	return alive, d.count("alive")
}

// world is a hub on a fake database, inside a bubble.
type world struct {
	t   *testing.T
	db  *database
	hub *Hub
}

// inWorld runs f in a bubble with a running hub, and checks that nothing is left when everybody has gone.
func inWorld(t *testing.T, o Options, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Log = slog.New(slog.DiscardHandler)
		w := &world{t: t, db: &database{rows: map[int64][]change{}, heads: map[int64]int64{}, alive: map[string]time.Time{}, queries: map[string]int{}}}
		w.hub = New(w.db, o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.hub.Run(ctx) }()
		f(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
		synctest.Wait()
		w.empty()
	})
}

// empty checks that the hub holds no tab.
func (w *world) empty() {
	w.t.Helper()
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.feeds) + len(h.sessions) + len(h.users) + len(h.programs) + h.tabs; n != 0 {
		w.t.Errorf("the hub still holds %d feeds, %d sessions, %d users, %d programs, %d tabs", len(h.feeds), len(h.sessions), len(h.users), len(h.programs), h.tabs)
	}
}

// commit writes an entry and gives the hint, as the write path does.
func (w *world) commit(owner int64, conversation string) int64 {
	rev := w.db.insert(owner, conversation)
	w.hub.Hint(owner)
	return rev
}

// page is a reader of a stream.
type page struct {
	tab    *Tab
	cancel context.CancelFunc
	over   chan struct{}
	end    End

	mu      sync.Mutex
	got     []int64 // revs, as they were flushed
	batch   []int64
	flushes int
	pings   []int64
	settled int
	undone  int           // how often Settled is not done
	since   time.Time     // of the last Settled
	stuck   chan struct{} // while it is not nil, a flush waits for it, at most writeDeadline
}

const writeDeadline = 10 * time.Second

func (p *page) Frame(wire []byte) error {
	var rev int64
	var entry int
	if _, err := fmt.Sscan(string(wire), &rev, &entry); err != nil {
		return err
	}
	p.batch = append(p.batch, rev)
	return nil
}

func (p *page) Flush() error {
	p.mu.Lock()
	stuck := p.stuck
	p.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-time.After(writeDeadline):
			return os.ErrDeadlineExceeded
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, p.batch...)
	p.batch = p.batch[:0]
	p.flushes++
	return nil
}

func (p *page) Ping(cursor int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pings = append(p.pings, cursor)
	return nil
}

func (p *page) Settled(_ context.Context, since time.Time) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.undone > 0 {
		p.undone--
		return false, nil
	}
	p.settled++
	p.since = since
	return true, nil
}

// told is how many totals the page has, and of when the last are.
func (p *page) told() (n int, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settled, p.since
}

func (p *page) revs() []int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *page) leave() {
	p.cancel()
	<-p.over
}

// watch returns a browser's watch of its user's own feed.
func watch(user int64, session, tab string, after int64) Watch {
	return Watch{User: user, Owner: user, Session: session, TabID: tab, After: after, MaxBehind: 300}
}

// open opens a page and serves it until it ends or leaves.
func (w *world) open(watch Watch) *page {
	w.t.Helper()
	p, end := w.tryOpen(watch)
	if end != 0 {
		w.t.Fatalf("Open(%+v) was refused: %v", watch, end)
	}
	return p
}

func (w *world) tryOpen(watch Watch) (*page, End) {
	tab, end := w.hub.Open(watch)
	if end != 0 {
		return nil, end
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &page{tab: tab, cancel: cancel, over: make(chan struct{})}
	go func() {
		defer close(p.over)
		defer cancel()
		p.end = tab.Serve(ctx, p)
	}()
	return p, 0
}

// ended waits until nothing moves, and returns how the page ended; 0 when it is open.
func (p *page) ended() End {
	synctest.Wait()
	select {
	case <-p.over:
		return p.end
	default:
		return 0
	}
}

func (w *world) wantRevs(p *page, want []int64) {
	w.t.Helper()
	synctest.Wait()
	if got := p.revs(); !slices.Equal(got, want) {
		w.t.Errorf("the page received %v, want %v", got, want)
	}
}
