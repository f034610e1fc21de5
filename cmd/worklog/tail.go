package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/worklogdev/worklog/worklog"
)

// tailCmd shows entries as they come.
type tailCmd struct {
	Conversation string `help:"The key of a conversation; by default everything of yours."`
	Lines        int    `short:"n" default:"10" help:"How many existing entries to show first."`
	JSON         bool   `name:"json" help:"Print each entry as a line of JSON."`
}

// Help says what kong can not.
func (tailCmd) Help() string {
	return `A step that runs is shown when it begins (…) and again when it has ended (✓ ! ✗). A server that goes away is waited for,
and nothing is left out when it is back.

  worklog tail -n 0 --json | jq -r 'select(.status == "error").title'

Exit status: 0 after Ctrl-C, or 1 when the server does not answer at the start, refuses the token, does not know the
conversation, or the output can not be written. When nobody reads the output any more it ends by SIGPIPE, like cat.`
}

// quietRetry is how long a stream may be away before a person is told: servers end streams now and then.
const quietRetry = 2 * time.Second

// Run shows the last entries and follows until a signal comes.
func (cmd tailCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	cursor, err := cmd.showLast(a, c)
	if err != nil {
		return err
	}
	retrying := func(err error, pause time.Duration) {
		if pause > quietRetry {
			fmt.Fprintf(a.stderr, "worklog: trying again in %v: %s\n", pause.Round(time.Second), printable(err.Error()))
		}
	}
	q := worklog.StreamQuery{Conversation: cmd.Conversation, After: cursor, Retrying: retrying}
	for e, err := range c.Stream(a.ctx, q) {
		if err != nil {
			return err
		}
		if err := cmd.show(a, e); err != nil {
			return err
		}
	}
	return nil
}

// showLast prints existing entries, oldest first, and returns the cursor of the same moment.
func (cmd tailCmd) showLast(a *app, c *worklog.Client) (cursor int64, err error) {
	page, err := c.Entries(a.ctx, worklog.Query{Conversation: cmd.Conversation, Limit: min(max(cmd.Lines, 1), 200)})
	if err != nil {
		return 0, err
	}
	for _, e := range slices.Backward(page.Entries[:min(max(cmd.Lines, 0), len(page.Entries))]) {
		if err := cmd.show(a, e); err != nil {
			return 0, err
		}
	}
	return page.Cursor, nil
}

func (cmd tailCmd) show(a *app, e worklog.Entry) error {
	line := entryLine(e)
	if cmd.JSON {
		raw, err := e.MarshalJSON()
		if err != nil {
			return err
		}
		line = asciiControls(string(raw))
	}
	if _, err := fmt.Fprintln(a.stdout, line); err != nil {
		return errors.New("nobody reads the output any more")
	}
	return nil
}

// entryLine is one entry on one line, of nothing but printable characters.
func entryLine(e worklog.Entry) string {
	marks := map[worklog.Status]string{
		worklog.StatusWorking: "…", worklog.StatusSuccess: "✓", worklog.StatusWarning: "!", worklog.StatusError: "✗", worklog.StatusInfo: "·",
	}
	parts := []string{e.LoggedAt.Local().Format("15:04:05"), marks[e.Status], fmt.Sprintf("%-7s", e.Status)}
	if e.Tool != "" {
		parts = append(parts, printable(e.Tool)+":")
	}
	parts = append(parts, printable(e.Title))
	if e.Repeats > 1 {
		parts = append(parts, fmt.Sprintf("×%d", e.Repeats))
	}
	if d, ok := e.Duration(); ok && d > 0 {
		parts = append(parts, "("+d.Round(time.Millisecond).String()+")")
	}
	return strings.Join(parts, " ")
}

// printable makes control characters visible instead of sending them to the terminal: agents quote what they find, and
// an escape sequence in it could rewrite the screen, the title or the clipboard.
func printable(s string) string {
	if !strings.ContainsFunc(s, harmful) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !harmful(r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune(0x2400 + r) // the symbol for the control character
		case r == 0x7f:
			b.WriteRune('␡')
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// printableLines is printable of a text that may have lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// harmful reports characters that command a terminal or turn the direction of what follows.
func harmful(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// asciiControls writes as JSON escapes what JSON leaves alone and a terminal does not.
func asciiControls(json string) string {
	if !strings.ContainsFunc(json, harmful) {
		return json
	}
	var b strings.Builder
	for _, r := range json {
		if harmful(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
