package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// depthOf is how deep encoding/json finds text nested, up to where it stops reading.
func depthOf(text []byte) (deepest int) {
	d, depth := json.NewDecoder(bytes.NewReader(text)), 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

func FuzzNesting(f *testing.F) {
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"log_work","arguments":{"title":"a","metadata":{"b":[1,{"c":"]}"}]}}}}`,
		`"\"[["`, `"\\"[`, `{"a\\\"[":"[{"}`, strings.Repeat("[", 100), `]]]][[`, `"[`, `\"[`, "", "{}[[]]", "\"\xff\\\"[\"",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		deep, nested := nesting(text), depthOf(text)
		if deep < nested {
			t.Errorf("%q is nested %d deep, and is taken for %d", text, nested, deep)
		}
		if json.Valid(text) && deep != nested {
			t.Errorf("%q is nested %d deep, and %d is what is refused", text, nested, deep)
		}
	})
}
