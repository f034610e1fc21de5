package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/worklogdev/worklog/worklog"
)

// Charts are drawn in units of their own and stretched to the width of the page; words stand beside them as HTML, which
// does not stretch. Colours are classes: the content policy forbids inline styles.
const (
	barPitch   = 12 // from bar to bar
	barWidth   = 10
	barHeight  = 400 // of the whole chart
	leastBar   = 3   // what is there at all can be seen
	axisLabels = 6
	sparkPoint = 48 // most points of a sparkline
	sparkTop   = 100
)

// stackOrder is how statuses lie upon each other, from the bottom. Failures are on top, where they are seen.
func stackOrder() []worklog.Status {
	return []worklog.Status{worklog.StatusSuccess, worklog.StatusInfo, worklog.StatusWorking, worklog.StatusWarning, worklog.StatusError}
}

// barChart is a stacked bar chart.
type barChart struct {
	Width  int
	Top    int64 // the value at the upper edge
	Layers []barLayer
	Hits   []barHit
	Ticks  []time.Time
	Axis   string // what a tick tells: "hour" or "day"
}

// barLayer is all that one status has in the chart, as one path.
type barLayer struct {
	Status worklog.Status
	Path   string
}

// barHit is where a bar tells its numbers.
type barHit struct {
	X     int
	Title string
}

func (b Board) chart() barChart {
	c := barChart{Width: barPitch * len(b.Bars), Axis: "hour"}
	if b.Step >= 24*time.Hour || b.Range == "7d" {
		c.Axis = "day"
	}
	most := int64(0)
	for _, bar := range b.Bars {
		most = max(most, bar.Counts.entries())
	}
	c.Top = niceTop(most)
	paths := make([]strings.Builder, len(stackOrder()))
	for i, bar := range b.Bars {
		y := barHeight
		for layer, s := range stackOrder() {
			n := bar.Counts[s]
			if n <= 0 {
				continue
			}
			h := max(int(n*barHeight/c.Top), leastBar)
			y = max(y-h, 0)
			fmt.Fprintf(&paths[layer], "M%d %dh%dv%dh-%dz", i*barPitch+1, y, barWidth, h, barWidth)
		}
		if bar.Counts.entries() > 0 {
			c.Hits = append(c.Hits, barHit{i * barPitch, barTitle(bar, c.Axis)})
		}
	}
	for layer, s := range stackOrder() {
		if paths[layer].Len() > 0 {
			c.Layers = append(c.Layers, barLayer{s, paths[layer].String()})
		}
	}
	labels := axisLabels
	if b.Range == "7d" {
		labels = 7
	}
	for i := range labels {
		c.Ticks = append(c.Ticks, b.From.Add(b.To.Sub(b.From)/time.Duration(labels)*time.Duration(i)))
	}
	return c
}

// barTitle is what a bar says when it is pointed at.
func barTitle(bar BoardBar, axis string) string {
	at := bar.At.UTC().Format("2 Jan 15:04") + " UTC"
	if axis == "hour" {
		at = bar.At.UTC().Format("15:04") + " UTC"
	}
	words := []string{at + ": " + count(bar.Counts.entries(), "entry")}
	if n := bar.Counts.failed(); n > 0 {
		words = append(words, thousands(n)+" failed")
	}
	return strings.Join(words, ", ")
}

// niceTop is the smallest round and even number that is not below n: its half is one, too.
func niceTop(n int64) int64 {
	for _, k := range []int64{2, 4, 6, 8} {
		if k >= n {
			return k
		}
	}
	for unit := int64(1); ; unit *= 10 {
		for _, k := range []int64{10, 12, 16, 20, 24, 30, 40, 50, 60, 80} {
			if k*unit >= n {
				return k * unit
			}
		}
	}
}

// spark is a small line: the values of all bars, or of neighbours together.
type spark struct {
	Width int
	Path  string
}

func sparkOf(values []int64) spark {
	group := (len(values) + sparkPoint - 1) / sparkPoint
	var points []int64
	most := int64(1)
	for i := 0; i < len(values); i += max(group, 1) {
		sum := int64(0)
		for _, v := range values[i:min(i+group, len(values))] {
			sum += v
		}
		points = append(points, sum)
		most = max(most, sum)
	}
	var path strings.Builder
	for i, v := range points {
		path.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		path.WriteString(strconv.Itoa(i*10) + " " + strconv.FormatInt(sparkTop-v*sparkTop/most, 10))
	}
	return spark{Width: max(10*(len(points)-1), 1), Path: path.String()}
}

// entriesSpark and failedSpark draw the window's entries and failures.
func (b Board) entriesSpark() spark { return b.sparkBy(StatusCounts.entries) }

func (b Board) failedSpark() spark { return b.sparkBy(StatusCounts.failed) }

func (b Board) sparkBy(value func(StatusCounts) int64) spark {
	values := make([]int64, len(b.Bars))
	for i, bar := range b.Bars {
		values[i] = value(bar.Counts)
	}
	return sparkOf(values)
}

// tierSlice is a tier's part of the storage bar, in percent.
type tierSlice struct {
	Name     worklog.StorageStatus
	X, Width string
}

func (b Board) tierSlices() []tierSlice {
	all := b.stored()
	if all <= 0 {
		return nil
	}
	percent := func(n int64) string { return strconv.FormatFloat(100*float64(n)/float64(all), 'f', 2, 64) + "%" }
	var slices []tierSlice
	before := int64(0)
	for _, t := range b.Storage {
		if t.Entries > 0 {
			slices = append(slices, tierSlice{t.Name, percent(before), percent(t.Entries)})
		}
		before += t.Entries
	}
	return slices
}

// axisTime is a tick for a reader whose browser runs no script.
func axisTime(t time.Time, axis string) string {
	if axis == "day" {
		return t.UTC().Format("2 Jan")
	}
	return t.UTC().Format("15:04")
}

func viewBox(width, height int) string { return fmt.Sprintf("0 0 %d %d", width, height) }
