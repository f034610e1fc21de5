// Package export writes everything that worklog knows about one user: a zip of JSON and NDJSON files.
//
// Memory stays flat whatever the user has: entries are read in pages by seq and written as they come, each page in a
// query of its own, so that no long snapshot keeps PostgreSQL from cleaning up. What is written while the export runs
// may be in it or not; what was there before is.
package export

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// pageEntries is how many entries are in memory at a time: 25 MB of details at most.
	pageEntries = 100
	// queryTimeout bounds one page.
	queryTimeout = 30 * time.Second
	// askAgain is for how long an archive that did not answer is left alone: each question may take ten seconds. It is short,
	// for what is not asked for meanwhile is not in the export.
	askAgain = 5 * time.Second
)

// Store is the database.
type Store interface {
	UserByID(ctx context.Context, id int64) (account.User, string, error)
	Stats(ctx context.Context, owner int64) (worklog.Stats, error)
	ExportEntries(ctx context.Context, owner, after int64, limit int) ([]store.Row, error)
	ExportConversations(ctx context.Context, owner int64, after string, limit int) ([]store.Conversation, error)
	ExportTokens(ctx context.Context, owner int64) ([]account.Token, error)
	Sessions(ctx context.Context, user int64) ([]account.Session, error)
	Audit(ctx context.Context, q store.AuditQuery) ([]account.AuditLine, int64, error)
}

// Archive has the details of old entries.
type Archive interface {
	Fill(ctx context.Context, row *store.Row) error
}

// Exporter writes exports.
type Exporter struct {
	store   Store
	archive Archive
}

// New returns an exporter.
func New(st Store, archive Archive) *Exporter { return &Exporter{st, archive} }

// Name is what the file of an export made at a time is called.
func Name(at time.Time) string { return "worklog-export-" + at.UTC().Format("2006-01-02") + ".zip" }

// Write writes everything about a user to w, and returns how many entries lack their details because the archive did not
// give them. Progress, if any, is told how many entries are written. After an error what was written is no zip.
func (x *Exporter) Write(ctx context.Context, w io.Writer, user int64, at time.Time, progress func(entries int64)) (lacking int64, err error) {
	f := &file{zip: zip.NewWriter(w), at: at}
	for _, part := range []func(context.Context, *file, int64) error{x.readme, x.profile, x.conversations, x.tokens, x.sessions, x.audit} {
		if err := part(ctx, f, user); err != nil {
			return 0, fmt.Errorf("export: %w", err)
		}
	}
	if err := x.entries(ctx, f, user, progress); err != nil {
		return f.lacking, fmt.Errorf("export: %w", err)
	}
	return f.lacking, f.zip.Close()
}

// file is a zip on its way.
type file struct {
	zip  *zip.Writer
	at   time.Time
	away time.Time // when the archive did not answer

	lacking int64 // entries without details that they had
}

// begin starts the next file in the zip.
func (f *file) begin(name string) (io.Writer, error) {
	return f.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: f.at.UTC().Truncate(time.Second)})
}

