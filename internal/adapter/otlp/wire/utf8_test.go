package wire

import (
	"bytes"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func attribute(key string, v *commonpb.AnyValue) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: v}
}

func TestInvalidUTF8CostsItsCharactersAlone(t *testing.T) {
	t.Parallel()
	list := &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{textValue("in b@d list")}}}}
	broken := func(raw []byte) []byte { return bytes.ReplaceAll(raw, []byte("@"), []byte{0xff}) }
	resource := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{attribute("host", textValue("b@d")), attribute("service.name", textValue("svc"))}}
	scope := &commonpb.InstrumentationScope{Name: "sc@pe"}
	logs, err := Logs(broken(marshalled(t, &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{Resource: resource, ScopeLogs: []*logspb.ScopeLogs{{Scope: scope, LogRecords: []*logspb.LogRecord{
		{Body: textValue("before")}, {Body: textValue("b@d"), TimeUnixNano: 5, Attributes: []*commonpb.KeyValue{attribute("k@y", list), attribute("tool", textValue("Bash"))}}, {Body: textValue("after")},
	}}}}}})), Protobuf)
	if err != nil || logs.Rejected != 0 || len(logs.Items) != 3 {
		t.Fatalf("%+v, %v", logs, err)
	}
	bad := logs.Items[1]
	if bad.Body != "b\uFFFDd" || bad.Attrs["tool"] != "Bash" || bad.Time.IsZero() || bad.Resource["service.name"] != "svc" || bad.Resource["host"] != "b\uFFFDd" || bad.Scope != "sc\uFFFDpe" ||
		bad.Attrs["k\uFFFDy"].([]any)[0] != "in b\uFFFDd list" || logs.Items[2].Body != "after" {
		t.Errorf("%+v", bad)
	}
	spans, err := Spans(broken(marshalled(t, &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{
		{Name: "n@me", SpanId: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Status: &tracepb.Status{Message: "m@ssage", Code: tracepb.Status_STATUS_CODE_ERROR}},
	}}}}}})), Protobuf)
	if err != nil || spans.Rejected != 0 || len(spans.Items) != 1 {
		t.Fatalf("%+v, %v", spans, err)
	}
	if s := spans.Items[0]; s.Name != "n\uFFFDme" || s.SpanID != "ffffffffffffffff" || s.Message != "m\uFFFDssage" || !s.Failed {
		t.Errorf("%+v", s)
	}
}
