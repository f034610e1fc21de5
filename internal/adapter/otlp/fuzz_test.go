package otlp

import (
	"testing"

	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
)

// Whatever a request holds: every draft is valid and has a key, and no record has more than one, or none of it is counted.
func FuzzEveryRecordIsAnEntryOrCounted(f *testing.F) {
	for _, event := range []string{"claude_code.tool_result", "claude_code.user_prompt", "codex.tool_result", "codex.api_request", "gemini_cli.tool_call", "gemini_cli.agent.finish", "x"} {
		f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":1770619268663000000,"body":{"stringValue":"`+event+`"},"attributes":`+
			`{"event.name":"`+event+`","session.id":"s","tool_use_id":"1","call_id":"1","tool_name":"Bash","function_name":"f","prompt":"p","success":"false","duration_ms":"5","tool_input":"{\"command\":\"ls\"}","output":"x"}}]}]}]}`), true)
	}
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"t","spanId":"1","name":"chat","attributes":{"gen_ai.operation.name":"chat","gen_ai.output.messages":"[{\"parts\":[{\"content\":\"a\"}]}]"}},`+
		`{"traceId":"t","spanId":"2","parentSpanId":"1","name":"tool","attributes":{"gen_ai.tool.name":"t","gen_ai.tool.call.id":"call_0"}}]}]}]}`), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, raw []byte, isJSON bool) {
		enc := wire.Protobuf
		if isJSON {
			enc = wire.JSON
		}
		if in, err := wire.Logs(raw, enc); err == nil {
			count(t, Logs(in.Items, now()), len(in.Items))
		}
		if in, err := wire.Spans(raw, enc); err == nil {
			count(t, Spans(in.Items, NewTraces(), 1, now()), len(in.Items))
		}
	})
}

func count(t *testing.T, b *Batch, records int) {
	checked(t, b)
	n := 0
	for i := range b.Entries {
		if !b.Entries[i].Late() {
			n++
		}
	}
	for _, k := range b.Skipped {
		n += k
	}
	if n != records {
		t.Fatalf("%d entries or skipped of %d records", n, records)
	}
}
