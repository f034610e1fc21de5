package connect

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// The lines around what worklog adds to a TOML file.
const (
	tomlBegin = "# --- worklog: the lines from here on are kept up to date by \"worklog connect codex\""
	tomlEnd   = "# --- worklog: end"
)

// mergeTOML adds a block to the end of a file, or puts it where worklog's groups are. Tables may stand anywhere in TOML.
// Codex writes to the file, too, and prints the comment at its end, which is the last mark, behind every table that it
// adds: so the groups count, wherever they are, and the marks only say whose they are.
func mergeTOML(old []byte, s Setting, before Written) ([]byte, error) {
	if err := readable(old); err != nil {
		return nil, err
	}
	c := cutTOML(old, s, before)
	if c.upToDate(s) {
		return old, nil
	}
	if !c.found && len(c.before) > 0 {
		if !bytes.HasSuffix(c.before, []byte("\n")) {
			c.before = append(bytes.Clone(c.before), c.newline...)
		}
		c.before = append(bytes.Clone(c.before), c.newline...)
	}
	merged := slices.Concat(c.before, []byte(strings.ReplaceAll(block(s), "\n", c.newline)), c.after)
	if err := readable(merged); err != nil {
		return nil, fmt.Errorf("hooks are written in the file in a way that leaves no room for others: put them under [[hooks.NAME]] tables first (%w)", err)
	}
	return merged, sameBesides(old, merged, s, before)
}

// removeTOML takes worklog's groups and marks out, and the blank line before them.
func removeTOML(old []byte, before Written) ([]byte, error) {
	if err := readable(old); err != nil {
		return nil, err
	}
	c := cutTOML(old, Setting{}, before)
	if len(c.before)+len(c.after) == len(old) {
		return old, nil
	}
	if blank := []byte(c.newline); c.found && (bytes.Equal(c.before, blank) || bytes.HasSuffix(c.before, append([]byte("\n"), blank...))) {
		c.before = c.before[:len(c.before)-len(blank)]
	}
	rest := slices.Concat(c.before, c.after)
	return rest, sameBesides(old, rest, Setting{}, before)
}

// block is what is added: one command for every event.
func block(s Setting) string {
	var b strings.Builder
	fmt.Fprintln(&b, tomlBegin)
	for _, event := range events(Codex) {
		fmt.Fprintf(&b, "[[hooks.%s]]\n[[hooks.%s.hooks]]\ntype = \"command\"\ncommand = %s\ntimeout = %d\n", event, event, tomlString(s.Command), seconds)
	}
	fmt.Fprintln(&b, tomlEnd)
	return b.String()
}

// tomlString writes a text as a literal string where that is possible: commands are full of quotes.
func tomlString(s string) string {
	if !strings.ContainsAny(s, "'\n\r\t") {
		return "'" + s + "'"
	}
	return strconv.Quote(s) // printable text: the escapes that remain are TOML's, too
}

// readable reports why a text is no TOML.
func readable(text []byte) error {
	var v map[string]any
	_, err := toml.Decode(string(text), &v)
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Errorf("%w: line %d: %s", ErrBroken, e.Position.Line, e.Message)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return nil
}
