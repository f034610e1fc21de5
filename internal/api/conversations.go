package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// maxCursor bounds the cursor of a list of conversations, in characters.
const maxCursor = 100

// conversations is GET /api/v1/conversations.
func (a *API) conversations(c echo.Context) error {
	p := query(c, "archived", "team", "q", "before", "limit")
	q := store.ConversationQuery{
		Viewer: principal(c).User.ID, Archived: p.flag("archived"), Team: p.flag("team"), Query: p.text("q", maxText),
		Before: p.text("before", maxCursor), Limit: int(p.number("limit", 1, store.MaxLimit, store.DefaultLimit)),
	}
	if p.err != nil {
		return p.err
	}
	list, next, err := a.store.Conversations(c.Request().Context(), q)
	if err != nil {
		return err
	}
	page := struct {
		Conversations []worklog.Conversation `json:"conversations"`
		Next          string                 `json:"next,omitempty"`
	}{make([]worklog.Conversation, len(list)), next}
	for i := range list {
		page.Conversations[i] = list[i].Conversation
	}
	return writeJSON(c, http.StatusOK, page)
}

// createConversation is POST /api/v1/conversations.
func (a *API) createConversation(c echo.Context) error {
	var key, title, visibility *string
	if err := a.readObject(c, member{"key", &key}, member{"title", &title}, member{"visibility", &visibility}); err != nil {
		return err
	}
	n := store.NewConversation{Key: a.ingest.Key(value(key)), Title: a.ingest.Redacted(value(title)), Visibility: worklog.Visibility(value(visibility))}
	conv, err := a.store.CreateConversation(c.Request().Context(), principal(c).User.ID, n)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", "/api/v1/conversations/"+conv.ID)
	return writeJSON(c, http.StatusCreated, conv.Conversation)
}

// conversation is GET /api/v1/conversations/{id}.
func (a *API) conversation(c echo.Context) error {
	if p := query(c); p.err != nil {
		return p.err
	}
	conv, err := a.store.Conversation(c.Request().Context(), principal(c).User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, conv.Conversation)
}

// patchConversation is PATCH /api/v1/conversations/{id}.
func (a *API) patchConversation(c echo.Context) error {
	var p worklog.ConversationPatch
	var visibility *string
	err := a.readObject(c, member{"title", &p.Title}, member{"visibility", &visibility}, member{"keep", &p.Keep},
		member{"pinned", &p.Pinned}, member{"archived", &p.Archived})
	if err != nil {
		return err
	}
	p.Visibility = (*worklog.Visibility)(visibility)
	if p.Title != nil {
		*p.Title = a.ingest.Redacted(*p.Title)
	}
	conv, err := a.store.UpdateConversation(c.Request().Context(), principal(c).User.ID, c.Param("id"), p)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, conv.Conversation)
}

// deleteConversation is DELETE /api/v1/conversations/{id}. The entries stay.
func (a *API) deleteConversation(c echo.Context) error {
	p := principal(c).User.ID
	if err := a.store.DeleteConversation(c.Request().Context(), p, c.Param("id")); err != nil {
		return err
	}
	a.hub.CloseConversation(c.Param("id"), hub.EndGone)
	a.hub.Hint(p)
	return c.NoContent(http.StatusNoContent)
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
