package web

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/worklog"
)

// Somebody writes without a pause while pages are read: what is committed in between is in the page, or still to be told.
func TestAPageShowsAllThatItsCursorSays(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(1, "c")...)
	c := x.conversation("c")
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				x.write(worklog.Draft{Title: "on", Conversation: "c"})
			}
		}
	}()
	defer func() {
		close(done)
		<-stopped
	}()
	for path, facts := range map[string]string{"/conversations": "#conversation-list .dur", "/conversations/" + c: "#log-facts"} {
		for range 40 {
			doc := x.see(path)
			if cursor, steps := numberIn(t, attr(doc, "#log-list", "data-cursor")), stepsIn(t, doc, facts); steps < cursor {
				t.Fatalf("%s has heard of everything up to %d and shows %d steps", path, cursor, steps)
			}
		}
	}
}

// stepsIn is how many steps a page says that there are. Each of them is one change here.
func stepsIn(t *testing.T, doc *html.Node, selector string) int {
	t.Helper()
	before, _, _ := strings.Cut(texts(doc, selector)[0], "step")
	return numberIn(t, strings.ReplaceAll(strings.Join(strings.Fields(before), ""), "\u202f", ""))
}

func numberIn(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
