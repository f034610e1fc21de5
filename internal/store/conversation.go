package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/worklogdev/worklog/worklog"
)

// ConversationQuery asks for a page of conversations.
type ConversationQuery struct {
	Viewer   int64
	Archived bool   // the archived ones instead of the others
	Team     bool   // those of other users that viewer may read, instead of viewer's own
	Query    string // a part of the title or key, without regard to case
	Before   string // Next of the page before
	Limit    int    // 0: DefaultLimit
	// PressingSince takes in those of viewer that ask for their user since then, in place of the last ones, however many had
	// news after them, and the maxFailed last ones that failed; not with Before. Zero: by their order alone.
	PressingSince time.Time
}

// selectConversations reads conversations with their owner's address.
func selectConversations(db bun.IDB) *bun.SelectQuery {
	return db.NewSelect().Model((*conversation)(nil)).ColumnExpr("c.*").ColumnExpr("u.email AS owner_email").ColumnExpr(runningUntil, int(usualSilence/time.Second)).
		Join("JOIN users AS u ON u.id = c.owner_id")
}

// conversationOrder sorts by last activity; a conversation without entries counts from its creation.
const conversationOrder = "COALESCE(c.last_entry_at, c.created_at)"

// Conversations returns a page, pinned ones first, then by last activity, and the Before of the next page or "".
func (s *Store) Conversations(ctx context.Context, q ConversationQuery) ([]Conversation, string, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	query, err := q.narrow(canRead(selectConversations(s.db), Viewer{User: q.Viewer}))
	if err != nil {
		return nil, "", err
	}
	if !q.PressingSince.IsZero() {
		query = query.OrderExpr(asks+" DESC", q.PressingSince).OrderExpr(failedLast+" DESC", q.Viewer, q.PressingSince, maxFailed)
	}
	var list []conversation
	err = query.OrderExpr("c.pinned DESC, "+conversationOrder+" DESC, c.id DESC").Limit(int64(q.Limit)+1).Scan(ctx, &list)
	if err != nil {
		return nil, "", mapError(err)
	}
	next := ""
	if len(list) > q.Limit {
		list = list[:q.Limit]
		next = cursorOf(&list[q.Limit-1])
	}
	slices.SortStableFunc(list, func(a, b conversation) int { return inOrder(&a, &b) }) // the pressing ones came first
	out := make([]Conversation, len(list))
	for i := range list {
		out[i] = list[i].public()
	}
	return out, next, nil
}

// narrow leaves out what is not asked for.
func (q ConversationQuery) narrow(query *bun.SelectQuery) (*bun.SelectQuery, error) {
	if q.Team {
		query = query.Where("c.owner_id <> ?", q.Viewer)
	} else {
		query = query.Where("c.owner_id = ?", q.Viewer)
	}
	if q.Archived {
		query = query.Where("c.archived_at IS NOT NULL")
	} else {
		query = query.Where("c.archived_at IS NULL")
	}
	if q.Query != "" {
		pattern := "%" + likeEscaper.Replace(q.Query) + "%"
		query = query.Where("(c.title ILIKE ? OR c.key ILIKE ?)", pattern, pattern)
	}
	if q.Before != "" {
		cursor, err := parseConversationCursor(q.Before)
		if err != nil {
			return nil, err
		}
		query = query.Where("(c.pinned, "+conversationOrder+", c.id) < (?, ?, ?)", cursor.pinned, cursor.at, cursor.id)
	}
	return query, nil
}

// asks says of a conversation that it asks for its user since a moment.
const asks = "(c.last_entry_at >= ? AND (c.asking_count > 0 OR c.turn = 'asked'))"

// maxFailed bounds how many that failed take a place in a list that is too short for them: nobody has to answer a failure,
// so that they may be many, and what runs is to be seen beside them.
const maxFailed = 5

