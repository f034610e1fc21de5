package wire

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// seeds are small requests of both kinds.
func seeds() []string {
	return []string{
		logsHead + `{"timeUnixNano":"1770619268663000000","body":{"stringValue":"a"},"attributes":[{"key":"n","value":{"intValue":5}},{"key":"d","value":{"doubleValue":{}}}]},7` + logsTail,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"n","status":{"code":2},"events":[{"name":"e"}]}]}]}]}`,
		`{"resource_logs":[{"instrumentation_library_log_records":[{"log_records":[{"body":{"kvlistValue":{"values":[{"key":"\ud800","value":"\u0000"}]}}}]}]}]}`, `{"a":{"b":[1,"]",{"}":"\""}]}}`, `{}`, `[`,
	}
}

// check fails unless what was read is within the bounds and can be written as JSON.
func check[T any](t *testing.T, b Batch[T], err error, attrs func(T) []any) {
	t.Helper()
	if err != nil && len(b.Items) > 0 || len(b.Items) > MaxRecords || (b.Rejected > 0) != (b.Reason != "") {
		t.Fatalf("%d items, %d rejected, %q, %v", len(b.Items), b.Rejected, b.Reason, err)
	}
	for _, item := range b.Items {
		for _, v := range attrs(item) {
			if _, err := json.Marshal(v); err != nil {
				t.Fatalf("%v in %+v", err, item)
			}
		}
	}
}

func FuzzRequestsAreReadOrRefused(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s), true)
	}
	for _, m := range []proto.Message{
		&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{TimeUnixNano: 1, Body: textValue("b")}}}}}}},
		&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{Name: "n", SpanId: []byte("12345678")}}}}}}},
	} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, isJSON bool) {
		enc := Protobuf
		if isJSON {
			enc = JSON
		}
		before := bytes.Clone(raw)
		logs, err := Logs(raw, enc)
		check(t, logs, err, func(r Record) []any { return []any{r.Attrs, r.Resource, r.Body} })
		spans, err := Spans(raw, enc)
		check(t, spans, err, func(s Span) []any { return []any{s.Attrs, s.Resource} })
		for _, s := range spans.Items {
			if len(s.TraceID) > maxID || len(s.SpanID) > maxID || s.Start.After(time.Unix(1<<62, 0)) {
				t.Fatalf("%+v", s)
			}
		}
		if !bytes.Equal(before, raw) {
			t.Fatal("the body was changed")
		}
	})
}

// What the walk sees of valid JSON is what the standard library sees.
func FuzzTheWalkSeesWhatIsThere(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) == nil && list != nil {
			i := 0
			for e := range elements(raw) {
				if i >= len(list) || !bytes.Equal(bytes.TrimSpace(e), bytes.TrimSpace(list[i])) {
					t.Fatalf("%q: element %d is %q", raw, i, e)
				}
				i++
			}
			if i != len(list) {
				t.Fatalf("%q: %d elements of %d", raw, i, len(list))
			}
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil && object != nil {
			seen := map[string][]byte{}
			for name, v := range members(raw) {
				seen[name] = v
			}
			for name, v := range object {
				if !bytes.Equal(bytes.TrimSpace(seen[name]), bytes.TrimSpace(v)) {
					t.Fatalf("%q: %q is %q", raw, name, seen[name])
				}
			}
			if len(seen) != len(object) {
				t.Fatalf("%q: %d members of %d", raw, len(seen), len(object))
			}
		}
		for range elements(raw) { // of anything, it comes to an end
		}
		for range members(raw) {
		}
	})
}
