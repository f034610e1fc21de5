package wire

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// object is the members of a JSON object by their names in snake case, lower case.
type object map[string][]byte

// maxMembers bounds what is remembered of an object: the specification's have a dozen members.
const maxMembers = 64

func objectOf(raw []byte) object {
	o := object{}
	for name, value := range members(raw) {
		if len(o) < maxMembers {
			o[snake(name)] = value
		}
	}
	return o
}

// snake writes timeUnixNano as time_unix_nano: exporters use either.
func snake(name string) string {
	capitals := 0
	for i := range len(name) {
		if name[i] >= 'A' && name[i] <= 'Z' {
			capitals++
		}
	}
	if capitals == 0 {
		return name
	}
	b := make([]byte, 0, len(name)+capitals)
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			if i > 0 {
				b = append(b, '_')
			}
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// keyAndValue reads {"key": ..., "value": ...}; keyed is false when it has no key.
func keyAndValue(raw []byte) (key string, value []byte, keyed bool) {
	for name, v := range members(raw) {
		switch name {
		case "key":
			key, keyed = text(v), true
		case "value":
			value = v
		}
	}
	return key, value, keyed
}

func (o object) text(name string) string { return text(o[name]) }

// time is a time in nanoseconds since 1970, as a number or text, or in words.
func (o object) time(name string) time.Time {
	s := o.text(name)
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return at(n)
	}
	if v, ok := number(s); ok && v > 0 && v < 1<<63 {
		return at(uint64(v))
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// id is the id of a trace or span, which the specification writes in hex, and generated encoders in base64.
func (o object) id(name string, length int) string {
	s := o.text(name)
	if raw, err := hex.DecodeString(s); err == nil && len(raw) == length {
		return protoID(raw)
	}
	if raw, err := base64.StdEncoding.DecodeString(s); err == nil && len(raw) == length {
		return protoID(raw)
	}
	return s[:min(len(s), maxID)]
}

// number is an integer as a number or text, or what an enumeration calls it.
func (o object) number(name string, names func(string) int) int {
	s := o.text(name)
	if v, ok := number(s); ok && v > -1e9 && v < 1e9 {
		return int(v)
	}
	return names(s)
}

// jsonRecords calls each for every record of a request.
func jsonRecords(raw []byte, groups, scopes, records string, each func(res Attrs, scope string, record []byte)) bool {
	if !json.Valid(raw) || !isObject(raw[space(raw, 0):]) {
		return false
	}
	for group := range elements(objectOf(raw)[groups]) {
		g := objectOf(group)
		res, _ := jsonAttrs(objectOf(g["resource"])["attributes"])
		list := g[scopes]
		if list == nil { // as versions before 0.15 of the protocol have it
			list = g["instrumentation_library_"+records]
		}
		for scope := range elements(list) {
			s := objectOf(scope)
			name := objectOf(s["scope"]).text("name")
			for record := range elements(s[records]) {
				each(res, name, record)
			}
		}
	}
	return true
}

func jsonLogs(raw []byte) (b Batch[Record], err error) {
	ok := jsonRecords(raw, "resource_logs", "scope_logs", "log_records", func(res Attrs, scope string, record []byte) {
		b.take(record, func() (Record, bool) {
			if !isObject(record) {
				return Record{}, false
			}
			o := objectOf(record)
			r := Record{
				Resource: res, Scope: scope, Time: o.time("time_unix_nano"), Observed: o.time("observed_time_unix_nano"),
				Severity: o.number("severity_number", severity), EventName: o.text("event_name"), Body: jsonValue(o["body"], 0),
				TraceID: o.id("trace_id", 16), SpanID: o.id("span_id", 8),
			}
			r.Attrs, r.Dropped = jsonAttrs(o["attributes"])
			return r, true
		})
	})
	if !ok {
		return b, malformed("JSON of an ExportLogsServiceRequest")
	}
	return b, nil
}

func jsonSpans(raw []byte) (b Batch[Span], err error) {
	ok := jsonRecords(raw, "resource_spans", "scope_spans", "spans", func(res Attrs, scope string, record []byte) {
		b.take(record, func() (Span, bool) {
			if !isObject(record) {
				return Span{}, false
			}
			o := objectOf(record)
			status := objectOf(o["status"])
			s := Span{
				Resource: res, Scope: scope, Name: o.text("name"), TraceID: o.id("trace_id", 16), SpanID: o.id("span_id", 8),
				ParentID: o.id("parent_span_id", 8), Start: o.time("start_time_unix_nano"), End: o.time("end_time_unix_nano"),
				Failed: status.number("code", statusCode) == 2, Message: status.text("message"),
			}
			s.Attrs, s.Dropped = jsonAttrs(o["attributes"])
			for event := range elements(o["events"]) {
				if len(s.Events) == maxEvents {
					break
				}
				e := objectOf(event)
				attrs, _ := jsonAttrs(e["attributes"])
				s.Events = append(s.Events, Event{Name: e.text("name"), Time: e.time("time_unix_nano"), Attrs: attrs})
			}
			return s, true
		})
	})
	if !ok {
		return b, malformed("JSON of an ExportTraceServiceRequest")
	}
	return b, nil
}

// severity is the number of a severity by its name.
func severity(name string) int {
	name = strings.TrimPrefix(strings.ToUpper(name), "SEVERITY_NUMBER_")
	for i, word := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} {
		if strings.HasPrefix(name, word) {
			return 4*i + 1
		}
	}
	return 0
}

func statusCode(name string) int {
	if strings.HasSuffix(strings.ToUpper(name), "ERROR") {
		return 2
	}
	return 0
}

// jsonAttrs reads attributes: a list of keys and values, or a plain object. What stands for no value is left out.
func jsonAttrs(raw []byte) (attrs Attrs, dropped int) {
	attrs = Attrs{}
	add := func(key string, value any) {
		if _, known := attrs[key]; !known && len(attrs) >= maxAttrs {
			dropped++
		} else if value != nil {
			attrs[key] = value
		}
	}
	for item := range elements(raw) {
		if key, value, ok := keyAndValue(item); ok {
			add(key, jsonValue(value, 0))
		}
	}
	for key, value := range members(raw) {
		add(key, jsonValue(value, 0))
	}
	return attrs, dropped
}

// jsonValue is a value as Go has it; nil when it says nothing. A value without its wrapping is taken as it is.
func jsonValue(raw []byte, depth int) any {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if !isObject(raw) {
		return plain(raw, depth)
	}
	for name, v := range members(raw) {
		if depth >= maxDepth {
			return cut
		}
		switch name {
		case "stringValue", "string_value", "bytesValue", "bytes_value":
			return text(v)
		case "boolValue", "bool_value":
			return text(v) == "true"
		case "intValue", "int_value", "doubleValue", "double_value":
			return jsonNumber(v)
		case "arrayValue", "array_value":
			list := []any{}
			for x := range elements(objectOf(v)["values"]) {
				if len(list) < maxItems {
					list = append(list, jsonValue(x, depth+1))
				}
			}
			return list
		case "kvlistValue", "kvlist_value":
			m := map[string]any{}
			for x := range elements(objectOf(v)["values"]) {
				if key, value, _ := keyAndValue(x); len(m) < maxItems {
					m[key] = jsonValue(value, depth+1)
				}
			}
			return m
		}
	}
	return nil
}

// jsonNumber reads a number or a text that is one; nil of anything else, of which {} was seen.
func jsonNumber(raw []byte) any {
	s := text(raw)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if v, ok := number(s); ok {
		return finite(v)
	}
	if isObject(raw) || s == "" {
		return nil
	}
	return s
}

// plain is a value that is written as any JSON is.
func plain(raw []byte, depth int) any {
	switch raw[0] {
	case '"':
		return text(raw)
	case 't', 'f':
		return raw[0] == 't'
	case '[':
		if depth >= maxDepth {
			return cut
		}
		list := []any{}
		for x := range elements(raw) {
			if len(list) < maxItems {
				list = append(list, jsonValue(x, depth+1))
			}
		}
		return list
	}
	return jsonNumber(raw)
}
