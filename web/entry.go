package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/web/view"
	"github.com/worklogdev/worklog/worklog"
)

// entry is the permalink of one entry with all of its details, where it belongs, and which token wrote it.
func (s *Server) entry(c echo.Context) error {
	ctx := c.Request().Context()
	p := account.PrincipalFrom(ctx)
	row, cursor, epoch, err := s.readEntry(ctx, p.User.ID, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.archive.Fill(ctx, &row); err != nil {
		s.log.Warn("an archived payload can not be read", "entry", row.ID, "error", err)
	}
	v := view.EntryPage{Row: rowOf(row), Cursor: cursor, Epoch: epoch}
	v.Unfolded = c.Request().Header.Get("HX-Request") == "true" // a row's "show all" takes its output from here
	if v.Conversation, err = s.conversationOfEntry(ctx, p, row); err != nil {
		return err
	}
	if v.Token, err = s.writerOf(ctx, p, row); err != nil {
		return err
	}
	if v.Shell, err = s.page(c, row.Title, row.ConversationID); err != nil {
		return err
	}
	v.Shell.State = v.Conversation.State
	return s.render(c, http.StatusOK, view.EntryRowPage(v))
}

// readEntry reads an entry, and first the head of its owner's feed: what changes after that is still to be told.
func (s *Server) readEntry(ctx context.Context, viewer int64, id string) (row store.Row, head int64, epoch string, err error) {
	for owner := viewer; ; owner = row.Owner {
		if head, epoch, err = s.store.Head(ctx, owner); err != nil {
			return row, 0, "", err
		}
		if row, err = s.store.Entry(ctx, viewer, id); err != nil || row.Owner == owner {
			return row, head, epoch, err
		}
	}
}

// conversationOfEntry is the conversation of an entry, or none when it was deleted meanwhile.
func (s *Server) conversationOfEntry(ctx context.Context, p *account.Principal, row store.Row) (view.Conversation, error) {
	if row.ConversationID == "" {
		return view.Conversation{}, nil
	}
	conv, err := s.store.Conversation(ctx, p.User.ID, row.ConversationID)
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		return view.Conversation{}, nil
	}
	return conversationOf(conv, p.User.ID, s.now()), err
}

// writerOf names the token that wrote an entry. Tokens of other users are nobody's business.
func (s *Server) writerOf(ctx context.Context, p *account.Principal, row store.Row) (string, error) {
	if row.TokenID == "" || row.Owner != p.User.ID {
		return "", nil
	}
	token, err := s.store.TokenByID(ctx, p.User.ID, row.TokenID)
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		return "the token " + row.TokenID + " of another user", nil
	}
	if err != nil {
		return "", err
	}
	name := token.Name + " (" + token.Prefix + "…)"
	if !token.RevokedAt.IsZero() {
		name += ", revoked since"
	}
	return name, nil
}
