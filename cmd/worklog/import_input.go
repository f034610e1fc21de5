package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/transcript"
)

// inputLines bounds the lines of standard input that wait.
const inputLines = 1000

// inputLine is a line of standard input, with what readLine says about it.
type inputLine struct {
	raw []byte
	err error
}

// followInput imports standard input while it is written: each entry as soon as its line is there.
func (im *importer) followInput() error {
	im.name = "-"
	lines := make(chan inputLine, inputLines)
	go im.readInput(lines) // nobody can wait for it: a read of standard input ends with its writer, or with the process
	in := &followedInput{im: im}
	for {
		var pause <-chan time.Time
		if in.dirty {
			pause = time.After(followPace)
		}
		select {
		case <-im.a.ctx.Done():
			return im.a.ctx.Err()
		case l, more := <-lines:
			if !more {
				return in.end()
			}
			if err := in.line(l); err != nil {
				return err
			}
		case <-pause:
			if err := in.flush(); err != nil {
				return err
			}
		}
	}
}

func (im *importer) readInput(lines chan<- inputLine) {
	defer close(lines)
	r := bufio.NewReaderSize(im.a.stdin, headBytes)
	for {
		raw, err := readLine(r)
		select {
		case lines <- inputLine{raw, err}:
		case <-im.a.ctx.Done():
			return
		}
		if err != nil && err != errLongLine {
			return
		}
	}
}

// followedInput is what is known about standard input.
type followedInput struct {
	im     *importer
	head   []inputLine // until the format is known
	known  bool
	parser transcript.Parser
	number int
	dirty  bool // there is something that was not sent
}

func (in *followedInput) line(l inputLine) error {
	if l.err != nil && !errors.Is(l.err, io.EOF) && !errors.Is(l.err, errLongLine) {
		return fmt.Errorf("standard input: %w", l.err)
	}
	in.dirty = true
	if in.known {
		return in.take(l)
	}
	in.head = append(in.head, l)
	f := transcript.Detect(l.raw)
	if f == transcript.Unknown && len(in.head) < headLines && !errors.Is(l.err, io.EOF) {
		return nil
	}
	in.known, in.parser = true, in.im.newParser(f, in.im.a.now())
	if in.parser != nil {
		in.parser.Flush(in.im.a.now()) // its lines are written now
	}
	for _, l := range in.head {
		if err := in.take(l); err != nil {
			return err
		}
	}
	in.head = nil
	return nil
}

func (in *followedInput) take(l inputLine) error {
	in.number++
	return in.im.take(in.parser, in.number, l.raw, l.err)
}

// flush sends what there is, as it stands.
func (in *followedInput) flush() error {
	in.dirty = false
	if in.parser != nil {
		if err := in.im.rows(in.parser.Flush(in.im.a.now())); err != nil {
			return err
		}
	}
	return in.im.flush()
}

func (in *followedInput) end() error {
	if !in.known && len(in.head) > 0 {
		return errors.New("standard input ended in the middle of a line")
	}
	return in.im.end(in.parser)
}
