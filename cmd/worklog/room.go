package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/worklogdev/worklog/internal/store"
)

const (
	// diskPace is how often the free room of the disk is looked at.
	diskPace = 5 * time.Second
	// scarceBelow is the share of the disk that must be free, in percent; enoughAbove ends what is below it, so that a
	// disk on the edge does not change sides all the time.
	scarceBelow = 5.0
	enoughAbove = 6.0
)

// room watches the disk on which the private PostgreSQL lies.
type room struct {
	dir    string // empty: the database is elsewhere, and so is its disk
	perDay int64
	free   func(dir string) (percent float64, err error)
	log    *slog.Logger
	scarce atomic.Bool
}

// now is what the write path may use.
func (r *room) now() store.Room { return store.Room{PerDay: r.perDay, Scarce: r.scarce.Load()} }

// run looks at the disk until ctx ends.
func (r *room) run(ctx context.Context) error {
	if r.dir == "" {
		return nil
	}
	tick := time.NewTicker(diskPace)
	defer tick.Stop()
	for {
		r.look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *room) look() {
	percent, err := r.free(r.dir)
	if err != nil {
		r.log.Warn("the free room of the disk is not known", "error", err)
		return
	}
	switch was := r.scarce.Load(); {
	case !was && percent < scarceBelow:
		r.scarce.Store(true)
		r.log.Error("the disk is nearly full: details of entries are cut until there is room", "free_percent", percent)
	case was && percent > enoughAbove:
		r.scarce.Store(false)
		r.log.Info("there is room on the disk again: details of entries are kept", "free_percent", percent)
	}
}
