package connect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// mergeJSON adds worklog's group to the list of every event.
func mergeJSON(agent string, old []byte, s Setting, before Written) ([]byte, []string, error) {
	if len(bytes.TrimSpace(old)) == 0 {
		old = []byte("{}\n")
	}
	d, err := parse(old, agent == Gemini)
	if err != nil {
		return nil, nil, err
	}
	d.own = owned(s, before)
	made := slices.Clone(before.Made)
	note := func(place string) {
		if !slices.Contains(made, place) {
			made = append(made, place)
		}
	}
	if err := d.drop(agent, func(event string) bool { return !slices.Contains(events(agent), event) }); err != nil {
		return nil, nil, err
	}
	for _, event := range events(agent) {
		if d.root.member("hooks") == nil {
			d.set(d.root, "hooks", json.RawMessage("{}"), 1)
			note("hooks")
		}
		hooks := d.root.member("hooks")
		if hooks.kind != '{' {
			return nil, nil, fmt.Errorf(`%w: "hooks" is no object`, ErrBroken)
		}
		if hooks.member(event) == nil {
			d.set(hooks, event, json.RawMessage("[]"), 2)
			note("hooks." + event)
		}
		if err := d.place(event, wanted(agent, event, s)); err != nil {
			return nil, nil, err
		}
	}
	return d.text, made, nil
}

// place makes sure that the list of an event holds g, once, and no other group of worklog's.
func (d *document) place(event string, g group) error {
	list := d.root.member("hooks").member(event)
	if list.kind != '[' {
		return fmt.Errorf(`%w: "hooks.%s" is no list`, ErrBroken, event)
	}
	placed := false
	for i := len(list.elements) - 1; i >= 0; i-- {
		whole, some := d.mine(list.elements[i])
		switch {
		case whole && !placed:
			placed = true
			if !d.says(list.elements[i], g) {
				d.replace(list.elements[i], g, 3)
			}
		case whole:
			d.remove(list, i)
		case some:
			d.pluck(list.elements[i])
		}
		list = d.root.member("hooks").member(event)
	}
	if !placed {
		d.add(list, g, 3)
	}
	return nil
}

// removeJSON takes out worklog's groups, and the places that were made for them.
func removeJSON(agent string, old []byte, before Written) ([]byte, error) {
	if len(bytes.TrimSpace(old)) == 0 {
		return old, nil
	}
	d, err := parse(old, agent == Gemini)
	if err != nil {
		return nil, err
	}
	d.own = owned(Setting{}, before)
	if err := d.drop(agent, func(string) bool { return true }); err != nil {
		return nil, err
	}
	hooks := d.root.member("hooks")
	if hooks == nil || hooks.kind != '{' {
		return d.text, nil
	}
	for _, m := range slices.Backward(hooks.members) {
		if hooks = d.root.member("hooks"); m.value.kind == '[' && len(hooks.member(m.key).elements) == 0 && slices.Contains(before.Made, "hooks."+m.key) {
			d.remove(hooks, hooks.index(m.key))
		}
	}
	if len(d.root.member("hooks").members) == 0 && slices.Contains(before.Made, "hooks") {
		d.remove(d.root, d.root.index("hooks"))
	}
	return d.text, nil
}

// drop takes worklog's groups out of the lists of the events that are asked for.
func (d *document) drop(agent string, of func(event string) bool) error {
	hooks := d.root.member("hooks")
	if hooks == nil || hooks.kind != '{' {
		return nil
	}
	for _, m := range hooks.members {
		list := d.root.member("hooks").member(m.key)
		if list.kind != '[' || !of(m.key) {
			continue
		}
		for i := len(list.elements) - 1; i >= 0; i-- {
			whole, some := d.mine(list.elements[i])
			if whole {
				d.remove(list, i)
			} else if some {
				d.pluck(list.elements[i])
			}
			list = d.root.member("hooks").member(m.key)
		}
	}
	return nil
}

// mine reports whether all handlers of a group are worklog's, or some.
func (d *document) mine(g *node) (whole, some bool) {
	handlers := g.member("hooks")
	if handlers == nil || handlers.kind != '[' || len(handlers.elements) == 0 {
		return false, false
	}
	whole = true
	for _, h := range handlers.elements {
		m, _ := d.value(h).(map[string]any)
		if d.own(m) {
			some = true
		} else {
			whole = false
		}
	}
	return whole, some
}

// pluck takes worklog's handlers out of a group that has others, too.
func (d *document) pluck(g *node) {
	at := g.start // stays: everything that is removed comes after it
	for i := len(g.member("hooks").elements) - 1; i >= 0; i-- {
		handlers := d.find(at).member("hooks")
		if m, _ := d.value(handlers.elements[i]).(map[string]any); d.own(m) {
			d.remove(handlers, i)
		}
	}
}

// says reports whether a node says the same as v.
func (d *document) says(n *node, v any) bool {
	raw, err := json.Marshal(v)
	if err != nil {
		return false
	}
	var want any
	return json.Unmarshal(raw, &want) == nil && reflect.DeepEqual(d.value(n), want)
}
