package main

import (
	"fmt"
	"io"
	"time"
)

const (
	terminalPace = 200 * time.Millisecond
	filePace     = 5 * time.Second
)

// progress tells a person how far a long command is: in one line that changes on a terminal, else now and then.
type progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	last     time.Time
	drawn    bool // the terminal's line holds a text of ours
}

func newProgress(a *app) *progress {
	return &progress{w: a.stderr, terminal: isTerminal(a.stderr), now: a.now, last: a.now()}
}

// update shows text unless something was shown a moment ago.
func (p *progress) update(text string) {
	pace := filePace
	if p.terminal {
		pace = terminalPace
	}
	if now := p.now(); now.Sub(p.last) >= pace {
		p.show(text, now)
	}
}

// note shows text in any case.
func (p *progress) note(text string) { p.show(text, p.now()) }

func (p *progress) show(text string, now time.Time) {
	p.last = now
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	p.drawn = true
}

// print shows a line that stays.
func (p *progress) print(text string) {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
	fmt.Fprintln(p.w, text)
}

// finish shows the last text, which stays.
func (p *progress) finish(text string) { p.print(text) }
