package exporttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// bearer is the header that carries a token.
func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// emit writes an event of Claude Code. Attributes are given as name, value.
func emit(logger log.Logger, at time.Time, event string, attrs ...string) {
	var r log.Record
	r.SetTimestamp(at)
	r.SetBody(attribute.StringValue("claude_code." + event))
	r.AddAttributes(attribute.String("session.id", "go-logs"), attribute.String("event.name", event))
	for i := 0; i < len(attrs); i += 2 {
		r.AddAttributes(attribute.String(attrs[i], attrs[i+1]))
	}
	logger.Emit(context.Background(), r)
}

func TestTheGoExporterOfLogsWritesARun(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	for _, way := range []struct {
		name    string
		options []otlploghttp.Option
	}{
		{"header", []otlploghttp.Option{
			otlploghttp.WithEndpointURL(a.URL + "/v1/logs"), otlploghttp.WithHeaders(bearer(a.Token("header@example.org", account.ScopeWrite))), otlploghttp.WithCompression(otlploghttp.GzipCompression),
		}},
		{"address", []otlploghttp.Option{otlploghttp.WithEndpointURL(a.URL + "/otlp/" + a.Token("address@example.org", account.ScopeOTLP) + "/v1/logs")}},
	} {
		exporter, err := otlploghttp.New(t.Context(), way.options...)
		if err != nil {
			t.Fatal(err)
		}
		seen := &failures{Exporter: exporter}
		provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(seen)), sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "claude-code"))))
		logger, now := provider.Logger("com.anthropic.claude_code.events"), time.Now()
		emit(logger, now, "user_prompt", "prompt", "Build it", "prompt.id", "p1")
		emit(logger, now, "tool_result", "tool_name", "Bash", "tool_use_id", "toolu_1", "success", "false", "duration_ms", "250", "error", "exit 2", "tool_input", `{"command":"make"}`)
		emit(logger, now, "assistant_response", "response", "It does not build.", "prompt.id", "p1")
		emit(logger, now, "api_request", "model", "x")
		if err := errors.Join(provider.ForceFlush(t.Context()), provider.Shutdown(t.Context()), seen.err()); err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
		all := entriesOf(t, a.ClientOf(way.name+"@example.org", account.ScopeRead))
		call, prompt, reply := all["Bash: make"], all["Prompt: Build it"], all["It does not build."]
		if took, _ := call.Duration(); len(all) != 3 || call.Key != "go-logs/toolu_1" || call.Status != worklog.StatusError || call.Details != "exit 2" || took != 250*time.Millisecond {
			t.Errorf("%s: %d entries, %+v", way.name, len(all), call)
		}
		if prompt.ConversationID == "" || prompt.ConversationID != reply.ConversationID || reply.Type != worklog.TypeAIResponse {
			t.Errorf("%s: %+v, %+v", way.name, prompt, reply)
		}
	}
}

// failures keeps what an exporter could not send: the processor tells nobody.
type failures struct {
	sdklog.Exporter
	mu  sync.Mutex
	all error
}

// Export is the exporter's.
func (f *failures) Export(ctx context.Context, records []sdklog.Record) error {
	err := f.Exporter.Export(ctx, records)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = errors.Join(f.all, err)
	return err
}

func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}

func TestTheGoExporterOfTracesWritesARun(t *testing.T) {
	t.Parallel()
	a := apptest.Shared(t)
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(a.URL+"/v1/traces"), otlptracehttp.WithHeaders(bearer(a.Token(apptest.Email, account.ScopeWrite))), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "gopher"))))
	tracer := provider.Tracer("test")
	top, root := tracer.Start(t.Context(), "GET /ask")
	within, agent := tracer.Start(top, "invoke_agent gopher")
	agent.SetAttributes(attribute.String("gen_ai.operation.name", "invoke_agent"), attribute.String("gen_ai.agent.name", "gopher"), attribute.String("gen_ai.conversation.id", "go-spans"))
	for i := range 3 {
		_, tool := tracer.Start(within, fmt.Sprint("execute_tool dig ", i))
		tool.SetAttributes(attribute.String("gen_ai.operation.name", "execute_tool"), attribute.String("gen_ai.tool.name", "dig"), attribute.String("gen_ai.tool.call.id", "call_0"),
			attribute.String("gen_ai.tool.call.arguments", fmt.Sprintf(`{"path":"hole %d"}`, i)), attribute.String("gen_ai.tool.call.result", "deep"))
		if i == 2 {
			tool.SetStatus(codes.Error, "rock")
		}
		tool.End()
	}
	agent.End()
	root.End()
	if err := errors.Join(provider.ForceFlush(t.Context()), provider.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
	all := entriesOf(t, a.Client(account.ScopeRead))
	top1, last := all["Agent gopher finished"], all["dig: hole 2"]
	if len(all) != 4 || last.Status != worklog.StatusError || all["dig: hole 0"].Status != worklog.StatusSuccess || last.Parent != top1.Key || last.Details != "deep" || last.Source != "otel:gopher" {
		t.Errorf("%d entries, %+v, %+v", len(all), top1, last)
	}
}
