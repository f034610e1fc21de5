package otlp

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

func spansOf(t *testing.T, spans ...wire.Span) []worklog.Draft {
	t.Helper()
	return checked(t, Spans(spans, nil, 1, now()))
}

// Instrumentations of several years write the same call in their own words.
func TestEveryGenerationOfNamesIsUnderstood(t *testing.T) {
	t.Parallel()
	const info, call, reply = worklog.TypeInfo, worklog.TypeToolCall, worklog.TypeAIResponse
	for _, c := range []struct {
		span  wire.Span
		title string
		typ   worklog.Type
		conv  string
	}{
		{genAI("1", "", "execute_tool dig", 0, "gen_ai.operation.name", "execute_tool", "gen_ai.tool.name", "dig", "gen_ai.conversation.id", "c"), "dig", call, "c"},
		{genAI("1", "", "tools/call dig", 0, "mcp.method.name", "tools/call", "mcp.session.id", "m"), "dig", call, "t"},
		{genAI("1", "", "ai.toolCall", 0, "ai.operationId", "ai.toolCall", "ai.toolCall.name", "dig", "ai.toolCall.args", `{"path":"x"}`, "ai.telemetry.metadata.sessionId", "c"), "dig: x", call, "c"},
		{genAI("1", "", "dig", 0, "openinference.span.kind", "TOOL", "tool.name", "dig", "input.value", `{"query":"q"}`, "session.id", "c"), "dig: q", call, "c"},
		{genAI("1", "", "dig.tool", 0, "traceloop.span.kind", "tool", "traceloop.entity.name", "dig", "traceloop.association.properties.session_id", "c"), "dig", call, "c"},
		{genAI("1", "", "claude_code.tool", 0, "span.type", "tool", "tool_name", "Bash", "session.id", "c"), "Bash", call, "c"},
		{genAI("1", "", "tool_call", 0, "gen_ai.operation.name", "tool_call", "gen_ai.tool.name", "ls", "gen_ai.tool.call_id", "ls-1770619268663-abc"), "ls", call, "t"},
		{genAI("1", "", "chat gpt", 0, "gen_ai.operation.name", "chat", "gen_ai.provider.name", "openai", "gen_ai.request.model", "gpt"), "chat gpt", reply, "t"},
		{genAI("1", "", "openai.chat", 0, "llm.request.type", "chat", "gen_ai.system", "openai", "gen_ai.response.model", "gpt-1"), "chat gpt-1", reply, "t"},
		{genAI("1", "", "ChatOpenAI", 0, "openinference.span.kind", "LLM", "llm.model_name", "gpt"), "chat gpt", reply, "t"},
		{genAI("1", "", "ai.generateText.doGenerate", 0, "ai.operationId", "ai.generateText.doGenerate", "ai.model.id", "gpt", "ai.response.text", "hi"), "chat gpt", reply, "t"},
		{genAI("1", "", "call_llm", 0, "gcp.vertex.agent.session_id", "c", "gen_ai.request.model", "gpt"), "chat gpt", reply, "c"},
		{genAI("1", "", "generate_content g", 0, "gen_ai.operation.name", "generate_content", "gen_ai.request.model", "g"), "generate_content g", reply, "t"},
		{genAI("1", "", "invoke_agent a", 0, "gen_ai.operation.name", "invoke_agent", "gen_ai.agent.name", "a"), "Agent a finished", info, "t"},
		{genAI("1", "", "a.workflow", 0, "traceloop.span.kind", "workflow", "traceloop.entity.name", "a"), "Agent a finished", info, "t"},
		{genAI("1", "", "ai.generateText", 0, "ai.operationId", "ai.generateText", "ai.telemetry.functionId", "a"), "Agent a finished", info, "t"},
		{genAI("1", "", "AgentExecutor", 0, "openinference.span.kind", "CHAIN"), "Agent AgentExecutor finished", info, "t"},
		{genAI("1", "", "claude_code.interaction", 0, "span.type", "interaction", "session.id", "c"), "Turn finished", info, "c"},
		{genAI("1", "", "RunLLM", 0, "langsmith.span.kind", "llm", "langsmith.trace.session_id", "c", "gen_ai.request.model", "m"), "chat m", reply, "c"},
		{genAI("1", "", "embeddings e", 0, "gen_ai.operation.name", "embeddings"), "embeddings e", info, "t"},
		{genAI("1", "", "op of tomorrow", 0, "gen_ai.operation.name", "dream"), "op of tomorrow", info, "t"},
	} {
		list := spansOf(t, c.span)
		if len(list) != 1 || list[0].Title != c.title || list[0].Type != c.typ || list[0].Conversation != c.conv || list[0].Status != worklog.StatusSuccess {
			t.Errorf("%v: %s", c.span.Attrs, asJSON(list))
		}
	}
}