// failedLast says of a conversation that it is one of the last of an owner that failed since a moment, as
// [Conversation.State] has it. It is found out once for a list.
const failedLast = `(c.id IN (SELECT f.id FROM conversations AS f
	WHERE f.owner_id = ? AND f.archived_at IS NULL AND f.deleted_at IS NULL AND f.last_entry_at >= ? AND f.asking_count = 0
		AND (f.turn = 'failed' OR f.turn = '' AND f.entry_count > 0 AND f.last_status = 'error')
	ORDER BY f.last_entry_at DESC LIMIT ?))`

// inOrder is the order of lists.
func inOrder(a, b *conversation) int {
	if a.Pinned != b.Pinned {
		if a.Pinned {
			return -1
		}
		return 1
	}
	return b.active().Compare(a.active())
}

// active is when something happened in a conversation, see conversationOrder.
func (c *conversation) active() time.Time {
	if c.LastEntryAt != nil {
		return *c.LastEntryAt
	}
	return c.CreatedAt
}

// conversationCursor is the sort key of the last conversation of a page.
type conversationCursor struct {
	pinned bool
	at     time.Time
	id     string
}

func cursorOf(c *conversation) string {
	pinned := 0
	if c.Pinned {
		pinned = 1
	}
	return fmt.Sprintf("%d.%d.%s", pinned, c.active().UnixMicro(), c.ID)
}

func parseConversationCursor(s string) (c conversationCursor, err error) {
	var pinned int
	var micros int64
	n, _ := fmt.Sscanf(strings.ReplaceAll(s, ".", " "), "%d %d %s", &pinned, &micros, &c.id)
	if n != 3 || uuid.Validate(c.id) != nil || pinned < 0 || pinned > 1 {
		return c, worklog.Errorf(worklog.CodeMalformed, "the cursor is not one of ours")
	}
	c.pinned, c.at = pinned == 1, time.UnixMicro(micros).UTC()
	return c, nil
}

// Conversation returns a conversation that viewer may read; any other is not found.
func (s *Store) Conversation(ctx context.Context, viewer int64, id string) (Conversation, error) {
	if uuid.Validate(id) != nil {
		return Conversation{}, errNoConversation()
	}
	return one(canRead(selectConversations(s.db), Viewer{User: viewer}).Where("c.id = ?", id), ctx)
}

// ConversationByKey returns the owner's conversation with that key.
func (s *Store) ConversationByKey(ctx context.Context, owner int64, key string) (Conversation, error) {
	return one(selectConversations(s.db).Where("c.owner_id = ? AND c.key = ? AND c.deleted_at IS NULL", owner, key), ctx)
}

func one(q *bun.SelectQuery, ctx context.Context) (Conversation, error) {
	var c conversation
	err := q.Scan(ctx, &c)
	if errors.Is(err, sql.ErrNoRows) {
		return Conversation{}, errNoConversation()
	}
	return c.public(), mapError(err)
}

func errNoConversation() error { return worklog.Errorf(worklog.CodeNotFound, "no such conversation") }

// NewConversation is what a conversation is made of. All fields may be empty.
type NewConversation struct {
	Key, Title string
	Visibility worklog.Visibility // empty: private
}

func (n *NewConversation) validate() error {
	if n.Visibility == "" {
		n.Visibility = worklog.VisibilityPrivate
	}
	var fields []worklog.FieldError
	if utf8.RuneCountInString(n.Key) > worklog.MaxKeyChars {
		fields = append(fields, worklog.FieldError{Field: "key", Message: fmt.Sprintf("must have at most %d characters", worklog.MaxKeyChars)})
	}
	fields = append(fields, checkConversation(&n.Title, &n.Visibility)...)
	return invalidConversation(fields)
}

func checkConversation(title *string, v *worklog.Visibility) (fields []worklog.FieldError) {
	if title != nil && utf8.RuneCountInString(*title) > worklog.MaxTitleChars {
		fields = append(fields, worklog.FieldError{Field: "title", Message: fmt.Sprintf("must have at most %d characters", worklog.MaxTitleChars)})
	}
	if v != nil && !v.Valid() {
		fields = append(fields, worklog.FieldError{Field: "visibility", Message: "must be one of private, team"})
	}
	return fields
}

