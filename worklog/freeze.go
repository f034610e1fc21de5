package worklog

import "encoding/json"

// freeze returns metadata that shares nothing with m. A draft may wait while its program goes on changing what it has
// put there, and a map that is read and written at once ends the program, whatever it recovers from.
func (m Metadata) freeze() Metadata {
	if m == nil {
		return nil
	}
	return frozenMap(m, 0)
}

func frozenMap(m map[string]any, depth int) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = frozen(v, depth+1)
	}
	return out
}

// frozen returns a value that nobody else can change. What has no JSON form stays as it is: sending it says so. The
// depth guards against a map that contains itself, which is refused as well.
func frozen(v any, depth int) any {
	if depth > maxScanDepth {
		return v
	}
	switch v := v.(type) {
	case nil, string, bool, int, int64, float64, json.Number:
		return v
	case Metadata:
		return frozenMap(v, depth)
	case map[string]any:
		return frozenMap(v, depth)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = frozen(x, depth+1)
		}
		return out
	}
	return written(v)
}

// written is the JSON of a value that only Go code can put into metadata.
func written(v any) (out any) {
	defer func() {
		if recover() != nil { // a marshaler of the program's own; the sender meets it again and tells
			out = v
		}
	}()
	raw, err := json.Marshal(v)
	if err != nil {
		return v
	}
	return json.RawMessage(raw)
}
