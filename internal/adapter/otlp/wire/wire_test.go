package wire

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/worklogdev/worklog/worklog"
)

const logsHead, logsTail = `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"svc"}}]},"scopeLogs":[{"scope":{"name":"sc"},"logRecords":[`, `]}]}]}`

// oneLog reads a request with one log record.
func oneLog(t *testing.T, record string) Record {
	t.Helper()
	b, err := Logs([]byte(logsHead+record+logsTail), JSON)
	if err != nil || len(b.Items) != 1 || b.Rejected != 0 {
		t.Fatalf("%s: %+v, %v", record, b, err)
	}
	return b.Items[0]
}

func textValue(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func marshalled(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestNumbersComeInManyForms(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]any{
		`{"intValue":7}`: int64(7), `{"intValue":"7"}`: int64(7), `{"intValue":"-9223372036854775808"}`: int64(math.MinInt64), `{"intValue":7.5}`: 7.5, `{"intValue":"many"}`: "many",
		`{"doubleValue":2.5}`: 2.5, `{"doubleValue":"2.5"}`: 2.5, `{"doubleValue":"NaN"}`: "NaN", `{"doubleValue":"-Infinity"}`: "-Inf", `{"doubleValue":{}}`: nil, `{"doubleValue":null}`: nil,
		`{"boolValue":true}`: true, `{"boolValue":"true"}`: true, `{"boolValue":0}`: false, `{"stringValue":"x"}`: "x", `{"stringValue":5}`: "5", `{"string_value":"x"}`: "x",
		`{"bytesValue":"AQI="}`: "AQI=", `{}`: nil, `null`: nil, `"bare"`: "bare", `7`: int64(7), `true`: true, `[1,"a"]`: []any{int64(1), "a"}, `{"tomorrowValue":1}`: nil,
		`{"arrayValue":{"values":[{"intValue":1},{"doubleValue":{}},{"stringValue":"b"}]}}`: []any{int64(1), nil, "b"},
		`{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"1"}},{"key":"e"},7]}}`:   map[string]any{"k": int64(1), "e": nil, "": nil},
		`{"arrayValue":{}}`: []any{}, `{"doubleValue":1e999}`: nil,
	} {
		r := oneLog(t, `{"body":`+value+`,"attributes":[{"key":"a","value":`+value+`}]}`)
		if value == `{"doubleValue":1e999}` {
			want = "+Inf"
			if got := r.Body; got != want && got != "1e999" {
				t.Errorf("%s: %#v", value, got)
			}
			continue
		}
		if !reflect.DeepEqual(r.Body, want) || !reflect.DeepEqual(r.Attrs["a"], want) {
			t.Errorf("%s: %#v and %#v, want %#v", value, r.Body, r.Attrs["a"], want)
		}
	}
}

func TestTimesAndIDsComeInManyForms(t *testing.T) {
	t.Parallel()
	moment := time.Unix(0, 1770619268663000000).UTC()
	for _, form := range []string{`"1770619268663000000"`, `1770619268663000000`, `"2026-02-09T06:41:08.663Z"`} {
		if r := oneLog(t, `{"timeUnixNano":`+form+`,"observed_time_unix_nano":`+form+`}`); !r.Time.Equal(moment) || !r.Observed.Equal(moment) {
			t.Errorf("%s: %v, %v", form, r.Time, r.Observed)
		}
	}
	for _, form := range []string{`"0"`, `{}`, `"soon"`, `-1`, `18446744073709551615`, `1e300`} {
		if r := oneLog(t, `{"timeUnixNano":`+form+`}`); !r.Time.IsZero() {
			t.Errorf("%s: %v", form, r.Time)
		}
	}
	for form, want := range map[string]string{
		"5B8EFFF798038103D269B633813FC60C": "5b8efff798038103d269b633813fc60c", "W47/95gDgQPSabYzgT/GDA==": "5b8efff798038103d269b633813fc60c",
		"00000000000000000000000000000000": "", "": "", "odd": "odd",
	} {
		if r := oneLog(t, `{"traceId":"`+form+`"}`); r.TraceID != want {
			t.Errorf("%q: %q", form, r.TraceID)
		}
	}
	for form, want := range map[string]int{`9`: 9, `"17"`: 17, `"SEVERITY_NUMBER_WARN2"`: 13, `"error"`: 17, `{}`: 0} {
		if r := oneLog(t, `{"severityNumber":`+form+`}`); r.Severity != want {
			t.Errorf("%s: %d", form, r.Severity)
		}
	}
}

func TestProtobufAndJSONSayTheSame(t *testing.T) {
	t.Parallel()
	trace, span, parent := []byte("0123456789abcdef"), []byte("01234567"), []byte("76543210")
	res := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: textValue("svc")}}}
	scope := &commonpb.InstrumentationScope{Name: "sc"}
	attrs := []*commonpb.KeyValue{{Key: "s", Value: textValue("v")}, {Key: "i", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: -3}}},
		{Key: "d", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.Inf(1)}}}, {Key: "b", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte{1, 2}}}},
		{Key: "l", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{textValue("x")}}}}},
		{Key: "m", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: []*commonpb.KeyValue{{Key: "k", Value: textValue("y")}}}}}}, {Key: "none"}}
	const jsonAttrs = `"attributes":[{"key":"s","value":{"stringValue":"v"}},{"key":"i","value":{"intValue":"-3"}},{"key":"d","value":{"doubleValue":"Infinity"}},{"key":"b","value":{"bytesValue":"AQI="}},` +
		`{"key":"l","value":{"arrayValue":{"values":[{"stringValue":"x"}]}}},{"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"y"}}]}}},{"key":"none"}]`
	logs := &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{Resource: res, ScopeLogs: []*logspb.ScopeLogs{{Scope: scope, LogRecords: []*logspb.LogRecord{
		{TimeUnixNano: 5, ObservedTimeUnixNano: 6, SeverityNumber: 9, EventName: "e", Body: textValue("b"), Attributes: attrs, TraceId: trace, SpanId: span},
	}}}}}}
	a, errA := Logs(marshalled(t, logs), Protobuf)
	b, errB := Logs([]byte(logsHead+`{"timeUnixNano":"5","observedTimeUnixNano":"6","severityNumber":9,"eventName":"e","body":{"stringValue":"b"},"traceId":"30313233343536373839616263646566","spanId":"3031323334353637",`+jsonAttrs+`}`+logsTail), JSON)
	if errA != nil || errB != nil || len(a.Items) != 1 || !reflect.DeepEqual(a, b) {
		t.Errorf("%v %v\n%+v\n%+v", errA, errB, a, b)
	}
	spans := &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{Resource: res, ScopeSpans: []*tracepb.ScopeSpans{{Scope: scope, Spans: []*tracepb.Span{{
		TraceId: trace, SpanId: span, ParentSpanId: parent, Name: "n", StartTimeUnixNano: 5, EndTimeUnixNano: 9, Attributes: attrs,
		Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "bad"}, Events: []*tracepb.Span_Event{{Name: "exception", TimeUnixNano: 7, Attributes: attrs[:1]}},
	}}}}}}}
	x, errX := Spans(marshalled(t, spans), Protobuf)
	y, errY := Spans([]byte(`{"resourceSpans":[{"resource":{"attributes":{"service.name":"svc"}},"scopeSpans":[{"scope":{"name":"sc"},"spans":[{"traceId":"30313233343536373839616263646566","spanId":"3031323334353637",`+
		`"parentSpanId":"3736353433323130","name":"n","startTimeUnixNano":5,"endTimeUnixNano":"9",`+jsonAttrs+`,"status":{"code":"STATUS_CODE_ERROR","message":"bad"},`+
		`"events":[{"name":"exception","timeUnixNano":7,"attributes":[{"key":"s","value":{"stringValue":"v"}}]}]}]}]}]}`), JSON)
	if errX != nil || errY != nil || len(x.Items) != 1 || !reflect.DeepEqual(x, y) || !x.Items[0].Failed {
		t.Errorf("%v %v\n%+v\n%+v", errX, errY, x, y)
	}
}

