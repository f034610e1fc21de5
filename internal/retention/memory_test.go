package retention_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
)

// large makes entries of 64 KB that are due: half of them to become warm, half cold.
func (w *world) large(n int) {
	w.t.Helper()
	for _, sql := range []string{
		`INSERT INTO work_logs (owner_id, seq, rev, id, type, status, title, details, logged_at, created_at, updated_at)
			SELECT s.owner_id, s.last_rev + i, s.last_rev + i, gen_random_uuid(), 'info', 'info', 'large', repeat(md5(i::text), 2048), $2::timestamptz - interval '1 day' * (CASE i % 2 WHEN 0 THEN 8 ELSE 31 END), $2, $2
			FROM work_log_stats s, generate_series(1, $1::int) i`,
		`UPDATE work_log_stats s SET last_rev = last_rev + $1, stored = stored + $1, hot = hot + $1, bytes = (SELECT sum(octet_length(title) + octet_length(details) +
			COALESCE(octet_length(details_z), 0) + octet_length(metadata::text)) FROM work_logs) WHERE $2::timestamptz IS NOT NULL`,
	} {
		if _, err := w.raw.Exec(w.ctx, sql, n, w.now); err != nil {
			w.t.Fatal(err)
		}
	}
}

// peak is how much more memory is in use during f than before it, at most.
func peak(f func()) (bytes uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, done := m.HeapInuse, make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				bytes = max(bytes, m.HeapInuse-min(before, m.HeapInuse))
			}
		}
	})
	f()
	close(done)
	watch.Wait()
	return bytes
}

// Not beside other tests: it is the memory of the process that is looked at.
func TestTheMemoryOfASweepAndARestoreDoesNotGrowWithTheirEntries(t *testing.T) {
	w := setupAlone(t)
	w.log(w.ann, w.aged(0, "fresh"))
	most := map[int]uint64{}
	for _, n := range []int{100, 1000} {
		w.large(n)
		sweeping := peak(func() {
			if r := w.sweep(); r.State != store.SweepDone || r.Warm != int64(n/2) || r.Cold != int64(n/2) {
				t.Errorf("report %+v", r.Sweep)
			}
		})
		restoring := peak(func() {
			if r, err := w.sweeper.Restore(w.ctx, store.RestoreQuery{Owner: w.ann.ID}, retention.RestoreOptions{}); err != nil || r.Entries != int64(n) {
				t.Errorf("restored %+v, %v", r, err)
			}
		})
		most[n] = max(sweeping, restoring)
		t.Logf("%d entries of 64 KB: %d MB while they are swept, %d MB while they are restored", n, sweeping>>20, restoring>>20)
	}
	if most[1000] > most[100]+32<<20 { // what came on top is 59 MB
		t.Errorf("%d MB for ten times as many entries, %d MB before", most[1000]>>20, most[100]>>20)
	}
}
