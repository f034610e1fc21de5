package connect

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// cutOut is a TOML file without what is worklog's.
type cutOut struct {
	before, after []byte // of the place of the first group
	found         bool   // there is such a place
	newline       string
	groups        []tomlGroup
	handlers      int // that were taken out, those among others' included
}

// tomlGroup is a group of an event that was taken out.
type tomlGroup struct {
	event string
	value map[string]any
}

// section is a table of a TOML file from its header to the next one, or what is before the first.
type section struct {
	event   string // it is [[hooks.EVENT]]
	handler bool   // it is [[hooks.EVENT.hooks]]
	marked  bool   // it begins between the marks
	drop    bool
	lines   []string
}

// cutTOML takes worklog's groups and marks out of a text that can be read. Between the marks every command of a worklog is
// its own, elsewhere the very commands of s and before. All other lines stay, comments in the groups among them.
func cutTOML(text []byte, s Setting, before Written) cutOut {
	c := cutOut{newline: "\n"}
	if line, _, _ := bytes.Cut(text, []byte("\n")); bytes.HasSuffix(line, []byte("\r")) {
		c.newline = "\r\n"
	}
	sections := splitTOML(text)
	group, mark := -1, -1 // where the first of them was
	var kept []byte
	starts := c.drop(sections, s, before)
	for i := range sections {
		if starts[i] && group < 0 {
			group = len(kept)
		}
		for _, line := range sections[i].lines {
			switch trimmed := strings.TrimSpace(line); {
			case trimmed == tomlBegin && mark < 0:
				mark = len(kept)
			case trimmed == tomlBegin, trimmed == tomlEnd:
			case !sections[i].drop, trimmed == "", trimmed[0] == '#':
				kept = append(kept, line...)
			}
		}
	}
	at := len(kept)
	if group >= 0 {
		at = group
	} else if mark >= 0 {
		at = mark
	}
	c.before, c.after, c.found = kept[:at:at], kept[at:], group >= 0 || mark >= 0
	return c
}

// splitTOML splits a text before every line that could be a header. A line of a text or a list can look like one, which
// does no harm: the parts are put together again, and [sameBesides] has the last word.
func splitTOML(text []byte) []section {
	sections := []section{{}}
	marked := false
	for line := range strings.Lines(string(text)) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "[") {
			next := section{marked: marked}
			next.event, next.handler = hookHeader(trimmed)
			sections = append(sections, next)
		}
		switch trimmed {
		case tomlBegin:
			marked = true
		case tomlEnd:
			marked = false
		}
		last := &sections[len(sections)-1]
		last.lines = append(last.lines, line)
	}
	return sections
}

// hookHeader returns the event of the header [[hooks.EVENT]] or [[hooks.EVENT.hooks]], or "".
func hookHeader(line string) (event string, handler bool) {
	line, _, _ = strings.Cut(line, "#")
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "[[") || !strings.HasSuffix(line, "]]") {
		return "", false
	}
	parts := strings.Split(line[2:len(line)-2], ".")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \t\"'")
	}
	switch {
	case parts[0] != "hooks":
	case len(parts) == 2:
		return parts[1], false
	case len(parts) == 3 && parts[2] == "hooks":
		return parts[1], true
	}
	return "", false
}

// drop marks the sections that are worklog's, and returns which of them begin a whole group. A group in which somebody
// else has a handler, too, only loses worklog's.
func (c *cutOut) drop(sections []section, s Setting, before Written) (starts []bool) {
	starts = make([]bool, len(sections))
	for i := 0; i < len(sections); i++ {
		head := sections[i]
		if head.event == "" || head.handler {
			continue
		}
		text := strings.Join(head.lines, "")
		end := i + 1
		for ; end < len(sections) && sections[end].handler && sections[end].event == head.event; end++ {
			text += strings.Join(sections[end].lines, "")
		}
		value, handlers := decodeGroup(text, head.event)
		if len(handlers) == 0 || len(handlers) != end-i-1 {
			continue
		}
		all := true
		for n, h := range handlers {
			own := owned(s, before)(h) || head.marked && ofWorklog(h)
			if sections[i+1+n].drop = own; own {
				c.handlers++
			}
			all = all && own
		}
		if sections[i].drop, starts[i] = all, all; all {
			c.groups = append(c.groups, tomlGroup{head.event, value})
		}
		i = end - 1
	}
	return starts
}

// decodeGroup reads the text of one group.
func decodeGroup(text, event string) (value map[string]any, handlers []map[string]any) {
	var v struct {
		Hooks map[string][]map[string]any `toml:"hooks"`
	}
	if _, err := toml.Decode(text, &v); err != nil || len(v.Hooks[event]) != 1 {
		return nil, nil
	}
	value = v.Hooks[event][0]
	handlers, _ = value["hooks"].([]map[string]any)
	return value, handlers
}

// ofWorklog reports whether a handler calls a worklog, whichever it is.
func ofWorklog(h map[string]any) bool {
	command, _ := h["command"].(string)
	return strings.Contains(command, marker) || strings.HasPrefix(command, curlHead) && strings.HasSuffix(command, hooksURL("")+" || true")
}

// upToDate reports whether what was taken out is what s wants, and nothing more.
func (c *cutOut) upToDate(s Setting) bool {
	wanted := map[string]map[string]any{}
	for _, event := range events(Codex) {
		wanted[event] = map[string]any{"hooks": []map[string]any{{"type": "command", "command": s.Command, "timeout": int64(seconds)}}}
	}
	if c.handlers != len(wanted) {
		return false
	}
	for _, g := range c.groups {
		if !reflect.DeepEqual(g.value, wanted[g.event]) {
			return false
		}
		delete(wanted, g.event)
	}
	return len(wanted) == 0
}

// sameBesides reports an error unless both texts say the same, worklog's hooks apart.
func sameBesides(old, changed []byte, s Setting, before Written) error {
	var said [2]map[string]any
	for i, text := range [][]byte{old, changed} {
		if _, err := toml.Decode(string(text), &said[i]); err != nil {
			return fmt.Errorf("%w: without worklog's hooks it can not be read: %w", ErrBroken, err)
		}
		dropHandlers(said[i], func(h map[string]any) bool { return owned(s, before)(h) || ofWorklog(h) })
	}
	if !reflect.DeepEqual(said[0], said[1]) {
		return fmt.Errorf("%w: worklog's hooks are written in a way that they can not be told from the rest: take them out by hand", ErrBroken)
	}
	return nil
}

// dropHandlers takes handlers out of what a file says, and what is empty then.
func dropHandlers(said map[string]any, own func(map[string]any) bool) {
	hooks, _ := said["hooks"].(map[string]any)
	for event, v := range hooks {
		groups, ok := v.([]map[string]any)
		if !ok {
			continue
		}
		groups = slices.DeleteFunc(groups, func(g map[string]any) bool {
			handlers, _ := g["hooks"].([]map[string]any)
			had := len(handlers)
			handlers = slices.DeleteFunc(handlers, own)
			g["hooks"] = handlers
			return had > 0 && len(handlers) == 0
		})
		if hooks[event] = groups; len(groups) == 0 {
			delete(hooks, event)
		}
	}
	if hooks != nil && len(hooks) == 0 {
		delete(said, "hooks")
	}
}
