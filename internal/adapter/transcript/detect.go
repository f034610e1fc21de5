package transcript

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Detect finds the format by the beginning of a file; it may end anywhere. Unknown is too little to tell.
func Detect(head []byte) Format {
	if f := formatOf(topKeys(head)); f != Unknown { // an object may be written over several lines
		return f
	}
	for line := range bytes.Lines(head) {
		if f := formatOf(topKeys(line)); f != Unknown {
			return f
		}
	}
	return Unknown
}

// formatOf finds the format by the names of an object's fields.
func formatOf(keys []string) Format {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(keys, n) })
	}
	switch {
	case has("title", "seq"):
		return NDJSON
	case has("sessionId") && has("projectHash", "messages"):
		return Gemini
	case has("type") && has("payload", "thread_id", "item"), has("ts") && has("dir") && has("kind"), has("id") && has("msg"):
		return Codex
	case has("type") && has("sessionId", "uuid", "leafUuid", "messageId", "parentUuid"), has("parentUuid") && has("sessionId"):
		return ClaudeCode
	}
	return Unknown
}

// topKeys returns the names of the fields of a JSON object as far as it goes.
func topKeys(line []byte) (keys []string) {
	dec := json.NewDecoder(bytes.NewReader(line))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return keys
		}
		keys = append(keys, name)
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return keys
		}
	}
	return keys
}
