package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/archive"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/hookdoor"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/retention"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/web"
	"github.com/worklogdev/worklog/worklog"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// agentLimit is how many new entries a minute a token has at the agents' doors.
const agentLimit = 400

// patience is how long a commit may take: longer than a busy machine is at a stand.
const patience = 30 * time.Second

// clock is what the server's parts take for the time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// server is the whole HTTP server on a database of its own.
type server struct {
	t     testing.TB
	url   string
	store *store.Store
	clock *clock
	spec  *contract // every answer is held against it

	archiveDir string
	sweepAt    time.Duration // after midnight
}

func newServer(t testing.TB) *server {
	t.Helper()
	return newServerWithLimit(t, 60)
}

func newServerWithLimit(t testing.TB, perMinute int) *server {
	t.Helper()
	s := &server{t: t, store: storetest.New(t), clock: &clock{at: time.Now().UTC().Truncate(time.Microsecond)}, spec: theContract(t)}
	limiter := limit.New(limit.Options{PerMinute: perMinute, Import: 20_000, Now: s.clock.now})
	h := hub.New(web.NewSource(s.store), hub.Options{})
	ing := ingest.New(s.store, s.store, limiter, h.Hint, ingest.Options{AgentLimit: agentLimit, Patience: patience, Now: s.clock.now, Log: slog.New(slog.DiscardHandler)})
	s.archiveDir = t.TempDir()
	bucket, err := archive.Open("file://"+s.archiveDir, archive.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	arch := archive.New(bucket, "00000000-0000-4000-8000-000000000001", s.store)
	s.sweepAt = time.Duration((s.clock.now().Hour()+12)%24) * time.Hour // no test meets a sweep that it did not ask for
	sweeper := retention.New(s.store, arch, retention.Settings{Hot: 7 * day, Warm: 30 * day, Cold: 90 * day, At: s.sweepAt, Now: s.clock.now})
	hooks := hookdoor.New(hookdoor.Deps{Store: s.store, Ingest: ing, Patience: patience, Now: s.clock.now})
	a := api.New(api.Deps{Store: s.store, Sweeper: sweeper, Archive: arch, Ingest: ing, Hooks: hooks, Hub: h, Now: s.clock.now})
	w := web.New(web.Deps{Store: s.store, Ingest: ing, Hub: h, API: a, Now: s.clock.now, Config: config.Config{ListenAddr: "127.0.0.1:0"}})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{h.Run, ing.Run, sweeper.Serve} {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	srv := httptest.NewServer(w.Handler())
	t.Cleanup(func() {
		h.Shutdown()
		srv.Close()
		cancel()
		parts.Wait()
	})
	s.url = srv.URL
	return s
}

// user makes a user and returns the secret of a token with the scopes, by default all that are not for admins.
func (s *server) user(email string, scopes ...account.Scope) string {
	s.t.Helper()
	ctx := s.t.Context()
	u, _, err := s.store.UserByEmail(ctx, email)
	if err != nil {
		if u, err = s.store.CreateUser(ctx, email, "", strings.HasPrefix(email, "admin")); err != nil {
			s.t.Fatal(err)
		}
	}
	if len(scopes) == 0 {
		scopes = []account.Scope{account.ScopeWrite, account.ScopeRead}
	}
	secret := account.NewSecret()
	token := account.Token{ID: uuid.NewString(), OwnerID: u.ID, Name: "test", Prefix: secret[:account.ShownPrefix], Scopes: scopes, CreatedAt: s.clock.now()}
	if err := s.store.CreateToken(ctx, token, account.HashSecret(secret)); err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// client returns the public client. Its answers are held against the description of the API.
func (s *server) client(token string, options ...worklog.Option) *worklog.Client {
	options = append([]worklog.Option{worklog.WithHTTPClient(&http.Client{Transport: s.spec}), worklog.WithTimeout(90 * time.Second)}, options...)
	return worklog.New(s.url, token, options...)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem reads the answer as a problem document.
func (a answer) problem(t testing.TB) (p struct {
	Code   worklog.Code
	Detail string
	Errors []worklog.FieldError
}) {
	t.Helper()
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("status %d with content type %q: %.200s", a.status, ct, a.body)
	}
	a.into(t, &p)
	return p
}

func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("status %d: %v in %.200s", a.status, err, a.body)
	}
}

// fields joins the fields of a problem's errors.
func fields(errors []worklog.FieldError) string {
	var names []string
	for _, e := range errors {
		names = append(names, e.Field)
	}
	return strings.Join(names, " ")
}

// do sends what the client never would. Headers are given as name, value.
func (s *server) do(method, path, token string, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body == "" {
		req.Body = nil
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.spec.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	checkNothingInternal(s.t, raw)
	return answer{res.StatusCode, res.Header, raw}
}

// checkNothingInternal fails when an error answer shows how the program is made.
func checkNothingInternal(t testing.TB, body []byte) {
	t.Helper()
	if !bytes.Contains(body, []byte(`"code"`)) {
		return
	}
	for _, word := range []string{"json:", "worklog.", "struct", "interface {}", "SQLSTATE", "pgx", "bun:", "runtime error", "goroutine", ".go:"} {
		if bytes.Contains(body, []byte(word)) {
			t.Errorf("an answer shows %q: %.300s", word, body)
		}
	}
}

// count returns how many entries the token's user has.
func (s *server) count(token string) int {
	s.t.Helper()
	n := 0
	for _, err := range s.client(token).All(s.t.Context(), worklog.Query{Limit: 200}) {
		if err != nil {
			s.t.Fatal(err)
		}
		n++
	}
	return n
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func repeatJSON(n int, draft func(i int) string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = draft(i)
	}
	return "[" + strings.Join(list, ",") + "]"
}

func titled(i int) string { return fmt.Sprintf(`{"title":"t%d"}`, i) }
