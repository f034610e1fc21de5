// Package agent holds what the doors of coding agents share: how a session's steps are named, titled and typed, so
// that one step seen through two doors (a hook, a transcript, telemetry) is one entry.
//
// A step's key is its session and the agent's own id of the call, and for an id that comes again how often it came.
// Prompts and replies have no id that all doors know, so their key is made of their text and of how often their agent
// had it before.
package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/worklogdev/worklog/worklog"
)

// What wrote an entry.
const (
	SourceClaudeCode = "claude-code"
	SourceCodex      = "codex"
	SourceGemini     = "gemini-cli"
)

// Kinds of keys that are made of a text, see [TextKey].
const (
	KindPrompt = "prompt"
	KindReply  = "reply"
)

const (
	titleChars  = 200
	promptChars = 120
	// hashLength is how much of a hash, in hex digits, stands for a text.
	hashLength = 24
	// maxPast is how old an event may be before its time is not believed.
	maxPast = 10 * 365 * 24 * time.Hour
)

// Key joins a session and the parts of a name within it. What is too long for a key ends in a hash of the whole.
func Key(session string, parts ...string) string {
	return bounded(session + "/" + strings.Join(parts, "/"))
}

// Conversation is the key of a session's conversation.
func Conversation(session string) string { return bounded(session) }

func bounded(key string) string {
	if utf8.RuneCountInString(key) <= worklog.MaxKeyChars {
		return key
	}
	return string([]rune(key)[:worklog.MaxKeyChars-hashLength-1]) + "/" + digest(key)
}

// AgentKey names the entry of a sub-agent, the parent of its steps.
func AgentKey(session, agentID string) string { return Key(session, "agent", agentID) }

// TextKey names a prompt or reply: the nth one, from 1, with this text of a sub-agent, or with an empty agent of the
// session's own.
func TextKey(session, agentID, kind, text string, n int) string {
	return Nth(inAgent(session, agentID, kind, TextHash(text)), n)
}

// TextHash stands for a text in keys. White space around it does not count.
func TextHash(text string) string { return digest(strings.TrimSpace(text)) }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:hashLength]
}

// FirstLine returns the first line of s that is not blank, cut to n characters.
func FirstLine(s string, n int) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimSpace(string([]rune(worklog.Cut(s, 4*n))[:n-1])) + "…"
}

// Name names a conversation after its first prompt, in n characters: the prompt's first line, and with it the next one
// when the first only announces it.
func Name(prompt string, n int) string {
	first, rest := cutLine(strings.TrimSpace(prompt))
	for strings.HasSuffix(first, ":") && rest != "" {
		var line string
		line, rest = cutLine(rest)
		if line = strings.TrimLeft(line, "#-* \t"); line != "" {
			return FirstLine(first+" "+line, n)
		}
	}
	return FirstLine(first, n)
}

// cutLine returns the first line of s without the white space around it, and what comes after it.
func cutLine(s string) (line, rest string) {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s, rest = s[:i], s[i+1:]
	}
	return strings.TrimSpace(s), rest
}

// Prompt returns the entry of the nth prompt with this text to a sub-agent, or with an empty agent to the session's own.
// The first of a conversation names it.
func Prompt(session, agentID, text string, n int) worklog.Draft {
	const empty = "(empty prompt)"
	title := orElse(FirstLine(text, promptChars), empty)
	return worklog.Draft{
		Conversation: Conversation(session), ConversationTitle: orElse(Name(text, promptChars), empty), Key: TextKey(session, agentID, KindPrompt, text, n), Title: "Prompt: " + title, Details: text,
	}
}

// Reply returns the entry of the nth answer with this text of a sub-agent, or with an empty agent of the session's own.
func Reply(session, agentID, text string, n int) worklog.Draft {
	return worklog.Draft{
		Conversation: Conversation(session), Type: worklog.TypeAIResponse, Status: worklog.StatusSuccess, Key: TextKey(session, agentID, KindReply, text, n),
		Title: orElse(FirstLine(text, titleChars), "(empty reply)"), Details: text,
	}
}

// Fit makes every rule of a draft true that a foreign format may break, so that no event is lost for a detail: what is
// too long is cut, metadata that can not be kept is left out, and so is a time that can not be true. What was left out is said in the metadata.
func Fit(d *worklog.Draft, now time.Time) {
	d.Title = orElse(FirstLine(d.Title, worklog.MaxTitleChars), "(no title)")
	d.ConversationTitle = FirstLine(d.ConversationTitle, worklog.MaxTitleChars)
	d.Tool = FirstLine(d.Tool, worklog.MaxToolChars)
	d.Source = FirstLine(d.Source, worklog.MaxSourceChars)
	d.Details = worklog.CutDetails(d.Details)
	if d.Parent == d.Key {
		d.Parent = ""
	}
	replaced := false
	for _, t := range []**time.Time{&d.StartedAt, &d.EndedAt, &d.LoggedAt} {
		if *t != nil && !Believable(**t, now) {
			*t, replaced = nil, true
		}
	}
	if replaced {
		Note(d, "time_replaced", true)
	}
	d.Normalize()
	if len(d.Metadata) > 0 && d.Validate(now) != nil {
		delete(d.Metadata, "input")
		Note(d, "input_left_out", true)
		if d.Validate(now) != nil {
			d.Metadata = nil
		}
	}
}

// Believable reports whether an event can have happened at t.
func Believable(t, now time.Time) bool {
	return !t.After(now.Add(worklog.MaxAhead)) && t.After(now.Add(-maxPast))
}

// Note adds a fact to a draft's metadata unless it says nothing.
func Note(d *worklog.Draft, name string, value any) {
	if value == nil || value == "" {
		return
	}
	if d.Metadata == nil {
		d.Metadata = worklog.Metadata{}
	}
	d.Metadata[name] = value
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
