package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// result is one line of the table.
type result struct {
	what    string
	figure  string
	against string  // what it is compared with, and that figure
	ratio   float64 // 0: none
	aim     string  // empty: none
	missed  bool
}

// table renders results as Markdown.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| measured | result | compared with | ratio | aim |\n|---|---|---|---|---|\n")
	for _, r := range results {
		ratio := ""
		if r.ratio > 0 {
			ratio = fmt.Sprintf("%.2f", r.ratio)
		}
		aim := r.aim
		if r.missed {
			aim += " (missed)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, r.figure, r.against, ratio, aim)
	}
	return b.String()
}

// perSecond formats a throughput.
func perSecond(n float64) string { return thousands(int64(n)) + "/s" }

// thousands writes n with separators.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// milliseconds formats a delay.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// median returns the middle of values, 0 without any.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}

// quantile returns the value that a share q of delays does not exceed. It sorts them.
func quantile(delays []time.Duration, q float64) time.Duration {
	if len(delays) == 0 {
		return 0
	}
	slices.Sort(delays)
	return delays[int(float64(len(delays)-1)*q)]
}
