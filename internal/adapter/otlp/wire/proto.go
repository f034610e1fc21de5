package wire

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Numbers of fields, the same in requests of logs and of traces.
const (
	fieldGroups   = 1 // of a request: one for each resource
	fieldResource = 1 // of a group
	fieldScopes   = 2
	fieldScope    = 1 // of records with one scope
	fieldRecords  = 2
)

// protoDepth bounds messages inside messages; a value of depth maxDepth has three for each of its levels.
const protoDepth = 4*maxDepth + 10

// maxMended bounds a record in which each byte that is no UTF-8 has become three.
const maxMended = 3 * MaxRecordBytes

// messages calls each for every embedded message of raw; false when raw is damaged. Messages before the damage were seen.
func messages(raw []byte, each func(field protowire.Number, body []byte)) bool {
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return false
		}
		raw = raw[n:]
		if typ == protowire.BytesType {
			body, n := protowire.ConsumeBytes(raw)
			if n < 0 {
				return false
			}
			each(num, body)
			raw = raw[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(num, typ, raw); n < 0 {
			return false
		}
		raw = raw[n:]
	}
	return true
}

// records calls each for every record of a request, whatever kind it has. A request that is not even protobuf is malformed.
func records(raw []byte, damaged func(), each func(res Attrs, scope string, body []byte)) bool {
	whole := messages(raw, func(protowire.Number, []byte) {})
	if !whole {
		return false
	}
	messages(raw, func(field protowire.Number, group []byte) {
		if field != fieldGroups {
			return
		}
		var res Attrs
		if !messages(group, func(field protowire.Number, body []byte) { // fields may come in any order
			if field == fieldResource {
				res = resource(body)
			}
		}) {
			damaged()
		}
		messages(group, func(field protowire.Number, scopes []byte) {
			if field == fieldScopes && !scoped(scopes, func(scope string, body []byte) { each(res, scope, body) }) {
				damaged()
			}
		})
	})
	return true
}

func scoped(raw []byte, each func(scope string, body []byte)) bool {
	var scope commonpb.InstrumentationScope
	whole := messages(raw, func(field protowire.Number, body []byte) {
		if field == fieldScope {
			_ = unmarshal(body, &scope) // a scope that can not be read is no reason to lose its records
		}
	})
	messages(raw, func(field protowire.Number, body []byte) {
		if field == fieldRecords {
			each(scope.Name, body)
		}
	})
	return whole
}

func unmarshal(raw []byte, m proto.Message) error {
	if len(raw) > MaxRecordBytes {
		return fmt.Errorf("more than %d bytes", MaxRecordBytes)
	}
	o := proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: protoDepth}
	err := o.Unmarshal(raw, m)
	if err == nil {
		return nil
	}
	if raw, ok := mended(raw, m.ProtoReflect().Descriptor(), 0); ok && len(raw) <= maxMended {
		return o.Unmarshal(raw, m)
	}
	return err
}

func resource(raw []byte) Attrs {
	var m resourcepb.Resource
	_ = unmarshal(raw, &m)
	attrs, _ := protoAttrs(m.Attributes)
	return attrs
}

func protoLogs(raw []byte) (b Batch[Record], err error) {
	ok := records(raw, func() { b.reject("a part of the request is damaged") }, func(res Attrs, scope string, body []byte) {
		b.take(body, func() (Record, bool) {
			var m logspb.LogRecord
			if unmarshal(body, &m) != nil {
				return Record{}, false
			}
			r := Record{
				Resource: res, Scope: scope, Time: at(m.TimeUnixNano), Observed: at(m.ObservedTimeUnixNano), Severity: int(m.SeverityNumber),
				EventName: m.EventName, Body: protoValue(m.Body, 0), TraceID: protoID(m.TraceId), SpanID: protoID(m.SpanId),
			}
			r.Attrs, r.Dropped = protoAttrs(m.Attributes)
			return r, true
		})
	})
	if !ok {
		return b, malformed("ExportLogsServiceRequest")
	}
	return b, nil
}

func protoSpans(raw []byte) (b Batch[Span], err error) {
	ok := records(raw, func() { b.reject("a part of the request is damaged") }, func(res Attrs, scope string, body []byte) {
		b.take(body, func() (Span, bool) {
			var m tracepb.Span
			if unmarshal(body, &m) != nil {
				return Span{}, false
			}
			s := Span{
				Resource: res, Scope: scope, Name: m.Name, TraceID: protoID(m.TraceId), SpanID: protoID(m.SpanId), ParentID: protoID(m.ParentSpanId),
				Start: at(m.StartTimeUnixNano), End: at(m.EndTimeUnixNano), Failed: m.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR, Message: m.Status.GetMessage(),
			}
			s.Attrs, s.Dropped = protoAttrs(m.Attributes)
			for _, e := range m.Events[:min(len(m.Events), maxEvents)] {
				attrs, _ := protoAttrs(e.Attributes)
				s.Events = append(s.Events, Event{Name: e.Name, Time: at(e.TimeUnixNano), Attrs: attrs})
			}
			return s, true
		})
	})
	if !ok {
		return b, malformed("ExportTraceServiceRequest")
	}
	return b, nil
}

// protoID is an id in hex; one of zeros alone is none.
func protoID(id []byte) string {
	s := hex.EncodeToString(id[:min(len(id), maxID/2)])
	if strings.Trim(s, "0") == "" {
		return ""
	}
	return s
}

func protoAttrs(list []*commonpb.KeyValue) (attrs Attrs, dropped int) {
	attrs = make(Attrs, min(len(list), maxAttrs))
	for _, kv := range list {
		if _, known := attrs[kv.GetKey()]; !known && len(attrs) >= maxAttrs {
			dropped++
			continue
		}
		if v := protoValue(kv.GetValue(), 0); v != nil {
			attrs[kv.GetKey()] = v
		}
	}
	return attrs, dropped
}

// protoValue is a value as Go has it; nil when it says nothing.
func protoValue(v *commonpb.AnyValue, depth int) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return finite(v.DoubleValue)
	case *commonpb.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(v.BytesValue)
	case *commonpb.AnyValue_ArrayValue:
		if depth >= maxDepth {
			return cut
		}
		values := v.ArrayValue.GetValues()
		list := make([]any, 0, min(len(values), maxItems))
		for _, x := range values[:min(len(values), maxItems)] {
			list = append(list, protoValue(x, depth+1))
		}
		return list
	case *commonpb.AnyValue_KvlistValue:
		if depth >= maxDepth {
			return cut
		}
		values := v.KvlistValue.GetValues()
		m := make(map[string]any, min(len(values), maxItems))
		for _, x := range values[:min(len(values), maxItems)] {
			m[x.GetKey()] = protoValue(x.GetValue(), depth+1)
		}
		return m
	}
	return nil
}

// finite is v, or its name when JSON has none for it.
func finite(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprint(v)
	}
	return v
}
