package worklog_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

// FuzzMetadata compares the reader of stored metadata with the standard library's.
func FuzzMetadata(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":"x","c":[true,false,null,{"d":1.5e-7}],"e":{}}`, `null`, ` { } `, `[]`, `{"a":1,"a":2}`, `{"a":"\u00e9\ud83d\ude00\ud83d"}`,
		`{"n":12345678901234567890}`, `{"a":01}`, `{"a":1}x`, `{"a"}`, `{"":""}`, `{"a":[`, `{"a":"\x"}`, `true`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) {
			return // Normalize replaces it
		}
		var got worklog.Metadata
		err := got.UnmarshalJSON(b)
		var want map[string]any
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if !json.Valid(b) || dec.Decode(&want) != nil {
			if err == nil {
				t.Errorf("%q is read as %v", b, got)
			}
			return
		}
		if err != nil || !reflect.DeepEqual(map[string]any(got), want) {
			t.Errorf("%q is read as %v (%v), want %v", b, got, err, want)
		}
	})
}