func TestOneDamagedRecordIsRefusedAlone(t *testing.T) {
	t.Parallel()
	long := `{"body":{"stringValue":"` + strings.Repeat("x", MaxRecordBytes) + `"}}`
	b, err := Logs([]byte(logsHead+`{"body":"1"},7,[],"x",null,`+long+`,{"body":"2"}`+logsTail), JSON)
	if err != nil || b.Rejected != 5 || len(b.Items) != 2 || b.Items[1].Body != "2" || b.Reason == "" {
		t.Errorf("%d items, %d rejected, %q, %v", len(b.Items), b.Rejected, b.Reason, err)
	}
	record := marshalled(t, &logspb.LogRecord{Body: textValue("fine")})
	field := func(num byte, body string) string { return string([]byte{num<<3 | 2, byte(len(body))}) + body }
	records := field(2, string(record)) + field(2, "\x0a\x05dam") + field(2, string(record))
	b, err = Logs([]byte(field(1, field(2, records))), Protobuf)
	if err != nil || b.Rejected != 1 || len(b.Items) != 2 {
		t.Errorf("%+v, %v", b, err)
	}
	b, err = Logs([]byte(field(1, field(2, field(2, string(record)))+field(2, "\xff"))), Protobuf)
	if err != nil || b.Rejected != 1 || len(b.Items) != 1 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestWhatIsNoRequestIsMalformed(t *testing.T) {
	t.Parallel()
	for body, enc := range map[string]Encoding{"": JSON, "[]": JSON, `{"resourceLogs":[}`: JSON, "\xff": Protobuf, "\x0a\x7f": Protobuf, "7": JSON} {
		_, logs := Logs([]byte(body), enc)
		_, spans := Spans([]byte(body), enc)
		if worklog.CodeOf(logs) != worklog.CodeMalformed || worklog.CodeOf(spans) != worklog.CodeMalformed {
			t.Errorf("%q: %v, %v", body, logs, spans)
		}
	}
	for body, enc := range map[string]Encoding{"{}": JSON, " {\"resourceLogs\":null, \"resourceSpans\":7}\n": JSON, "": Protobuf} {
		logs, err := Logs([]byte(body), enc)
		if spans, errS := Spans([]byte(body), enc); err != nil || errS != nil || len(logs.Items)+logs.Rejected+len(spans.Items)+spans.Rejected != 0 {
			t.Errorf("%q: %v, %v", body, err, errS)
		}
	}
}

func TestARequestOfEmptyRecordsIsBounded(t *testing.T) {
	t.Parallel()
	records := make([]*logspb.LogRecord, MaxRecords+10)
	for i := range records {
		records[i] = &logspb.LogRecord{}
	}
	data := &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}}}
	for enc, raw := range map[Encoding][]byte{Protobuf: marshalled(t, data), JSON: []byte(logsHead + strings.Repeat("{},", MaxRecords+9) + "{}" + logsTail)} {
		if b, err := Logs(raw, enc); err != nil || len(b.Items) != MaxRecords || b.Rejected != 10 {
			t.Errorf("%v: %d items, %d rejected, %v", enc, len(b.Items), b.Rejected, err)
		}
	}
}

func TestAttributesAndDepthAreBounded(t *testing.T) {
	t.Parallel()
	list := make([]string, maxAttrs+5)
	for i := range list {
		list[i] = fmt.Sprintf(`{"key":"k%d","value":{"intValue":1}}`, i)
	}
	if r := oneLog(t, `{"attributes":[`+strings.Join(list, ",")+`]}`); len(r.Attrs) != maxAttrs || r.Dropped != 5 {
		t.Errorf("%d attributes, %d left out", len(r.Attrs), r.Dropped)
	}
	deep := strings.Repeat(`{"arrayValue":{"values":[`, 200) + `1` + strings.Repeat(`]}}`, 200)
	if r := oneLog(t, `{"body":`+deep+`}`); !strings.Contains(fmt.Sprint(r.Body), cut) {
		t.Errorf("%v", r.Body)
	}
	value := textValue("x")
	for range maxDepth + 3 {
		value = &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{value}}}}
	}
	if got := fmt.Sprint(protoValue(value, 0)); !strings.Contains(got, cut) {
		t.Error(got)
	}
}
