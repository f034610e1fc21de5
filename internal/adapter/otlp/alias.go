package otlp

import "strings"

// The names under which generations of instrumentations write the same thing, newest first.

func sessionNames() []string {
	return []string{
		"gen_ai.conversation.id", "session.id", "langfuse.session.id", "conversation.id", "traceloop.association.properties.session_id",
		"traceloop.association.properties.thread_id", "langsmith.trace.session_id", "gcp.vertex.agent.session_id",
		"ai.settings.context.sessionId", "ai.settings.context.conversationId", "ai.settings.context.threadId",
		"ai.telemetry.metadata.sessionId", "ai.telemetry.metadata.conversationId", "ai.telemetry.metadata.threadId",
		"gen_ai.session.id", "session_id", "thread_id",
	}
}

func providerNames() []string {
	return []string{"gen_ai.provider.name", "gen_ai.system", "llm.system", "llm.provider", "ai.model.provider"}
}

func modelNames() []string {
	return []string{"gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "ai.response.model", "ai.model.id", "model", "model_name"}
}

func toolNames() []string {
	return []string{"gen_ai.tool.name", "tool.name", "ai.toolCall.name", "tool_name", "function_name"}
}

func callNames() []string {
	return []string{"gen_ai.tool.call.id", "gen_ai.tool.call_id", "tool.id", "tool_call.id", "ai.toolCall.id", "tool_use_id", "call_id"}
}

func inputNames() []string {
	return []string{
		"gen_ai.tool.call.arguments", "gcp.vertex.agent.tool_call_args", "input.value", "ai.toolCall.args", "tool_input", "tool_parameters",
		"tool.parameters", "arguments", "function_args", "traceloop.entity.input", "gen_ai.tool.arguments",
	}
}

func outputNames() []string {
	return []string{
		"gen_ai.tool.call.result", "gcp.vertex.agent.tool_response", "output.value", "ai.toolCall.result", "output", "traceloop.entity.output", "tool_result",
	}
}

func agentNames() []string {
	return []string{"gen_ai.agent.name", "agent.name", "agent_name", "agent_type", "traceloop.entity.name", "ai.telemetry.functionId", "query_source"}
}

func kindNames() []string {
	return []string{"gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "span.type", "ai.operationId", "llm.request.type", "langsmith.span.kind"}
}

// usage is what is told of tokens and money: the name in the metadata, and the names it comes under.
func usage() []struct {
	name  string
	names []string
} {
	return []struct {
		name  string
		names []string
	}{
		{"input_tokens", []string{"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens", "input_tokens", "input_token_count"}},
		{"output_tokens", []string{"gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion", "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens", "output_tokens", "output_token_count"}},
		{"cache_read_tokens", []string{"gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "llm.token_count.prompt_details.cache_read", "ai.usage.cachedInputTokens", "cache_read_tokens", "cached_token_count", "cached_content_token_count"}},
		{"cache_write_tokens", []string{"gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens", "cache_creation_tokens"}},
		{"reasoning_tokens", []string{"gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "ai.usage.reasoningTokens", "reasoning_token_count", "thoughts_token_count"}},
		{"cost_usd", []string{"cost_usd", "llm.cost.total", "gen_ai.usage.cost"}},
	}
}

// kind is what a span is about.
type kind int

const (
	noKind     kind = iota // nothing that an agent does
	kindTool               // a call of a tool
	kindLLM                // a call of a model
	kindAgent              // an agent or workflow as a whole
	kindLookup             // embeddings, retrieval and the like
	kindOther              // something of generative AI that has no row of its own kind
	kindPart               // a part of a call that has its own span
)

// kindOf finds out what an operation is by any of its names.
func kindOf(name string) kind {
	name = strings.ToLower(name)
	switch name {
	case "":
		return noKind
	case "execute_tool", "tool", "tool_call", "ai.toolcall", "mcp":
		return kindTool
	case "chat", "generate_content", "text_completion", "completion", "llm", "llm_call", "llm_request", "responses", "messages":
		return kindLLM
	case "invoke_agent", "create_agent", "invoke_workflow", "agent", "agent_call", "workflow", "task", "chain", "user_prompt", "interaction", "plan",
		"ai.generatetext", "ai.streamtext", "ai.generateobject", "ai.streamobject", "agent_turn":
		return kindAgent
	case "embeddings", "embedding", "retrieval", "retriever", "rerank", "reranker", "ai.embed", "ai.embedmany":
		return kindLookup
	case "tool.blocked_on_user", "tool.execution", "schedule_tool_calls", "ai.embed.doembed", "ai.embedmany.doembed":
		return kindPart
	}
	switch {
	case strings.HasPrefix(name, "ai.") && strings.Contains(name, ".do"): // ai.generateText.doGenerate and its like
		return kindLLM
	case strings.HasPrefix(name, "ai.tool"):
		return kindTool
	}
	return kindOther
}
