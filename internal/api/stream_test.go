package api_test

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/worklog"
)

// follow returns a function that waits for the next entry of a stream.
func (s *server) follow(token string, q worklog.StreamQuery) func() worklog.Entry {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	next, stop := iter.Pull2(s.client(token).Stream(ctx, q))
	s.t.Cleanup(func() { stop(); cancel() })
	return func() worklog.Entry {
		s.t.Helper()
		e, err, more := next()
		if err != nil || !more {
			s.t.Fatalf("the stream ended: %v", err)
		}
		return e
	}
}

// listen opens a stream without the client and returns its answer.
func (s *server) listen(ctx context.Context, token, query string, headers ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/stream"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.spec.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// block reads one event of a stream.
func block(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	var lines []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended after %q: %v", lines, err)
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return strings.Join(lines, " | ")
		}
		lines = append(lines, line)
	}
}

// conversation returns the ids of a user and of a conversation of that user's.
func (s *server) conversation(email, key string) (owner int64, id string) {
	s.t.Helper()
	u, _, err := s.store.UserByEmail(s.t.Context(), email)
	if err != nil {
		s.t.Fatal(err)
	}
	return u.ID, must[store.Conversation](s.t)(s.store.ConversationByKey(s.t.Context(), u.ID, key)).ID
}

