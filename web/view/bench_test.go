package view_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/worklogdev/worklog/web/view"
)

// A row is rendered once per change, however many pages are open, and a hundred times per page view.
func BenchmarkEntryRow(b *testing.B) {
	rows := session()
	var buf bytes.Buffer
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := view.EntryRow(rows[n%len(rows)]).Render(context.Background(), &buf); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(buf.Len()), "bytes/row")
}
