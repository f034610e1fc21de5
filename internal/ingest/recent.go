package ingest

import (
	"math"
	"sync"
	"time"
)

// recentFor is how long a measurement stays in the recent figures: once to twice as long.
const recentFor = 5 * time.Minute

// Recent is how the batches of the last five to ten minutes were: quantiles of their sizes in drafts and of the time
// that a commit took. They are off by at most 9 %.
type Recent struct {
	Batches                   int64
	SizeP50, SizeP99          float64
	TookP50, TookP95, TookP99 time.Duration
}

// recent measures batches in two generations, of which the older one is dropped.
type recent struct {
	mu       sync.Mutex
	began    time.Time // of the current generation
	now, old generation
}

type generation struct{ sizes, took spread }

func (r *recent) add(writes int, took time.Duration, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(at)
	r.now.sizes.add(float64(writes))
	r.now.took.add(float64(took) / float64(tookUnit))
}

// turn begins a new generation when it is time.
func (r *recent) turn(at time.Time) {
	switch age := at.Sub(r.began); {
	case age < recentFor:
		return
	case age < 2*recentFor:
		r.old = r.now
	default:
		r.old = generation{}
	}
	r.now, r.began = generation{}, at
}

// tookUnit is the resolution of commit times.
const tookUnit = 10 * time.Microsecond

func (r *recent) figures(at time.Time) Recent {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(at)
	sizes, took := r.now.sizes.plus(&r.old.sizes), r.now.took.plus(&r.old.took)
	duration := func(q float64) time.Duration { return time.Duration(took.quantile(q) * float64(tookUnit)) }
	return Recent{
		Batches: sizes.n, SizeP50: sizes.quantile(0.5), SizeP99: sizes.quantile(0.99),
		TookP50: duration(0.5), TookP95: duration(0.95), TookP99: duration(0.99),
	}
}

// spread counts values from 1 on in places that grow by the factor 2^(1/4).
type spread struct {
	n      int64
	places [81]int64 // the last one begins at a million
}

func (s *spread) add(v float64) {
	s.n++
	s.places[min(int(math.Round(4*math.Log2(max(v, 1)))), len(s.places)-1)]++
}

func (s spread) plus(o *spread) spread {
	s.n += o.n
	for i, n := range o.places {
		s.places[i] += n
	}
	return s
}

// quantile returns the middle of the place in which the quantile lies; 0 for none.
func (s *spread) quantile(q float64) float64 {
	rank := q * float64(s.n)
	for i, n := range s.places {
		if rank -= float64(n); rank <= 0 && n > 0 {
			return math.Exp2(float64(i) / 4)
		}
	}
	return 0
}
