package connect

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// The lines around what worklog adds to a TOML file.
const (
	tomlBegin = "# --- worklog: the lines from here on are kept up to date by \"worklog connect codex\""
	tomlEnd   = "# --- worklog: end"
)

// mergeTOML adds a block to the end of a file, or replaces the one that is there. Tables may stand anywhere in TOML.
func mergeTOML(old []byte, s Setting) ([]byte, error) {
	if err := readable(old); err != nil {
		return nil, err
	}
	before, after, found, err := cutBlock(old)
	if err != nil {
		return nil, err
	}
	if !found && len(before) > 0 {
		if !bytes.HasSuffix(before, []byte("\n")) {
			before = append(bytes.Clone(before), '\n')
		}
		before = append(bytes.Clone(before), '\n')
	}
	merged := append(append(bytes.Clone(before), block(s)...), after...)
	if err := readable(merged); err != nil {
		return nil, fmt.Errorf("hooks are written in the file in a way that leaves no room for others: put them under [[hooks.NAME]] tables first (%w)", err)
	}
	return merged, nil
}

// removeTOML takes the block out, and the blank line before it.
func removeTOML(old []byte) ([]byte, error) {
	if err := readable(old); err != nil {
		return nil, err
	}
	before, after, found, err := cutBlock(old)
	if err != nil || !found {
		return old, err
	}
	return append(bytes.Clone(bytes.TrimSuffix(before, []byte("\n"))), after...), nil
}

// cutBlock returns what is before and after worklog's block.
func cutBlock(text []byte) (before, after []byte, found bool, err error) {
	begin := lineIndex(text, tomlBegin)
	if begin < 0 {
		return text, nil, false, nil
	}
	end := lineIndex(text[begin:], tomlEnd)
	if end < 0 {
		return nil, nil, false, fmt.Errorf("%w: the line %q is missing after line %d", ErrBroken, tomlEnd, bytes.Count(text[:begin], []byte("\n"))+1)
	}
	end += begin + len(tomlEnd)
	if end < len(text) && text[end] == '\n' {
		end++
	}
	return text[:begin], text[end:], true, nil
}

// lineIndex is where a whole line begins.
func lineIndex(text []byte, line string) int {
	for at := 0; at < len(text); {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at
		}
		if strings.TrimRight(string(text[at:at+end]), "\r") == line {
			return at
		}
		at += end + 1
	}
	return -1
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
