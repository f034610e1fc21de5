package ingest

import (
	"testing"
	"time"
)

func TestRecentFiguresAreOfTheLastMinutes(t *testing.T) {
	t.Parallel()
	var r recent
	at := time.Now()
	if got := r.figures(at); got != (Recent{}) {
		t.Errorf("before the first batch: %+v", got)
	}
	for i := range 100 {
		r.add(1+i/99*511, 4*time.Millisecond, at)
	}
	got := r.figures(at.Add(time.Minute))
	if got.Batches != 100 || got.SizeP50 != 1 || got.TookP50 < 3600*time.Microsecond || got.TookP99 > 4400*time.Microsecond {
		t.Errorf("%+v", got)
	}
	r.add(512, time.Second, at.Add(6*time.Minute))
	if got = r.figures(at.Add(7 * time.Minute)); got.Batches != 101 || got.SizeP99 > 1 && got.SizeP99 < 480 {
		t.Errorf("after six minutes: %+v", got)
	}
	if got = r.figures(at.Add(12 * time.Minute)); got.Batches != 1 || got.SizeP50 != 512 {
		t.Errorf("after twelve: %+v", got)
	}
	if got = r.figures(at.Add(time.Hour)); got != (Recent{}) {
		t.Errorf("after an hour: %+v", got)
	}
}