// lines writes one JSON object a line.
func lines[T any](w io.Writer, list []T) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i := range list {
		if err := enc.Encode(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

const readme = `Everything that worklog knows about one user. Times are UTC.

profile.json          the account and what was counted
conversations.ndjson  one conversation a line
entries.ndjson        one entry a line, oldest first, as GET /api/v1/logs/{id} shows it
tokens.ndjson         names and rights of tokens, revoked ones included; never the secrets
sessions.ndjson       browsers that are signed in
audit.ndjson          what administrators did with this account, and what this account did as one
`

func (x *Exporter) readme(_ context.Context, f *file, _ int64) error {
	w, err := f.begin("README.txt")
	if err == nil {
		_, err = io.WriteString(w, readme)
	}
	return err
}

// Profile is profile.json.
type Profile struct {
	ID         int64         `json:"id"`
	Email      string        `json:"email"`
	Admin      bool          `json:"admin"`
	Disabled   bool          `json:"disabled"`
	Limit      int           `json:"limit"` // new entries a minute; 0: the installation's
	CreatedAt  time.Time     `json:"created_at"`
	ExportedAt time.Time     `json:"exported_at"`
	Stats      worklog.Stats `json:"stats"`
}

func (x *Exporter) profile(ctx context.Context, f *file, user int64) error {
	u, _, err := x.store.UserByID(ctx, user)
	if err != nil {
		return err
	}
	stats, err := x.store.Stats(ctx, user)
	if err != nil {
		return err
	}
	w, err := f.begin("profile.json")
	if err != nil {
		return err
	}
	p := Profile{ID: u.ID, Email: u.Email, Admin: u.Admin, Disabled: u.Disabled, Limit: u.Limit, CreatedAt: u.CreatedAt, ExportedAt: f.at.UTC(), Stats: stats}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(p)
}

func (x *Exporter) conversations(ctx context.Context, f *file, user int64) error {
	w, err := f.begin("conversations.ndjson")
	for after := ""; err == nil; {
		var list []store.Conversation
		if list, err = x.store.ExportConversations(ctx, user, after, pageEntries); err != nil || len(list) == 0 {
			break
		}
		after = list[len(list)-1].ID
		public := make([]worklog.Conversation, len(list))
		for i := range list {
			public[i] = list[i].Conversation
		}
		err = lines(w, public)
	}
	return err
}

// Token is a line of tokens.ndjson.
type Token struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Prefix    string          `json:"prefix"`
	Scopes    []account.Scope `json:"scopes"`
	Limit     int             `json:"limit"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt *time.Time      `json:"expires_at"`
	LastUsed  *time.Time      `json:"last_used_at"`
	RevokedAt *time.Time      `json:"revoked_at"`
}

func (x *Exporter) tokens(ctx context.Context, f *file, user int64) error {
	list, err := x.store.ExportTokens(ctx, user)
	if err != nil {
		return err
	}
	out := make([]Token, len(list))
	for i, t := range list {
		out[i] = Token{
			ID: t.ID, Name: t.Name, Prefix: t.Prefix, Scopes: t.Scopes, Limit: t.Limit, CreatedAt: t.CreatedAt,
			ExpiresAt: known(t.ExpiresAt), LastUsed: known(t.LastUsed), RevokedAt: known(t.RevokedAt),
		}
	}
	return whole(f, "tokens.ndjson", out)
}

// Session is a line of sessions.ndjson.
type Session struct {
	ID         string    `json:"id"`
	Agent      string    `json:"agent"`
	Address    string    `json:"address"`
	SignedInAt time.Time `json:"signed_in_at"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeen   time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

func (x *Exporter) sessions(ctx context.Context, f *file, user int64) error {
	list, err := x.store.Sessions(ctx, user)
	if err != nil {
		return err
	}
	out := make([]Session, len(list))
	for i, s := range list {
		out[i] = Session{ID: s.ID, Agent: s.Agent, Address: s.Address, SignedInAt: s.SignedInAt, CreatedAt: s.CreatedAt, LastSeen: s.LastSeen, ExpiresAt: s.ExpiresAt}
	}
	return whole(f, "sessions.ndjson", out)
}

// Act is a line of audit.ndjson. Where another administrator acted from is not the user's data.
type Act struct {
	At      time.Time      `json:"at"`
	Actor   string         `json:"actor"`
	Action  account.Action `json:"action"`
	Subject string         `json:"subject,omitempty"`
	Object  string         `json:"object,omitempty"`
	Detail  string         `json:"detail,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Address string         `json:"address,omitempty"`
}

func (x *Exporter) audit(ctx context.Context, f *file, user int64) error {
	w, err := f.begin("audit.ndjson")
	for before := int64(0); err == nil; {
		var list []account.AuditLine
		if list, before, err = x.store.Audit(ctx, store.AuditQuery{About: user, Before: before, Limit: store.MaxLimit}); err != nil {
			break
		}
		out := make([]Act, len(list))
		for i, l := range list {
			out[i] = Act{At: l.At, Actor: l.ActorName, Action: l.Action, Subject: l.SubjectName, Object: l.Object, Detail: l.Detail, Reason: l.Reason}
			if l.Actor.User == user {
				out[i].Address = l.Actor.Address
			}
		}
		if err = lines(w, out); before == 0 {
			break
		}
	}
	return err
}

// entries writes the entries as the API shows them. Of one whose details the archive does not have, or does not give, the
// line says so in "archive": the export goes on.
func (x *Exporter) entries(ctx context.Context, f *file, user int64, progress func(int64)) error {
	w, err := f.begin("entries.ndjson")
	if err != nil {
		return err
	}
	for after, total := int64(0), int64(0); ; {
		rows, err := x.page(ctx, user, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		out := make([]worklog.Entry, len(rows))
		for i := range rows {
			x.fill(ctx, f, &rows[i])
			out[i] = rows[i].Entry
		}
		if err := lines(w, out); err != nil {
			return err
		}
		after, total = rows[len(rows)-1].Seq, total+int64(len(rows))
		if progress != nil {
			progress(total)
		}
	}
}

// fill brings what lies in the archive; what became of it is in the row.
func (x *Exporter) fill(ctx context.Context, f *file, row *store.Row) {
	if row.ArchiveName != "" && time.Since(f.away) < askAgain {
		row.Archive = worklog.ArchiveUnavailable
		f.lacking++
		return
	}
	if err := x.archive.Fill(ctx, row); err != nil {
		f.lacking++
		if row.Archive == worklog.ArchiveUnavailable {
			f.away = time.Now()
		}
	}
}

func (x *Exporter) page(ctx context.Context, user, after int64) ([]store.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return x.store.ExportEntries(ctx, user, after, pageEntries)
}

// whole writes a file of a short list.
func whole[T any](f *file, name string, list []T) error {
	w, err := f.begin(name)
	if err != nil {
		return err
	}
	return lines(w, list)
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
