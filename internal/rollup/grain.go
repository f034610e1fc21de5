package rollup

import (
	"slices"
	"time"
)

// Grain is the width of a bucket.
type Grain string

// The grains.
const (
	Minute Grain = "minute"
	Hour   Grain = "hour"
	Day    Grain = "day"
	Week   Grain = "week" // from Monday on; keeps long windows short
)

// Grains returns every grain, the finest first.
func Grains() [4]Grain { return [4]Grain{Minute, Hour, Day, Week} }

// Width is how long a bucket of g is.
func (g Grain) Width() time.Duration {
	switch g {
	case Minute:
		return time.Minute
	case Hour:
		return time.Hour
	case Day:
		return 24 * time.Hour
	default:
		return 7 * 24 * time.Hour
	}
}

// Keep is how long buckets of g are kept: minutes for two days, the others for at least twice the longest window that
// is made of them, for the comparison with the window before. A little more is for the edges.
func (g Grain) Keep() time.Duration {
	switch g {
	case Minute:
		return 50 * time.Hour
	case Hour:
		return 15 * 24 * time.Hour
	default:
		return 400 * 24 * time.Hour
	}
}

// Bucket returns the beginning of the bucket that holds t.
func (g Grain) Bucket(t time.Time) time.Time { return t.UTC().Truncate(g.Width()) }

// Oldest returns the oldest bucket that is kept at the moment now. Older ones are neither written nor read.
func (g Grain) Oldest(now time.Time) time.Time { return g.Bucket(now.Add(-g.Keep())) }

// Span is the buckets of one grain that begin in [From, To).
type Span struct {
	Grain    Grain
	From, To time.Time
}

// Cover returns the fewest spans that together are [from, to), both of which must begin a minute: whole weeks where
// they fit, days, hours and minutes at the edges.
func Cover(from, to time.Time) []Span {
	if !from.Before(to) {
		return nil
	}
	grains := Grains()
	for _, g := range slices.Backward(grains[1:]) {
		first, last := ceil(from, g), g.Bucket(to)
		if !first.Before(last) {
			continue
		}
		spans := Cover(from, first)
		spans = append(spans, Span{g, first, last})
		return append(spans, Cover(last, to)...)
	}
	return []Span{{Minute, from, to}}
}

func ceil(t time.Time, g Grain) time.Time {
	if b := g.Bucket(t); b.Before(t) {
		return b.Add(g.Width())
	}
	return t
}

// Range is a length of time that the dashboard shows.
type Range struct {
	Name  string // as in addresses
	Bars  int
	Step  time.Duration // the width of a bar
	Grain Grain         // of which bars are made
}

// Ranges returns what can be chosen, the shortest first.
func Ranges() [4]Range {
	return [4]Range{
		{"1h", 60, time.Minute, Minute},
		{"24h", 24, time.Hour, Hour},
		{"7d", 168, time.Hour, Hour},
		{"90d", 90, 24 * time.Hour, Day},
	}
}

// RangeNamed finds a range; false: there is none of the name.
func RangeNamed(name string) (Range, bool) {
	for _, r := range Ranges() {
		if r.Name == name {
			return r, true
		}
	}
	return Range{}, false
}

// Window is the time that the range covers at the moment now: whole bars, the last of which is still growing.
func (r Range) Window(now time.Time) (from, to time.Time) {
	to = now.UTC().Truncate(r.Step).Add(r.Step)
	return to.Add(-time.Duration(r.Bars) * r.Step), to
}