func TestSpansOfOtherThingsAreLeftOut(t *testing.T) {
	t.Parallel()
	b := Spans([]wire.Span{
		genAI("1", "", "GET /", 0, "http.method", "GET", "gen_ai.conversation.id", "c"), genAI("2", "1", "SELECT", 0, "db.system", "postgresql", "span.type", "sql"),
		genAI("3", "1", "RunnableSequence", 0, "openinference.span.kind", "CHAIN"), genAI("4", "1", "tools/list", 0, "mcp.method.name", "tools/list"),
		genAI("5", "1", "claude_code.tool.blocked_on_user", 0, "span.type", "tool.blocked_on_user", "tool_use_id", "x"),
	}, nil, 1, now())
	if len(b.Entries) != 0 || b.Skipped["span of nothing that an agent does"] != 4 || b.Skipped["span of a call that has one"] != 1 {
		t.Errorf("%d entries, %v", len(b.Entries), b.Skipped)
	}
}

func TestOneCallOfAModelIsOneRowHoweverManyReportIt(t *testing.T) {
	t.Parallel()
	list := spansOf(t,
		genAI("a", "", "invoke_agent a", 0, "gen_ai.operation.name", "invoke_agent", "gen_ai.agent.name", "a"),
		genAI("x", "a", "generate_content", 10, "gen_ai.operation.name", "generate_content", "gen_ai.request.model", "m"),
		genAI("h", "x", "POST", 11, "http.method", "POST"),
		genAI("y", "h", "call_llm", 12, "gen_ai.request.model", "m", "gen_ai.usage.input_tokens", int64(7)),
		genAI("z", "y", "openai.chat", 13, "llm.request.type", "chat", "gen_ai.response.model", "m-1", "gen_ai.completion.0.content", "Hello", "gen_ai.usage.prompt_tokens", int64(9)),
		genAI("u", "z", "execute_tool dig", 14, "gen_ai.operation.name", "execute_tool", "gen_ai.tool.name", "dig", "gen_ai.tool.call.id", "call_long_enough"),
		genAI("v", "u", "tools/call dig", 15, "mcp.method.name", "tools/call", "gen_ai.tool.name", "dig", "gen_ai.tool.call.result", "gold"),
		genAI("w", "x", "chat other", 900, "gen_ai.operation.name", "chat", "gen_ai.request.model", "other"))
	want := []string{"Agent a finished", "generate_content m-1 < Agent a finished", "dig < generate_content m-1", "chat other < generate_content m-1"}
	if got := tree(list); !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	if llm, tool := list[1], list[2]; llm.Details != "Hello" || llm.Metadata["input_tokens"] != 7.0 || tool.Details != "gold" || tool.Key != agent.Key("t", "call_long_enough") {
		t.Errorf("%s\n%s", asJSON(llm), asJSON(tool))
	}
}

func TestSpansSayHowTheyWent(t *testing.T) {
	t.Parallel()
	failed := genAI("1", "", "execute_tool dig", 0, "gen_ai.operation.name", "execute_tool", "gen_ai.tool.name", "dig", "error.type", "RockError")
	failed.Events = []wire.Event{{Name: "exception", Attrs: kv("exception.message", "hard rock")}}
	plain := genAI("2", "", "invoke_agent a", 0, "gen_ai.operation.name", "invoke_agent", "gen_ai.agent.name", "a")
	plain.Failed, plain.Message = true, "gave up"
	long := genAI("3", "", "chat m", 0, "gen_ai.operation.name", "chat", "gen_ai.request.model", "m", "gen_ai.response.finish_reasons", []any{"length"})
	backwards := genAI("4", "", "chat m", 0, "gen_ai.operation.name", "chat")
	backwards.End = backwards.Start.Add(-time.Second)
	claude := genAI("5", "", "claude_code.tool", 0, "span.type", "tool", "tool_name", "Bash", "success", "true")
	claude.Events = []wire.Event{{Name: "tool.output", Attrs: kv("content", "printed")}}
	list := spansOf(t, failed, plain, long, backwards, claude)
	for i, want := range []struct {
		status  worklog.Status
		details string
	}{{worklog.StatusError, "hard rock"}, {worklog.StatusError, "gave up"}, {worklog.StatusWarning, ""}, {worklog.StatusSuccess, ""}, {worklog.StatusSuccess, "printed"}} {
		if list[i].Status != want.status || list[i].Details != want.details {
			t.Errorf("%d: %s", i, asJSON(list[i]))
		}
	}
	if list[1].Title != "Agent a failed" || list[3].StartedAt != nil || list[0].EndedAt.Sub(*list[0].StartedAt) != time.Second {
		t.Errorf("%s", asJSON(list))
	}
}

// Providers that only count calls have the same ids in every turn: there the span's own id is the name.
func TestCallsThatAreOnlyCountedAreTheirOwn(t *testing.T) {
	t.Parallel()
	var spans []wire.Span
	for i := range 3 {
		spans = append(spans, genAI(fmt.Sprint("s", i), "", "execute_tool dig", i*2000, "gen_ai.operation.name", "execute_tool", "gen_ai.tool.name", "dig", "gen_ai.tool.call.id", "call_0", "session.id", "c"))
	}
	keys := map[string]bool{}
	for _, d := range spansOf(t, spans...) {
		keys[d.Key] = true
	}
	if len(keys) != 3 {
		t.Errorf("%v", keys)
	}
}

