package rollup

import (
	"math"
	"time"
)

const (
	// perOctave is how many places there are between a duration and its double: a quantile is off by at most 19 %.
	perOctave = 4
	// places is the length of the longest histogram; the last place holds everything from 49 days on.
	places = 32*perOctave + 1
)

// Histogram counts durations in places that grow by a constant factor. Place 0 is for less than a millisecond. A
// histogram ends with its last place that is not empty.
type Histogram []int64

// placeOf returns the place of d.
func placeOf(d time.Duration) int {
	if d < time.Millisecond {
		return 0
	}
	ms := float64(d) / float64(time.Millisecond)
	return min(1+int(perOctave*math.Log2(ms)), places-1)
}

// lower returns where a place begins.
func lower(place int) time.Duration {
	if place == 0 {
		return 0
	}
	return time.Duration(math.Exp2(float64(place-1)/perOctave) * float64(time.Millisecond))
}

// Add counts the durations of o, too.
func (h *Histogram) Add(o Histogram) {
	if missing := len(o) - len(*h); missing > 0 {
		*h = append(*h, make(Histogram, missing)...)
	}
	for i, n := range o {
		(*h)[i] += n
	}
}

// Count is how many durations were counted.
func (h Histogram) Count() (n int64) {
	for _, c := range h {
		n += c
	}
	return n
}

// Quantile returns the duration below which the share q of all durations lies; 0 when there is none. Within a place
// durations are taken to be spread evenly.
func (h Histogram) Quantile(q float64) time.Duration {
	rank := q * float64(h.Count())
	below := 0.0
	for place, n := range h {
		if n <= 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		from, to := lower(place), lower(place+1)
		return from + time.Duration((rank-below)/float64(n)*float64(to-from))
	}
	return 0
}
