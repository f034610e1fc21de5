package main

import (
	"errors"
	"log/slog"
	"testing"
)

func TestDiskIsScarceBelowFivePercentAndNotOnTheEdge(t *testing.T) {
	t.Parallel()
	free, failed := 50.0, error(nil)
	r := &room{dir: t.TempDir(), free: func(string) (float64, error) { return free, failed }, log: slog.New(slog.DiscardHandler)}
	for _, step := range []struct {
		free   float64
		failed error
		want   bool
	}{{free: 5.1}, {free: 4.9, want: true}, {free: 5.5, want: true}, {failed: errors.New("gone"), want: true}, {free: 6.1}, {free: 5.5}} {
		free, failed = step.free, step.failed
		r.look()
		if got := r.now().Scarce; got != step.want {
			t.Errorf("with %.1f %% free (%v) scarce is %v", step.free, step.failed, got)
		}
	}
}

func TestFreeShareOfADiskIsAPercentage(t *testing.T) {
	t.Parallel()
	if share, err := freeShare(t.TempDir()); err != nil || share <= 0 || share > 100 {
		t.Errorf("%f, %v", share, err)
	}
	if _, err := freeShare("/no/such/directory"); err == nil {
		t.Error("a directory that does not exist has room")
	}
}