func TestACircleOfSpansEnds(t *testing.T) {
	t.Parallel()
	list := spansOf(t, genAI("1", "2", "chat a", 0, "gen_ai.operation.name", "chat"), genAI("2", "1", "chat b", 0, "gen_ai.operation.name", "chat"), genAI("3", "3", "chat c", 0, "gen_ai.operation.name", "chat"),
		genAI("4", "5", "x", 0), genAI("5", "4", "y", 0), genAI("6", "4", "chat d", 0, "gen_ai.operation.name", "chat"))
	if len(list) == 0 {
		t.Error("no entry")
	}
}

func TestAThousandSpansOfOneCallAreOneRow(t *testing.T) {
	t.Parallel()
	var spans []wire.Span
	for i := range 1000 {
		s := genAI(fmt.Sprint("s", i), "", "chat m", 0, "gen_ai.operation.name", "chat")
		if i > 0 {
			s.ParentID = fmt.Sprint("s", i-1)
		}
		for j := range 20 {
			s.Attrs[fmt.Sprint("attribute ", i, " ", j)] = "v"
		}
		spans = append(spans, s)
	}
	if list := spansOf(t, spans...); len(list) != 1 || list[0].Key != spanKey("t", "s0") {
		t.Errorf("%d rows", len(list))
	}
}

func TestMessagesOfAnyShapeAreText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", "": "", `[{"role":"assistant","parts":[{"type":"text","content":"a"},{"type":"tool_call","name":"dig","arguments":{}}]}]`: "a\n[calls dig]",
		`{"content":{"parts":[{"text":"b"}],"role":"model"}}`: "b", `{"messages":[{"content":[{"text":"c"}]}]}`: "c", `[{"message":{"content":"d"}}]`: "d", `{"choices":[{"message":{"content":"e"}}]}`: "e",
		`{"x":1}`: "{\n  \"x\": 1\n}", `{broken`: "{broken", `{"generations":[[{"text":"f"}]]}`: "f",
	} {
		if got := messagesText(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestTheFirstQuestionNamesTheConversation(t *testing.T) {
	t.Parallel()
	for _, attrs := range []wire.Attrs{
		kv("gen_ai.input.messages", `[{"role":"user","parts":[{"type":"text","content":"Old"}]},{"role":"assistant","parts":[]},{"role":"user","parts":[{"type":"text","content":"Why?\nsay"}]}]`),
		kv("gen_ai.prompt.0.role", "system", "gen_ai.prompt.0.content", "You are", "gen_ai.prompt.1.role", "user", "gen_ai.prompt.1.content", "Why?"),
		kv("llm.input_messages.0.message.role", "user", "llm.input_messages.0.message.content", "Why?"),
		kv("gcp.vertex.agent.llm_request", `{"contents":[{"role":"user","parts":[{"text":"Why?"}]},{"role":"model","parts":[{"text":"So"}]}]}`),
		kv("ai.prompt.messages", `[{"role":"user","content":[{"type":"text","text":"Why?"}]}]`), kv("ai.prompt", `{"messages":[{"role":"user","content":"Why?"}]}`),
	} {
		attrs["gen_ai.operation.name"] = "chat"
		s := genAI("1", "", "chat m", 0)
		s.Attrs = attrs
		if d := spansOf(t, s)[0]; d.ConversationTitle != "Why?" {
			t.Errorf("%v: %q", attrs, d.ConversationTitle)
		}
	}
	s := genAI("1", "", "chat m", 0)
	s.Attrs = kv("gen_ai.operation.name", "chat", "llm.input_messages.0.message.role", "user", "llm.input_messages.0.message.content", "Do this:\n- Fix login")
	if d := spansOf(t, s)[0]; d.ConversationTitle != "Do this: Fix login" { // as at every door
		t.Errorf("%q", d.ConversationTitle)
	}
}

func TestAFailedAgentSaysWhyBesideWhatItHasSaid(t *testing.T) {
	t.Parallel()
	s := genAI("1", "", "invoke_agent A", 0, "gen_ai.operation.name", "invoke_agent", "output.value", "Half of it", "error.type", "Timeout")
	s.Failed, s.Message = true, "no answer in 30 s"
	d := spansOf(t, s)[0]
	if d.Status != worklog.StatusError || d.Details != "Half of it" || d.Metadata["error"] != "no answer in 30 s" {
		t.Errorf("%+v", d)
	}
	s.Attrs["output.value"] = nil
	if d := spansOf(t, s)[0]; d.Details != "no answer in 30 s" || d.Metadata["error"] != nil {
		t.Errorf("%+v", d)
	}
}
