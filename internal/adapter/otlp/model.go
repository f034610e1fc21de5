package otlp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/worklogdev/worklog/internal/adapter/agent"
	"github.com/worklogdev/worklog/worklog"
)

// maxCompletions is how many answers of one call, and how many messages of one answer, are looked at.
const maxCompletions = 100

// modelCall is a call of a model as far as attributes tell of it.
func modelCall(f facts, name string) worklog.Draft {
	d := worklog.Draft{Type: worklog.TypeAIResponse, Status: worklog.StatusSuccess, Conversation: agent.Conversation(f.session())}
	operation := orElse(f.first("gen_ai.operation.name", "llm.request.type"), "chat")
	if kindOf(operation) != kindLLM || strings.EqualFold(operation, "llm") || strings.Contains(operation, "_call") {
		operation = "chat"
	}
	model := f.first(modelNames()...)
	d.Title = operation + " " + orElse(model, orElse(name, "with a model"))
	d.Details = answer(f)
	agent.Note(&d, "model", model)
	agent.Note(&d, "provider", f.first(providerNames()...))
	f.usage(&d)
	reasons := f.first("gen_ai.response.finish_reasons", "gen_ai.completion.0.finish_reason", "ai.response.finishReason", "finish_reason", "finish_reasons", "stop_reason")
	agent.Note(&d, "finish_reasons", reasons)
	for _, bad := range []string{"length", "max_tokens", "content_filter", "content-filter", "refusal", "SAFETY"} {
		if strings.Contains(reasons, bad) {
			d.Status = worklog.StatusWarning
		}
	}
	if s := f.first("error.type"); s != "" {
		d.Status = worklog.StatusError
	}
	return d
}

// answer is what the model has said.
func answer(f facts) string {
	for _, name := range []string{
		"gen_ai.output.messages", "ai.response.text", "ai.response.object", "gcp.vertex.agent.llm_response", "output.value", "traceloop.entity.output", "response", "response_text",
	} {
		if s := f.first(name); s != "" {
			return messagesText(s)
		}
	}
	var texts []string
	for _, form := range []string{"gen_ai.completion.%d.content", "llm.output_messages.%d.message.content", "llm.completions.%d.content"} {
		for i := range maxCompletions {
			s := f.first(fmt.Sprintf(form, i))
			if s == "" {
				break
			}
			texts = append(texts, s)
		}
	}
	return strings.Join(texts, "\n")
}

// asked is what a person has asked a model: the last message of a user.
func asked(f facts) string {
	if s := f.first("gen_ai.input.messages", "gcp.vertex.agent.llm_request", "ai.prompt.messages", "ai.prompt"); s != "" {
		var v any
		if json.Unmarshal([]byte(s), &v) != nil {
			return ""
		}
		return lastOfUser(v, 0)
	}
	text := ""
	for _, form := range []string{"gen_ai.prompt.%d.", "llm.input_messages.%d.message."} {
		for i := range maxCompletions {
			role := f.first(fmt.Sprintf(form+"role", i))
			if role == "" {
				break
			}
			if s := f.first(fmt.Sprintf(form+"content", i)); role == "user" && s != "" {
				text = s
			}
		}
	}
	return text
}

// lastOfUser finds the last message whose role is user, and the first text in it.
func lastOfUser(v any, depth int) (text string) {
	if depth > 4 {
		return ""
	}
	switch v := v.(type) {
	case []any:
		for _, x := range slices.Backward(v) {
			if s := lastOfUser(x, depth+1); s != "" {
				return s
			}
		}
	case map[string]any:
		if v["role"] == "user" {
			var texts []string
			if collect(v, 0, &texts); len(texts) > 0 {
				return texts[0]
			}
		}
		for _, name := range []string{"messages", "contents"} {
			if s := lastOfUser(v[name], depth+1); s != "" {
				return s
			}
		}
	}
	return ""
}

// messagesText is the text of messages of any generation: [{role, parts: [{type, content}]}], {content: {parts: [{text}]}}
// and so on; text that is no JSON is itself.
func messagesText(s string) string {
	t := strings.TrimSpace(s)
	if t == "" || t[0] != '[' && t[0] != '{' {
		return s
	}
	var v any
	if json.Unmarshal([]byte(t), &v) != nil {
		return s
	}
	var texts []string
	collect(v, 0, &texts)
	if len(texts) == 0 {
		return agent.Output(json.RawMessage(t))
	}
	return strings.Join(texts, "\n")
}

// collect finds the texts and calls in messages, in their order.
func collect(v any, depth int, texts *[]string) {
	if depth > 8 || len(*texts) >= maxCompletions {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			collect(x, depth+1, texts)
		}
	case map[string]any:
		if name, ok := v["name"].(string); ok && (v["arguments"] != nil || v["args"] != nil || v["input"] != nil) {
			*texts = append(*texts, "[calls "+name+"]")
			return
		}
		for _, name := range []string{"text", "content", "parts", "message", "messages", "generations", "function_call", "functionCall", "choices", "output"} {
			switch x := v[name].(type) {
			case string:
				if strings.TrimSpace(x) != "" {
					*texts = append(*texts, x)
				}
			case []any, map[string]any:
				collect(x, depth+1, texts)
			}
		}
	}
}

// shown are the attributes that an entry shows elsewhere, and those that are too long to show at all.
func shown() map[string]bool {
	known := map[string]bool{"gen_ai.input.messages": true, "gen_ai.output.messages": true, "gen_ai.system_instructions": true, "gen_ai.tool.definitions": true}
	for _, names := range [][]string{sessionNames(), providerNames(), modelNames(), toolNames(), callNames(), inputNames(), outputNames(), agentNames(), kindNames()} {
		for _, name := range names {
			known[name] = true
		}
	}
	for _, u := range usage() {
		for _, name := range u.names {
			known[name] = true
		}
	}
	return known
}

// isBulk reports whether attributes with this name are one of many: every message, every function that could be called.
func isBulk(name string) bool {
	return slices.ContainsFunc([]string{
		"gen_ai.prompt.", "gen_ai.completion.", "llm.request.functions.", "llm.input_messages.", "llm.output_messages.", "llm.tools.", "gcp.vertex.agent.llm_",
		"ai.prompt", "ai.response.", "user.", "organization.", "retrieval.documents.",
	}, func(p string) bool { return strings.HasPrefix(name, p) })
}
