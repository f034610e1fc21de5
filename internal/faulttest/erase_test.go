package faulttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/apptest"
	"github.com/worklogdev/worklog/worklog"
)

// soon is far below the pace at which streams look at their rights by themselves: what ends within it was told.
const soon = 10 * time.Second

// victim is a program with a user who has many entries, and an administrator who is about to erase that user.
type victim struct {
	*testing.T
	app   *apptest.App
	conn  *pgx.Conn
	token string
	id    int64
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	t.Parallel()
	v := &victim{T: t, app: apptest.Start(t, apptest.WithEnv("WORKLOG_RATE_LIMIT", unlimited))}
	v.token = v.app.User(apptest.Email)
	client := worklog.New(v.app.URL, v.token)
	for range 8 {
		drafts := make([]worklog.Draft, 1000)
		for i := range drafts {
			drafts[i] = worklog.Draft{Title: fmt.Sprintf("step %d", i), Conversation: "c"}
		}
		if _, err := client.Append(t.Context(), drafts...); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if v.conn, err = pgx.Connect(t.Context(), v.app.DSN); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.conn.Close(context.Background()) })
	v.scan("SELECT id FROM users WHERE email = '"+apptest.Email+"'", &v.id)
	return v
}

func (v *victim) scan(sql string, to any) {
	v.Helper()
	if err := v.conn.QueryRow(v.Context(), sql).Scan(to); err != nil {
		v.Fatal(err)
	}
}

// stream opens a stream of the user's and closes what it returns when it has ended.
func (v *victim) stream() <-chan struct{} {
	v.Helper()
	req, err := http.NewRequestWithContext(v.Context(), http.MethodGet, v.app.URL+"/api/v1/stream", nil)
	if err != nil {
		v.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+v.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		v.Fatalf("stream: %v, %v", resp, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}()
	return ended
}

// order erases the user from the admin page.
func (v *victim) order() {
	v.Helper()
	v.app.Admin("root@example.org")
	form := url.Values{"reason": {"request 12"}, "confirm": {apptest.Email}}
	resp, err := v.app.Login("root@example.org").PostForm(fmt.Sprintf("%s/admin/users/%d/erase", v.app.URL, v.id), form)
	if err != nil {
		v.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		v.Fatalf("the order is answered with %s", resp.Status)
	}
}

func TestAKillInTheMiddleOfAnErasureOnlyDelaysIt(t *testing.T) {
	v := newVictim(t)
	ended := v.stream()
	tx, err := v.conn.Begin(t.Context()) // holds the last batch up
	if err == nil {
		_, err = tx.Exec(t.Context(), "SELECT FROM work_logs WHERE owner_id = $1 ORDER BY seq DESC LIMIT 1 FOR UPDATE", v.id)
	}
	if err != nil {
		t.Fatal(err)
	}
	v.order()
	select {
	case <-ended:
	case <-time.After(soon):
		t.Error("the user's stream is still open")
	}
	if _, err := worklog.New(v.app.URL, v.token).Stats(t.Context()); worklog.CodeOf(err) != worklog.CodeUnauthorized {
		t.Errorf("the token: %v", err)
	}
	apptest.Eventually(t, "the erasure is in its middle", func() bool {
		var left int
		v.scan(fmt.Sprintf("SELECT count(*) FROM work_logs WHERE owner_id = %d", v.id), &left)
		return left > 0 && left < 8000
	})
	v.app.Kill()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.app.Restart()
	apptest.Eventually(t, "the next start finishes it", func() bool {
		var erased bool
		v.scan(fmt.Sprintf("SELECT erased_at IS NOT NULL FROM users WHERE id = %d", v.id), &erased)
		return erased
	})
	var rest int
	v.scan(fmt.Sprintf("SELECT (SELECT count(*) FROM work_logs WHERE owner_id = %[1]d) + (SELECT count(*) FROM conversations WHERE owner_id = %[1]d) + hot + bytes - stored + 8000 FROM work_log_stats WHERE owner_id = %[1]d", v.id), &rest)
	if rest != 0 {
		t.Errorf("%d rows, bytes or counts do not fit", rest)
	}
	text, err := os.ReadFile(filepath.Join(v.app.DataDir, "ledger"))
	if err != nil || strings.Count(string(text), fmt.Sprintf(" erase %d\n", v.id)) != 1 {
		t.Errorf("the ledger holds %q, %v", text, err)
	}
}