func invalidConversation(fields []worklog.FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &worklog.Error{Code: worklog.CodeInvalid, Message: "invalid conversation", Fields: fields}
}

// CreateConversation makes a conversation. A key that the owner already uses is a conflict.
func (s *Store) CreateConversation(ctx context.Context, owner int64, n NewConversation) (Conversation, error) {
	n.Title, n.Key = normalText(strings.TrimSpace(n.Title)), normalText(n.Key)
	if err := n.validate(); err != nil {
		return Conversation{}, err
	}
	c := conversation{
		OwnerID: owner, ID: newID(), Key: nullable(n.Key), Title: n.Title, Visibility: string(n.Visibility),
		LastStatus: string(worklog.StatusInfo), CreatedAt: now(),
	}
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		stats, err := s.lockOwners(ctx, tx, owner)
		if err != nil {
			return err
		}
		if stats[owner].Closed {
			return errErased()
		}
		_, err = tx.NewInsert().Model(&c).Exec(ctx)
		return err
	})
	if err != nil {
		return Conversation{}, err
	}
	return s.Conversation(ctx, owner, c.ID)
}

// UpdateConversation changes a conversation of the owner; somebody else's is not found.
func (s *Store) UpdateConversation(ctx context.Context, owner int64, id string, p worklog.ConversationPatch) (Conversation, error) {
	if uuid.Validate(id) != nil {
		return Conversation{}, errNoConversation()
	}
	id = CanonicalID(id)
	if p.Title != nil {
		*p.Title = normalText(strings.TrimSpace(*p.Title))
	}
	if err := invalidConversation(checkConversation(p.Title, p.Visibility)); err != nil {
		return Conversation{}, err
	}
	private := p.Visibility != nil && *p.Visibility == worklog.VisibilityPrivate
	err := s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := s.lockOwners(ctx, tx, owner); err != nil {
			return err
		}
		q := tx.NewUpdate().Model((*conversation)(nil)).Where("c.owner_id = ? AND c.id = ? AND c.deleted_at IS NULL", owner, id)
		q = patchColumns(q, p)
		res, err := q.Exec(ctx)
		if err != nil {
			return err
		}
		if n, _ := res.RowsAffected(); n == 0 {
			return errNoConversation()
		}
		if !private {
			return nil
		}
		return notify(ctx, tx, Control{Kind: ControlConversation, ID: id}) // readers who are not the owner have to leave
	})
	if err != nil {
		return Conversation{}, err
	}
	if p.Keep != nil && !*p.Keep {
		if err := s.forgetKeep(ctx, owner, id); err != nil {
			return Conversation{}, err
		}
	}
	return s.Conversation(ctx, owner, id)
}

func patchColumns(q *bun.UpdateQuery, p worklog.ConversationPatch) *bun.UpdateQuery {
	q = q.Set("id = c.id") // a patch may be empty
	if p.Title != nil {
		q = q.Set("title = ?", *p.Title)
	}
	if p.Visibility != nil {
		q = q.Set("visibility = ?", string(*p.Visibility))
	}
	if p.Keep != nil {
		q = q.Set("keep = ?", *p.Keep)
	}
	if p.Pinned != nil {
		q = q.Set("pinned = ?", *p.Pinned)
	}
	if p.Archived != nil {
		if *p.Archived {
			q = q.Set("archived_at = COALESCE(c.archived_at, ?)", now())
		} else {
			q = q.Set("archived_at = NULL")
		}
	}
	return q
}

// normalText makes a text storable, as drafts are.
func normalText(s string) string {
	d := worklog.Draft{Tool: s}
	d.Normalize()
	return d.Tool
}

// now is the clock of writes that carry no time of their own, in the resolution that PostgreSQL keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