func TestStreamFollowsStoresAndChangesWithWholeDetails(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	c := s.client(token)
	next := s.follow(token, worklog.StreamQuery{})
	details := strings.Repeat("0123456789", 10_000)
	if _, err := c.Append(t.Context(), worklog.Draft{Title: "npm test", Status: worklog.StatusWorking, Key: "k", Details: details}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.Title != "npm test" || e.Status != worklog.StatusWorking || e.Rev != 1 || e.Details != details {
		t.Errorf("began as rev %d %s with %d bytes of details", e.Rev, e.Status, len(e.Details))
	}
	if _, err := c.Append(t.Context(), worklog.Draft{Title: "npm test", Status: worklog.StatusSuccess, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.Status != worklog.StatusSuccess || e.Seq != 1 || e.Rev != 2 || e.Details != details {
		t.Errorf("ended as seq %d rev %d %s", e.Seq, e.Rev, e.Status)
	}
}

func TestStreamFollowsManyWritersWithoutAGap(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	next := s.follow(token, worklog.StreamQuery{})
	const writers, each = 5, 12 // within the limit of a minute
	var writing sync.WaitGroup
	for w := range writers {
		c := s.client(token)
		writing.Go(func() {
			for i := range each {
				if _, err := c.Append(t.Context(), worklog.Draft{Title: fmt.Sprintf("writer %d, %d", w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for rev := int64(1); rev <= writers*each; rev++ {
		if e := next(); e.Rev != rev {
			t.Fatalf("change %d came instead of %d", e.Rev, rev)
		}
	}
	writing.Wait()
}

func TestStreamPagesThroughAnyGap(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	const n = 700
	body := repeatJSON(n, func(i int) string { return fmt.Sprintf(`{"title":"t%d","logged_at":"2026-01-01T00:00:00Z"}`, i) })
	if a := s.do(http.MethodPost, "/api/v1/logs", token, body); a.status != 200 {
		t.Fatalf("import: %d %.300s", a.status, a.body)
	}
	next := s.follow(token, worklog.StreamQuery{})
	for rev := int64(1); rev <= n; rev++ {
		if e := next(); e.Rev != rev {
			t.Fatalf("rev %d came instead of %d", e.Rev, rev)
		}
	}
}

func TestStreamOfAConversationLeavesOthersOut(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	c := s.client(token)
	for _, d := range []worklog.Draft{{Title: "1", Conversation: "x"}, {Title: "2", Conversation: "y"}, {Title: "3"}} {
		if _, err := c.Append(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	next := s.follow(token, worklog.StreamQuery{Conversation: "x"})
	if e := next(); e.Title != "1" {
		t.Errorf("the stream began with %q", e.Title)
	}
	for _, d := range []worklog.Draft{{Title: "4", Conversation: "y"}, {Title: "5", Conversation: "x"}} {
		if _, err := c.Append(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if e := next(); e.Title != "5" {
		t.Errorf("the stream went on with %q", e.Title)
	}
}

func TestStreamBeginsNowOrWhereTheReaderWas(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for i := range 3 {
		if _, err := s.client(token).Append(t.Context(), worklog.Draft{Title: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	res := s.listen(ctx, token, "")
	if h := res.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store, no-transform" || h.Get("Content-Encoding") != "" {
		t.Errorf("headers %v", h)
	}
	if got := block(t, bufio.NewReader(res.Body)); !strings.Contains(got, "id: 3 | event: hello | data: 3") {
		t.Errorf("a stream without a cursor begins with %q", got)
	}
	for _, tt := range []struct{ query, header string }{{"?after=1", "2"}, {"?after=2", "1"}, {"?after=2", ""}} {
		var headers []string
		if tt.header != "" {
			headers = []string{"Last-Event-ID", tt.header}
		}
		body := bufio.NewReader(s.listen(ctx, token, tt.query, headers...).Body)
		_ = block(t, body)
		if got := block(t, body); !strings.HasPrefix(got, "id: 3 | event: entry | data: {") {
			t.Errorf("%+v goes on with %q", tt, got)
		}
	}
}

func TestStreamRefusesPlainly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token, other := s.user("a@x.test"), s.user("b@x.test")
	writeOnly := s.user("a@x.test", account.ScopeWrite)
	if _, err := s.client(other).Append(t.Context(), worklog.Draft{Title: "private", Conversation: "secret"}); err != nil {
		t.Fatal(err)
	}
	_, foreign := s.conversation("b@x.test", "secret")
	tests := []struct {
		name, token, query, lastID string
		status                     int
	}{
		{"no token", "wlg_nonsense", "", "", 401},
		{"a token that only writes", writeOnly, "", "", 403},
		{"another user's conversation by id", token, "?conversation_id=" + foreign, "", 404},
		{"another user's conversation by key", token, "?conversation=secret", "", 404},
		{"a cursor from the future", token, "?after=99", "", 400},
		{"a cursor that is none", token, "?after=-1", "", 400},
		{"a forged last id", token, "", "99999999999999999999", 400},
		{"an unknown parameter", token, "?convresation=x", "", 400},
	}
	for _, tt := range tests {
		var headers []string
		if tt.lastID != "" {
			headers = []string{"Last-Event-ID", tt.lastID}
		}
		a := s.do(http.MethodGet, "/api/v1/stream"+tt.query, tt.token, "", headers...)
		if a.status != tt.status {
			t.Errorf("%s: %d %.200s, want %d", tt.name, a.status, a.body, tt.status)
		}
	}
}

func TestEleventhStreamOfATokenIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 10 {
		block(t, bufio.NewReader(s.listen(ctx, token, "").Body))
	}
	a := s.do(http.MethodGet, "/api/v1/stream", token, "")
	if p := a.problem(t); a.status != 429 || p.Code != worklog.CodeRateLimited || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %+v, Retry-After %q", a.status, p, a.header.Get("Retry-After"))
	}
	if res := s.listen(ctx, s.user("a@x.test"), ""); res.StatusCode != 200 {
		t.Errorf("another token of the same user got %d", res.StatusCode)
	}
}

func TestReaderOfATeamConversationFollowsItAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	owner, reader := s.user("a@x.test"), s.user("b@x.test")
	write := func(title, conversation string) {
		t.Helper()
		if _, err := s.client(owner).Append(t.Context(), worklog.Draft{Title: title, Conversation: conversation}); err != nil {
			t.Fatal(err)
		}
	}
	write("shared 1", "team")
	ownerID, id := s.conversation("a@x.test", "team")
	team := worklog.VisibilityTeam
	must[store.Conversation](t)(s.store.UpdateConversation(t.Context(), ownerID, id, worklog.ConversationPatch{Visibility: &team}))
	next := s.follow(reader, worklog.StreamQuery{ConversationID: id})
	write("private", "mine")
	write("shared 2", "team")
	for _, want := range []string{"shared 1", "shared 2"} {
		if e := next(); e.Title != want {
			t.Errorf("the reader saw %q, want %q", e.Title, want)
		}
	}
}
