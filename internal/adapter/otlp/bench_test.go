package otlp

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
)

// BenchmarkARequest reads and maps 1,000 records of 20 attributes.
func BenchmarkARequest(b *testing.B) {
	json, scope := []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[`), &logspb.ScopeLogs{}
	text := func(s string) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
	}
	for i := range 1000 {
		attrs := []*commonpb.KeyValue{{Key: "event.name", Value: text("tool_result")}, {Key: "session.id", Value: text("s")}, {Key: "tool_use_id", Value: text(fmt.Sprint("toolu_", i))}}
		for j := range 17 {
			attrs = append(attrs, &commonpb.KeyValue{Key: fmt.Sprint("attribute.", j), Value: text("a value of some length")})
		}
		scope.LogRecords = append(scope.LogRecords, &logspb.LogRecord{TimeUnixNano: 1770619268663000000, Body: text("claude_code.tool_result"), Attributes: attrs})
		json = append(json, `{"timeUnixNano":"1770619268663000000","body":{"stringValue":"claude_code.tool_result"},"attributes":[`...)
		for j, kv := range attrs {
			if j > 0 {
				json = append(json, ',')
			}
			json = fmt.Appendf(json, `{"key":%q,"value":{"stringValue":%q}}`, kv.Key, kv.Value.GetStringValue())
		}
		json = append(json, "]},"...)
	}
	json = append(json[:len(json)-1], "]}]}]}"...)
	raw, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{scope}}}})
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw []byte
		enc wire.Encoding
	}{"json": {json, wire.JSON}, "protobuf": {raw, wire.Protobuf}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(c.raw)))
			for b.Loop() {
				in, err := wire.Logs(c.raw, c.enc)
				if err != nil || len(Logs(in.Items, now()).Entries) != 1000 {
					b.Fatal(err)
				}
			}
		})
	}
}
