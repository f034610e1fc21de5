package view

import (
	"fmt"
	"strconv"
	"time"

	"github.com/a-h/templ"
)

// Update is a row as live pages receive it. A row that is gone does not match the page's filter any more.
type Update struct {
	Row
	Gone bool
}

// Poll is one answer to a page that can not stream.
type Poll struct {
	Path    string // of the page
	Filter  Filter
	Range   string // of a dashboard
	Cursor  int64  // where the next question begins
	Epoch   string
	Idle    int           // how many questions in a row found nothing
	Wait    time.Duration // until the next question
	Again   time.Duration // until it is asked again if it has no answer
	Reset   bool          // too far behind: load the page again
	Updates []Update
	Facts   *Conversation // of the conversation that the page shows; nil: it shows none, or has no other ones
}

// outOfBand has htmx put an element in place of the one with its id.
func outOfBand() templ.Attributes { return templ.Attributes{"hx-swap-oob": "true"} }

// url is the next question.
func (p Poll) url() string {
	q := p.Filter.query()
	if p.Range != "" {
		q.Set("range", p.Range)
	}
	q.Set("after", strconv.FormatInt(p.Cursor, 10))
	q.Set("idle", strconv.Itoa(p.Idle))
	q.Set("epoch", p.Epoch)
	return href(liveURL(p.Path, "changes"), q)
}

// trigger is when htmx asks it.
func (p Poll) trigger() string {
	return fmt.Sprintf("load delay:%dms, every %dms", p.Wait.Milliseconds(), p.Again.Milliseconds())
}

// liveURL is a live part of the page at path: its "stream" or its "changes".
func liveURL(path, part string) string {
	if path == "/" {
		return path + part
	}
	return path + "/" + part
}
