package worklog

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bounds of metadata. Without the number rule a 63 KB object of 1e131071 reads back from jsonb as 917 MB.
const (
	MaxMetadataBytes = 64 << 10 // as JSON
	MaxMetadataDepth = 32
	MaxMetadataKeys  = 1000 // in all levels together
	// maxNumberBytes is room for every digit of any float64, the smallest of which has 1,074 behind its point. PostgreSQL
	// refuses a number with more than 16,383 there, and with it the whole batch that the number has come in.
	maxNumberBytes = 1100
	minNumber      = 0x1p-1022
	outOfRange     = "is a number outside the range of a 64-bit float, or of more digits than one has"
)

// decodeMetadata reads an object, or null, of any size: what was stored is within bounds. The last of two members with
// one name counts.
func decodeMetadata(b []byte) (Metadata, error) {
	s := scanner{b: b}
	var m Metadata
	if !s.null() {
		m = s.members(0)
	}
	if s.end(); s.err != nil {
		return nil, s.err
	}
	return m, nil
}

// members takes an object.
func (s *scanner) members(depth int) map[string]any {
	m := make(map[string]any)
	s.object(func(name []byte) {
		key := string(name)
		m[key] = s.any(depth + 1)
	})
	return m
}

// any takes one value of any kind.
func (s *scanner) any(depth int) any {
	c := s.peek()
	switch {
	case depth > maxScanDepth:
		s.fail("nested too deep")
		return nil
	case c == '"':
		return s.text()
	case c == '{':
		return s.members(depth)
	case c == '[':
		list := []any{}
		s.list('[', ']', func() { list = append(list, s.any(depth+1)) })
		return list
	case c == '-', c-'0' <= 9:
		return json.Number(s.number())
	case c == 't':
		s.word("true")
		return true
	case c == 'f':
		s.word("false")
		return false
	}
	s.word("null")
	return nil
}

// clean returns m with every text cleaned; m itself when there is nothing to do. Values that only Go code can put
// there (structs, time.Time) are left to the JSON encoder.
func (m Metadata) clean() Metadata {
	if len(m) == 0 {
		return nil
	}
	if v, changed := cleanValue(map[string]any(m), 0); changed {
		return v.(map[string]any)
	}
	return m
}

func cleanValue(v any, depth int) (any, bool) {
	if depth > MaxMetadataDepth { // refused by Validate
		return v, false
	}
	switch v := v.(type) {
	case string:
		c := cleanText(v)
		return c, c != v
	case []any:
		return cleanList(v, depth)
	case Metadata:
		return cleanMap(v, depth)
	case map[string]any:
		return cleanMap(v, depth)
	}
	return v, false
}

func cleanList(list []any, depth int) (any, bool) {
	out := list
	changed := false
	for i, x := range list {
		c, ok := cleanValue(x, depth+1)
		if !ok {
			continue
		}
		if !changed {
			out = append([]any(nil), list...)
			changed = true
		}
		out[i] = c
	}
	return out, changed
}

func cleanMap(m map[string]any, depth int) (any, bool) {
	changed := false
	out := make(map[string]any, len(m))
	for k, x := range m {
		c, ok := cleanValue(x, depth+1)
		key := cleanText(k)
		changed = changed || ok || key != k
		out[key] = c
	}
	if !changed {
		return m, false
	}
	return out, true
}

func (f *fields) metadata(m Metadata) {
	if len(m) == 0 {
		return
	}
	keys := 0
	f.metadataValue("metadata", map[string]any(m), 1, &keys)
	if keys > MaxMetadataKeys {
		f.check(false, "metadata", fmt.Sprintf("must have at most %d keys", MaxMetadataKeys))
		return
	}
	if len(*f) > 0 {
		return
	}
	b, err := m.AppendJSON(nil)
	if err != nil {
		f.check(false, "metadata", "can not be written as JSON")
		return
	}
	f.check(len(b) <= MaxMetadataBytes, "metadata", fmt.Sprintf("must have at most %d bytes as JSON", MaxMetadataBytes))
}

func (f *fields) metadataValue(path string, v any, depth int, keys *int) {
	if *keys > MaxMetadataKeys || len(*f) == maxFieldErrors { // what contains itself twice would go on for hours
		return
	}
	switch v := v.(type) {
	case json.Number:
		f.check(storable(v), path, outOfRange)
	case float64:
		f.check(!math.IsInf(v, 0) && !math.IsNaN(v), path, "must be a finite number")
		f.check(v == 0 || !(math.Abs(v) < minNumber), path, outOfRange)
	case []any:
		if depth > MaxMetadataDepth {
			f.check(false, path, fmt.Sprintf("must be nested at most %d deep", MaxMetadataDepth))
			return
		}
		for i, x := range v {
			f.metadataValue(dotted(path, strconv.Itoa(i)), x, depth+1, keys)
		}
	case Metadata:
		f.metadataValue(path, map[string]any(v), depth, keys)
	case map[string]any:
		if depth > MaxMetadataDepth {
			f.check(false, path, fmt.Sprintf("must be nested at most %d deep", MaxMetadataDepth))
			return
		}
		*keys += len(v)
		for k, x := range v {
			f.metadataValue(dotted(path, k), x, depth+1, keys)
		}
	}
}

// dotted returns the name of key inside path. It stays short: a key of 60 KB with a thousand values below it would
// otherwise be copied a thousand times.
func dotted(path, key string) string {
	if len(path) > maxFieldNameBytes {
		return path
	}
	return path + "." + Cut(key, maxFieldNameBytes)
}

// storable reports whether n is a normal float64, neither infinite nor so small that jsonb would keep 16,000 digits of it,
// and is written with no more digits than one has.
func storable(n json.Number) bool {
	v, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || len(n) > maxNumberBytes {
		return false
	}
	if v != 0 {
		return math.Abs(v) >= minNumber
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(n.String()), "e")
	if strings.Trim(mantissa, "-0.") != "" {
		return false
	}
	x, err := strconv.Atoi(exponent) // 0e-16000 would keep as many zeros
	return exponent == "" || (err == nil && x > -400)
}
