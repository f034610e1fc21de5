package store

import (
	"context"

	"github.com/worklogdev/worklog/internal/account"
)

// ExportEntries returns an owner's entries after a seq, oldest first, with all of their details; of archived ones only
// what the row has. An empty list is the end.
func (s *Store) ExportEntries(ctx context.Context, owner, after int64, limit int) ([]Row, error) {
	var logs []workLog
	err := entryColumnsOf(s.db.NewSelect(), true).Where("w.owner_id = ? AND w.seq > ?", owner, after).Order("w.seq").Limit(int64(limit)).Scan(ctx, &logs)
	if err != nil {
		return nil, mapError(err)
	}
	page := EntryPage{}
	page.fill(logs, previewOf(true))
	return page.Rows, nil
}

// ExportConversations returns an owner's conversations after an id, archived ones included. An empty list is the end.
func (s *Store) ExportConversations(ctx context.Context, owner int64, after string, limit int) ([]Conversation, error) {
	var list []conversation
	q := selectConversations(s.db).Where("c.owner_id = ? AND c.deleted_at IS NULL", owner)
	if after != "" {
		q = q.Where("c.id > ?", after)
	}
	err := q.Order("c.id").Limit(int64(limit)).Scan(ctx, &list)
	out := make([]Conversation, len(list))
	for i := range list {
		out[i] = list[i].public()
	}
	return out, mapError(err)
}

// ExportTokens returns all of an owner's tokens, revoked ones included.
func (s *Store) ExportTokens(ctx context.Context, owner int64) ([]account.Token, error) {
	var rows []tokenRow
	err := s.db.NewSelect().Model(&rows).Where("t.owner_id = ?", owner).Order("t.created_at", "t.id").Scan(ctx)
	tokens := make([]account.Token, len(rows))
	for i := range rows {
		tokens[i] = rows[i].token()
	}
	return tokens, mapError(err)
}
