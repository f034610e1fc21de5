package hookdoor

import (
	"context"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/hook"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// moveOf is what an event says about whose move it is.
func (d *Door) moveOf(e *hook.Event) store.Move {
	m := store.Move{At: e.At(), Prompt: e.Prompt(), By: d.ingest.Key(e.SubAgent())}
	switch e.Turn {
	case hook.TurnAgent:
		m.Turn = store.TurnAgent
	case hook.TurnGoesOn:
		m.Turn, m.Resumes = store.TurnAgent, true
	case hook.TurnUser:
		m.Turn = store.TurnUser
	case hook.TurnFailed:
		m.Turn = store.TurnFailed
	case hook.TurnOver:
		m.Turn = store.TurnNone
	default:
		return store.Move{}
	}
	return m
}

// running returns the conversation with that key and those of its running steps that p itself wrote, or may read, or that
// nobody else can end any more. What is found out about steps is a guess, unlike what is reported by their keys, and a
// guess ends nothing of another token that may still write.
func (d *Door) running(ctx context.Context, p *account.Principal, key string) (conv store.Conversation, steps []store.Row, err error) {
	conv, err = d.store.ConversationByKey(ctx, p.User.ID, d.ingest.Key(key))
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		return conv, nil, nil
	}
	if err != nil || conv.WorkingCount == 0 {
		return conv, nil, err
	}
	rows, err := d.store.Running(ctx, p.User.ID, conv.ID)
	if err != nil || p.Token == nil || p.Can(account.ScopeRead) {
		return conv, rows, err
	}
	var able map[string]bool
	for _, row := range rows {
		if row.TokenID != p.Token.ID && able == nil {
			if able, err = d.able(ctx, p.User.ID); err != nil {
				return conv, nil, err
			}
		}
		if row.TokenID == p.Token.ID || row.TokenID != "" && !able[row.TokenID] {
			steps = append(steps, row)
		}
	}
	return conv, steps, nil
}

// able returns the ids of an owner's tokens that are neither revoked nor expired.
func (d *Door) able(ctx context.Context, owner int64) (map[string]bool, error) {
	tokens, err := d.store.Tokens(ctx, owner)
	ids := make(map[string]bool, len(tokens))
	for _, t := range tokens {
		ids[t.ID] = t.ExpiresAt.IsZero() || d.now().Before(t.ExpiresAt)
	}
	return ids, err
}

// ask marks the running step that asks. It returns what is still to be stored of the event, and in which manner: a
// question that belongs to no step is the conversation's own.
func (d *Door) ask(ctx context.Context, p *account.Principal, m ingest.Manner, e *hook.Event) ([]worklog.Draft, ingest.Manner, error) {
	conv, steps, err := d.running(ctx, p, e.Ask.Conversation())
	if err != nil {
		return nil, m, err
	}
	if e.Ask.Told && (conv.AskingCount > 0 || conv.Turn == store.TurnAsked) { // who asks has said so
		return e.Drafts, m, nil
	}
	entries := make([]worklog.Entry, len(steps))
	for i := range steps {
		entries[i] = steps[i].Entry
	}
	draft, found := e.Ask.Draft(entries)
	if !found || !e.At().After(conv.PromptedAt) {
		m.Move = store.Move{Turn: store.TurnAsked, At: e.At(), By: d.ingest.Key(e.SubAgent())}
		return e.Drafts, m, nil
	}
	marked := m
	marked.AskedAt = e.At()
	if _, err := d.ingest.AppendAs(ctx, p, marked, []worklog.Draft{draft}); err != nil || !e.Ask.Told {
		return nil, m, err
	}
	return e.Drafts, m, nil
}

// answer takes back what steps ask that asked before a prompt.
func (d *Door) answer(ctx context.Context, p *account.Principal, m ingest.Manner, e *hook.Event) error {
	conv, steps, err := d.running(ctx, p, e.Conversation())
	if err != nil || conv.AskingCount == 0 {
		return err
	}
	var drafts []worklog.Draft
	for i := range steps {
		if !steps[i].AskedAt.IsZero() {
			drafts = append(drafts, e.Answer(steps[i].Entry))
		}
	}
	m.Move, m.AnsweredAt = store.Move{}, e.At()
	if len(drafts) > 0 {
		_, err = d.ingest.AppendAs(ctx, p, m, drafts)
	}
	return err
}
