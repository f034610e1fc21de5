package main

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/worklogdev/worklog/web"
)

func TestDiskIsScarceBelowFivePercentAndNotOnTheEdge(t *testing.T) {
	t.Parallel()
	free, failed := 50.0, error(nil)
	r := &room{free: func(string) (float64, error) { return free, failed }, log: slog.New(slog.DiscardHandler)}
	r.database.dir = t.TempDir()
	for _, step := range []struct {
		free   float64
		failed error
		want   bool
	}{{free: 5.1}, {free: 4.9, want: true}, {free: 5.5, want: true}, {failed: errors.New("gone"), want: true}, {free: 6.1}, {free: 5.5}} {
		free, failed = step.free, step.failed
		r.look(&r.database)
		if got := r.now().Scarce; got != step.want {
			t.Errorf("with %.1f %% free (%v) scarce is %v", step.free, step.failed, got)
		}
	}
}

// Entries keep their details while only the archive's disk is full: they are not on it.
func TestTheArchivesDiskIsShownAndCutsNothing(t *testing.T) {
	t.Parallel()
	r := &room{perDay: 7, free: func(string) (float64, error) { return 3, nil }, log: slog.New(slog.DiscardHandler)}
	r.archive.dir = t.TempDir()
	r.look(&r.database)
	r.look(&r.archive)
	want := web.Room{PerDay: 7, Archive: web.Disk{Known: true, Free: 3, Scarce: true}}
	if got := r.shown(); got != want || r.now().Scarce {
		t.Errorf("shown is %+v, want %+v; cut: %v", got, want, r.now().Scarce)
	}
}

func TestTheDiskOfADirectoryThatIsNotMadeYetIsThatOfItsParent(t *testing.T) {
	t.Parallel()
	r := &room{free: freeShare, log: slog.New(slog.DiscardHandler)}
	r.archive.dir = filepath.Join(t.TempDir(), "not", "yet")
	r.look(&r.archive)
	if got := r.archive.now(); !got.Known || got.Free <= 0 {
		t.Errorf("%+v", got)
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
