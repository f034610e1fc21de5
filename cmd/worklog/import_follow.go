package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	// followPace is how often files are looked at, and discoverPace how often folders are searched for new ones.
	followPace   = 250 * time.Millisecond
	discoverPace = 2 * time.Second
	// restsAfter is when a file that nobody writes to is over. One that grows after all is read again from its beginning.
	restsAfter = 24 * time.Hour
	// maxOpen bounds the files whose state is kept. Of those beyond, the ones that were not written to for longest rest.
	maxOpen = 500
)

// follow imports what is there and then what is written, until Ctrl-C.
func (im *importer) follow(names []string) (err error) {
	if slices.Contains(names, "-") {
		if len(names) > 1 {
			return errors.New("--follow reads either standard input or files")
		}
		err = im.followInput()
	} else {
		f := &follower{im: im, names: names, files: map[string]*followed{}}
		err = f.run()
		for _, x := range f.files {
			im.skip(x.parser)
		}
	}
	if im.interrupted(err) {
		return nil
	}
	return err
}

// follower watches files.
type follower struct {
	im    *importer
	names []string
	files map[string]*followed
	order []string  // of files: a session's main file before those of its sub-agents
	found time.Time // when folders were searched
	told  bool      // that everything is read
}

func (f *follower) run() error {
	for _, name := range f.names { // at first; later it may be away for a moment
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for {
		now := f.im.a.now()
		if now.Sub(f.found) >= discoverPace {
			f.discover()
			f.found = now
		}
		if err := f.round(now); err != nil {
			return err
		}
		if !f.told {
			f.told = true
			f.im.progress.note(fmt.Sprintf("%s; following %d files, Ctrl-C ends", f.im.summary(), len(f.order)))
		}
		if err := pauseFor(f.im.a.ctx, followPace); err != nil {
			return err
		}
	}
}

// discover finds the files that are there now.
func (f *follower) discover() {
	names := f.im.unfolded(f.names)
	f.order = names
	for _, name := range names {
		if f.files[name] == nil {
			f.files[name] = &followed{name: name}
		}
	}
	for name, x := range f.files {
		if !slices.Contains(names, name) {
			f.im.skip(x.parser)
			delete(f.files, name)
		}
	}
}

// round reads what is new in all files, and sends it.
func (f *follower) round(now time.Time) error {
	changed := false
	for _, name := range f.order {
		f.im.name = name
		news, err := f.im.look(f.files[name], now)
		if err != nil {
			return err
		}
		changed = changed || news
	}
	if !changed {
		return nil
	}
	for _, name := range f.order { // after the news of all: a sub-agent ends by what its caller's file says
		f.im.name = name
		if err := f.im.standing(f.files[name], now); err != nil {
			return err
		}
	}
	f.rest()
	return f.im.flush()
}

// rest lets go of the state of files beyond the bound.
func (f *follower) rest() {
	var open []*followed
	for _, x := range f.files {
		if x.parser != nil {
			open = append(open, x)
		}
	}
	if len(open) <= maxOpen {
		return
	}
	slices.SortFunc(open, func(a, b *followed) int { return b.info.ModTime().Compare(a.info.ModTime()) })
	for _, x := range open[maxOpen:] {
		f.im.skip(x.parser)
		x.parser, x.resting = nil, true
	}
}
