package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web"
)

const (
	// diskPace is how often the free room of the disks is looked at.
	diskPace = 5 * time.Second
	// scarceBelow is the share of a disk that must be free, in percent; enoughAbove ends what is below it, so that a
	// disk on the edge does not change sides all the time.
	scarceBelow = 5.0
	enoughAbove = 6.0
)

// room watches the disks on which the private PostgreSQL and the archive lie.
type room struct {
	perDay            int64
	free              func(dir string) (percent float64, err error)
	log               *slog.Logger
	database, archive disk
}

// disk is what is known of the disk of a directory.
type disk struct {
	dir   string // empty: elsewhere, and so is its disk
	costs string // what a nearly full one costs, for the log
	state atomic.Pointer[web.Disk]
}

func (d *disk) now() web.Disk {
	if s := d.state.Load(); s != nil {
		return *s
	}
	return web.Disk{}
}

// now is what the write path may use.
func (r *room) now() store.Room { return store.Room{PerDay: r.perDay, Scarce: r.database.now().Scarce} }

// shown is what the dashboard says of it.
func (r *room) shown() web.Room {
	return web.Room{PerDay: r.perDay, Database: r.database.now(), Archive: r.archive.now()}
}

// run looks at the disks until ctx ends.
func (r *room) run(ctx context.Context) error {
	tick := time.NewTicker(diskPace)
	defer tick.Stop()
	for {
		r.look(&r.database)
		r.look(&r.archive)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *room) look(d *disk) {
	if d.dir == "" {
		return
	}
	percent, err := r.freeAbove(d.dir)
	if err != nil {
		r.log.Warn("the free room of a disk is not known", "directory", d.dir, "error", err)
		return
	}
	was := d.now().Scarce
	scarce := percent < scarceBelow || was && percent <= enoughAbove
	d.state.Store(&web.Disk{Known: true, Free: percent, Scarce: scarce})
	switch {
	case scarce && !was:
		r.log.Error("the disk is nearly full: "+d.costs, "directory", d.dir, "free_percent", percent)
	case was && !scarce:
		r.log.Info("there is room on the disk again", "directory", d.dir, "free_percent", percent)
	}
}

// freeAbove is the free share of the disk of a directory that may not have been made yet.
func (r *room) freeAbove(dir string) (percent float64, err error) {
	for {
		percent, err = r.free(dir)
		if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
			dir = parent
			continue
		}
		return percent, err
	}
}
