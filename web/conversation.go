package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// conversation shows one conversation and its entries, oldest first.
func (s *Server) conversation(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	conv, err := s.store.Conversation(c.Request().Context(), p.User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	feed, err := s.readFeed(c, store.EntryQuery{Owner: conv.OwnerID, Conversation: conv.ID}, conversationPath(conv.ID), true)
	if err != nil {
		return err
	}
	if wantsOlder(c.Request(), feed) {
		return s.render(c, http.StatusOK, view.OlderRows(feed))
	}
	if conv, err = s.store.Conversation(c.Request().Context(), p.User.ID, conv.ID); err != nil { // not older than the rows: nobody tells the page again
		return err
	}
	sh, err := s.page(c, conv.DisplayTitle(), conv.ID)
	if err != nil {
		return err
	}
	shown := conversationOf(conv, p.User.ID, s.now())
	sh.State = shown.State
	return s.render(c, http.StatusOK, view.ConversationView(view.ConversationPage{
		Shell: sh, Feed: feed, Conversation: shown, Setup: s.setup(c, conv.Key), DeleteAfter: s.cfg.RetainCold,
	}))
}

// updateConversation changes what the form names and returns to the page.
func (s *Server) updateConversation(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	form, err := readForm(c)
	if err != nil {
		return err
	}
	patch, err := patchOf(form)
	if err != nil {
		return err
	}
	if patch.Title != nil && strings.TrimSpace(*patch.Title) == "" {
		return worklog.Errorf(worklog.CodeInvalid, "a title has at least one letter in it; this conversation keeps the one it has")
	}
	if patch.Title != nil {
		*patch.Title = s.ingest.Redacted(*patch.Title)
	}
	conv, err := s.store.UpdateConversation(c.Request().Context(), p.User.ID, c.Param("id"), patch)
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, conversationPath(conv.ID))
}

// patchOf reads the fields of a conversation's menu. One that it does not know is an error: nothing may seem changed.
func patchOf(form url.Values) (patch worklog.ConversationPatch, err error) {
	for name := range form {
		value := form.Get(name)
		switch name {
		case "title":
			patch.Title = &value
		case "visibility":
			v := worklog.Visibility(value)
			patch.Visibility = &v
		case "pinned":
			patch.Pinned, err = formFlag(form, name)
		case "keep":
			patch.Keep, err = formFlag(form, name)
		case "archived":
			patch.Archived, err = formFlag(form, name)
		default:
			err = worklog.Errorf(worklog.CodeMalformed, "the form has a field that a conversation does not have")
		}
		if err != nil {
			return patch, err
		}
	}
	return patch, nil
}

func formFlag(form url.Values, name string) (*bool, error) {
	on, err := parseFlag(form, name)
	return &on, err
}

// confirmDeletion asks before a conversation is deleted; only its owner is asked.
func (s *Server) confirmDeletion(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	conv, err := s.store.Conversation(c.Request().Context(), p.User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	if conv.OwnerID != p.User.ID {
		return worklog.Errorf(worklog.CodeForbidden, "only %s can delete this conversation", conv.Owner)
	}
	sh, err := s.page(c, "Delete "+conv.DisplayTitle(), conv.ID)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, view.DeletePage(view.DeleteConversation{Shell: sh, Conversation: conversationOf(conv, p.User.ID, s.now())}))
}

// deleteConversation deletes it and shows the entry that says so.
func (s *Server) deleteConversation(c echo.Context) error {
	p := account.PrincipalFrom(c.Request().Context())
	if err := s.store.DeleteConversation(c.Request().Context(), p.User.ID, c.Param("id")); err != nil {
		return err
	}
	s.hub.CloseConversation(c.Param("id"), hub.EndGone)
	s.hub.Hint(p.User.ID)
	return c.Redirect(http.StatusSeeOther, "/")
}

func conversationPath(id string) string { return "/conversations/" + id }
