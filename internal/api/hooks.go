package api

import (
	"bytes"
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/adapter/hook"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// maxEnded bounds the steps that one event ends.
const maxEnded = 200

// hook is POST /api/v1/hooks. Agents wait for the answer, and show every body as an error: it is empty. A body that is
// no event is counted and otherwise taken, since no agent can do anything about it.
func (a *API) hook(c echo.Context) error {
	p := principal(c)
	event, err := a.readEvent(c)
	if err != nil {
		return err
	}
	if event == nil {
		a.ingest.Refused(p, 1)
		return c.NoContent(http.StatusNoContent)
	}
	ctx := c.Request().Context()
	for drafts := event.Drafts; len(drafts) > 0; {
		receipts, err := a.ingest.AppendAs(ctx, p, ingest.Manner{Agent: true}, drafts)
		if err != nil {
			return err
		}
		drafts = event.Again(receipts)
	}
	if event.Ends != nil {
		if err := a.endSteps(ctx, p, event.Ends); err != nil {
			return err
		}
	}
	return c.NoContent(http.StatusNoContent)
}

// readEvent reads the body; nil when it is no event.
func (a *API) readEvent(c echo.Context) (*hook.Event, error) {
	release, err := a.reserve(c)
	if err != nil {
		return nil, err
	}
	defer release()
	buf := a.buffers.Get().(*bytes.Buffer)
	defer a.putBuffer(buf)
	raw, err := readBody(c.Request(), buf)
	if err != nil {
		return nil, err
	}
	event, _ := hook.Decode(raw, a.now())
	return event, nil
}

// endSteps ends what can not be running any more. These ends are inferred: one that is reported after all wins.
func (a *API) endSteps(ctx context.Context, p *account.Principal, ends *hook.Ends) error {
	conv, err := a.store.ConversationByKey(ctx, p.User.ID, ends.Conversation())
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		return nil
	}
	if err != nil || conv.WorkingCount == 0 {
		return err
	}
	page, err := a.store.Entries(ctx, store.EntryQuery{
		Owner: p.User.ID, Conversation: conv.ID, Filter: store.EntryFilter{Status: worklog.StatusWorking}, Limit: maxEnded,
	})
	if err != nil {
		return err
	}
	var drafts []worklog.Draft
	for _, row := range page.Rows {
		if d, ok := ends.Draft(row.Entry); ok && (p.Token == nil || p.Token.ID == row.TokenID || p.Can(account.ScopeRead)) {
			drafts = append(drafts, d)
		}
	}
	if len(drafts) == 0 {
		return nil
	}
	_, err = a.ingest.AppendAs(ctx, p, ingest.Manner{Agent: true, Inferred: true}, drafts)
	return err
}
