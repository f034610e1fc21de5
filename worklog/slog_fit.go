package worklog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// cutKey is the name of what says that attributes of a record are not all there.
const cutKey = "!CUT"

// fit returns m, or as much of it as the server takes and a note: a record with too large attributes is worth more than
// none.
func fit(m Metadata) Metadata {
	if _, _, err := m.sendable(); err == nil {
		return m
	}
	for most := MaxMetadataBytes / 2; most > 0; most /= 2 {
		f := fitter{most: most, room: MaxMetadataKeys - 1}
		out := Metadata(f.object(m, 1))
		out[cutKey] = fmt.Sprintf("attributes that are too large or too many: %d cut, %d left out", f.cut, f.left)
		if _, _, err := out.sendable(); err == nil {
			return out
		}
	}
	return Metadata{cutKey: "attributes that are too large: all cut"}
}

// fitter copies attributes, the values of [plainValue] in groups, and makes them fit.
type fitter struct {
	most int // bytes that a text keeps
	room int // keys that may still come
	cut  int // values that were cut
	left int // values that were left out
}

func (f *fitter) object(m map[string]any, depth int) map[string]any {
	out := make(map[string]any, min(len(m), f.room))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		name := cleanText(Cut(k, f.most))
		if _, taken := out[name]; taken || f.room == 0 {
			f.left++
			continue
		}
		if len(k) > f.most {
			f.cut++
		}
		f.room--
		out[name] = f.value(m[k], depth+1)
	}
	return out
}

func (f *fitter) value(v any, depth int) any {
	switch x := v.(type) {
	case string:
		return f.text(x)
	case json.Number:
		if storable(x) {
			return x
		}
		f.cut++ // it loses that it is a number
		return Cut(x.String(), f.most)
	case json.RawMessage:
		s := scanner{b: x}
		if len(x) > f.most {
			return f.text(string(x))
		}
		return f.value(s.any(depth), depth)
	case map[string]any:
		if depth > MaxMetadataDepth {
			return f.tooDeep()
		}
		return f.object(x, depth)
	case []any:
		if depth > MaxMetadataDepth {
			return f.tooDeep()
		}
		out := make([]any, len(x))
		for i := range x {
			out[i] = f.value(x[i], depth+1)
		}
		return out
	}
	return v
}

func (f *fitter) text(s string) string {
	if len(s) <= f.most {
		return s
	}
	f.cut++
	return cleanText(Cut(s, f.most)) + "…"
}

func (f *fitter) tooDeep() any {
	f.cut++
	return "…"
}
