package worklog

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Query says which entries to list. The zero Query lists all of the token's user, newest first.
type Query struct {
	Conversation   string // the key of a conversation of the token's user
	ConversationID string // or its id, which may be another user's that the token may read
	Unfiled        bool   // only entries without a conversation
	Type           Type
	Status         Status
	Source         string
	Text           string    // a part of title, tool or details, without regard to case
	Since, Until   time.Time // of LoggedAt; Since included, Until not
	Before         string    // Next of the page before
	Limit          int       // at most 200; 0: the server's default
}

// Page is a page of entries, newest first.
type Page struct {
	Entries []Entry `json:"entries"`
	// Next is the Before of the next page, empty at the end. A page of a filtered list may be short, or empty, and
	// still have a next one: the server looks at no more than 10,000 entries at a time.
	Next string `json:"next"`
	// Cursor is the rev up to which the page is complete: [Client.Changes] and [Client.Stream] go on from there.
	Cursor int64 `json:"cursor"`
}

func (q *Query) values() url.Values {
	v := url.Values{}
	set(v, "conversation", q.Conversation)
	set(v, "conversation_id", q.ConversationID)
	set(v, "type", string(q.Type))
	set(v, "status", string(q.Status))
	set(v, "source", q.Source)
	set(v, "q", q.Text)
	set(v, "before", q.Before)
	if q.Unfiled {
		v.Set("unfiled", "true")
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.Format(time.RFC3339Nano))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func (c *Client) get(ctx context.Context, path string, query url.Values, into any, member string) error {
	return c.do(ctx, call{method: http.MethodGet, path: path, query: query, into: into, member: member})
}

// write sends v as JSON, and reads the thing as it then is. Changes of existing things may be sent twice without harm;
// creations are blind.
func (c *Client) write(ctx context.Context, method, path string, v, into any, blind bool) error {
	body, err := json.Marshal(v)
	if err != nil {
		return &Error{Code: CodeInvalid, Message: "the request has no JSON form", Err: err}
	}
	return c.do(ctx, call{method: method, path: path, body: body, media: mediaJSON, into: into, member: "id", blind: blind})
}

// Entries returns a page of entries.
func (c *Client) Entries(ctx context.Context, q Query) (p Page, err error) {
	return p, c.get(ctx, logsPath, q.values(), &p, "entries")
}

// Changes returns what was stored or changed after the rev after, oldest change first: each entry as it is now. The
// page's Cursor is the after of the next call; there is no Next. Before, Since and Until of q are not used.
func (c *Client) Changes(ctx context.Context, q Query, after int64) (p Page, err error) {
	q.Before, q.Since, q.Until = "", time.Time{}, time.Time{}
	v := q.values()
	v.Set("after", strconv.FormatInt(after, 10))
	return p, c.get(ctx, logsPath, v, &p, "entries")
}

// All lists every entry that matches q, newest first, page by page. The first error ends it.
func (c *Client) All(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			p, err := c.Entries(ctx, q)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range p.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if q.Before = p.Next; q.Before == "" {
				return
			}
		}
	}
}

// Entry returns one entry.
func (c *Client) Entry(ctx context.Context, id string) (e Entry, err error) {
	return e, c.get(ctx, logsPath+"/"+url.PathEscape(id), nil, &e, "id")
}

// PatchEntry changes an entry and returns it as it now stands.
func (c *Client) PatchEntry(ctx context.Context, id string, p EntryPatch) (e Entry, err error) {
	if p.Metadata, _, err = p.Metadata.sendable(); err != nil {
		return e, err
	}
	return e, c.write(ctx, http.MethodPatch, logsPath+"/"+url.PathEscape(id), p, &e, false)
}

// ConversationQuery says which conversations to list. The zero value lists the user's own that are not archived.
type ConversationQuery struct {
	Archived bool   // the archived ones instead
	Team     bool   // other users' that everybody may read instead
	Text     string // a part of title or key, without regard to case
	Before   string // Next of the page before
	Limit    int    // at most 200; 0: the server's default
}

// ConversationPage is a page of conversations: pinned ones first, then by last activity.
type ConversationPage struct {
	Conversations []Conversation `json:"conversations"`
	Next          string         `json:"next"` // the Before of the next page, empty at the end
}

// NewConversation is what a conversation is made of. All fields may be empty.
type NewConversation struct {
	Key        string     `json:"key,omitempty"`
	Title      string     `json:"title,omitempty"`
	Visibility Visibility `json:"visibility,omitempty"` // empty: private
}

const conversationsPath = "/api/v1/conversations"

// Conversations returns a page of conversations.
func (c *Client) Conversations(ctx context.Context, q ConversationQuery) (p ConversationPage, err error) {
	v := url.Values{}
	set(v, "q", q.Text)
	set(v, "before", q.Before)
	if q.Archived {
		v.Set("archived", "true")
	}
	if q.Team {
		v.Set("team", "true")
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return p, c.get(ctx, conversationsPath, v, &p, "conversations")
}

// Conversation returns one conversation.
func (c *Client) Conversation(ctx context.Context, id string) (v Conversation, err error) {
	return v, c.get(ctx, conversationsPath+"/"+url.PathEscape(id), nil, &v, "id")
}

// CreateConversation makes a conversation before its first entry. A key that is in use is a [CodeConflict].
func (c *Client) CreateConversation(ctx context.Context, n NewConversation) (v Conversation, err error) {
	return v, c.write(ctx, http.MethodPost, conversationsPath, n, &v, true)
}

// UpdateConversation changes a conversation of the token's user.
func (c *Client) UpdateConversation(ctx context.Context, id string, p ConversationPatch) (v Conversation, err error) {
	return v, c.write(ctx, http.MethodPatch, conversationsPath+"/"+url.PathEscape(id), p, &v, false)
}

// DeleteConversation deletes a conversation. Its entries stay, without a conversation.
func (c *Client) DeleteConversation(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: conversationsPath + "/" + url.PathEscape(id), blind: true})
}

// Stats returns the totals of the token's user.
func (c *Client) Stats(ctx context.Context) (s Stats, err error) {
	return s, c.get(ctx, "/api/v1/stats", nil, &s, "received")
}

// AdminStats returns the totals of all users; only for admins.
func (c *Client) AdminStats(ctx context.Context) (s Stats, err error) {
	return s, c.get(ctx, "/api/v1/admin/stats", nil, &s, "received")
}
