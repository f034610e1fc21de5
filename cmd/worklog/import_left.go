package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// leave names a file or folder that can not be read, once, and counts it. The import goes on without it.
func (im *importer) leave(name string, err error) {
	if _, told := im.left[name]; !told {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err // its path is the name
		}
		im.progress.print(fmt.Sprintf("%s: %s: left out", printable(name), printable(err.Error())))
	}
	if im.left == nil {
		im.left = map[string]bool{}
	}
	im.left[name] = true
}

// found takes back that a file is left out: it can be read now.
func (im *importer) found(name string) {
	if im.left[name] {
		im.left[name] = false
	}
}

// away leaves a followed file out, unless it is gone: it was rotated, and what comes next has the same name.
func (im *importer) away(name string, err error) {
	if !errors.Is(err, os.ErrNotExist) {
		im.leave(name, err)
	}
}

// incomplete says what was not imported; nil: everything was.
func (im *importer) incomplete() error {
	var parts []string
	if n := im.counts.Invalid + im.damaged; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d lines were not imported", n, im.lines))
	}
	n := 0
	for _, left := range im.left {
		if left {
			n++
		}
	}
	switch {
	case n == 1:
		parts = append(parts, "1 file or folder was left out")
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d files or folders were left out", n))
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New(strings.Join(parts, "; "))
}
