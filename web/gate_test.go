package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
)

// password is what the tests' users have.
const password = "träumt der Fluss?"

// gate is a server on a database of its own, a clock that tests move, and what the server logged.
type gate struct {
	*testing.T
	dsn    string
	store  *store.Store
	server *Server
	clock  *clock
	log    *safeBuffer
}

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

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newGate(t *testing.T, configure ...func(*Deps)) *gate {
	t.Helper()
	t.Parallel()
	g := &gate{T: t, dsn: storetest.DSN(t), clock: &clock{at: time.Now()}, log: new(safeBuffer)}
	g.store = storetest.Open(t, g.dsn)
	h := hub.New(silent{}, hub.Options{Log: slog.New(slog.DiscardHandler)})
	d := Deps{
		Store: g.store, Hub: h, API: api.New(api.Deps{Store: g.store, Hub: h, Now: g.clock.now}), Version: "1.0.0", Now: g.clock.now,
		Log:    slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Config: config.Config{ListenAddr: "127.0.0.1:8080", SessionLifetime: 30 * 24 * time.Hour},
	}
	for _, f := range configure {
		f(&d)
	}
	g.server = New(d)
	return g
}

// user creates a user who has the password.
func (g *gate) user(email string, admin bool) account.User {
	g.Helper()
	hash, err := g.server.passwords.Hash(g.Context(), password)
	if err != nil {
		g.Fatal(err)
	}
	u, err := g.store.CreateUser(g.Context(), email, hash, admin)
	if err != nil {
		g.Fatal(err)
	}
	return u
}

// token creates a token and returns it with its secret.
func (g *gate) token(owner account.User, life time.Duration, scopes ...account.Scope) (account.Token, string) {
	g.Helper()
	t, secret, err := account.NewToken(owner, account.TokenRequest{Name: "test", Scopes: scopes, Life: life}, true, g.clock.now())
	if err == nil {
		err = g.store.CreateToken(g.Context(), t, account.HashSecret(secret))
	}
	if err != nil {
		g.Fatal(err)
	}
	return t, secret
}

// link creates a one-time link and returns its path.
func (g *gate) link(kind account.LinkKind, user int64) string {
	g.Helper()
	secret := account.NewLinkSecret()
	if err := g.store.CreateLink(g.Context(), kind, user, account.HashSecret(secret), time.Hour); err != nil {
		g.Fatal(err)
	}
	return "/enter/" + secret
}

// query returns the text of one value of the database.
func (g *gate) query(sql string) string {
	g.Helper()
	conn, err := pgx.Connect(g.Context(), g.dsn)
	if err != nil {
		g.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var out string
	if err := conn.QueryRow(g.Context(), "SELECT coalesce(("+sql+")::text, '')").Scan(&out); err != nil {
		g.Fatal(err)
	}
	return out
}

// dump is everything that is stored about access.
func (g *gate) dump() string {
	g.Helper()
	var all []string
	for _, table := range []string{"users", "sessions", "tokens", "links", "conversations", "work_logs", "work_log_stats", "audit", "readings"} {
		all = append(all, table, g.query("SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM "+table+" t"))
	}
	return strings.Join(all, "\n")
}

// browser keeps cookies as a browser does.
type browser struct {
	g       *gate
	host    string
	cookies map[string]string
	remote  string
}

func (g *gate) browser() *browser {
	return &browser{g: g, host: "127.0.0.1:8080", cookies: map[string]string{}, remote: "192.0.2.7:4711"}
}

// signedIn is a browser with a session of u, made without the price of a password.
func (g *gate) signedIn(u account.User) *browser {
	g.Helper()
	_, hash, err := g.store.UserByID(g.Context(), u.ID)
	if err != nil {
		g.Fatal(err)
	}
	b, w := g.browser(), httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	r.Header.Set("User-Agent", "test browser")
	if err := g.server.signIn(g.server.echo.NewContext(r, w), u, hash, "test"); err != nil {
		g.Fatal(err)
	}
	b.keep(w)
	return b
}

func (b *browser) keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

// session is the value of the session's cookie.
func (b *browser) session() string { return b.cookies[b.g.server.sessions.Cookie.Name] }

// do sends a request; form may be nil, headers come in pairs.
func (b *browser) do(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	b.g.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(b.g.Context(), method, path, body)
	r.Host, r.RemoteAddr = b.host, b.remote
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.send(r, headers...)
}

func (b *browser) send(r *http.Request, headers ...string) *httptest.ResponseRecorder {
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.g.server.Handler().ServeHTTP(w, r)
	b.keep(w)
	return w
}

func (b *browser) get(path string, headers ...string) *httptest.ResponseRecorder {
	b.g.Helper()
	return b.do(http.MethodGet, path, nil, headers...)
}

func (b *browser) post(path string, pairs ...string) *httptest.ResponseRecorder {
	b.g.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, path, form)
}

func (b *browser) login(email, secret string) *httptest.ResponseRecorder {
	b.g.Helper()
	return b.post("/login", "email", email, "password", secret)
}

// want fails unless the answer has the status, and the location if there is one.
func (g *gate) want(what string, w *httptest.ResponseRecorder, status int, location ...string) {
	g.Helper()
	if w.Code != status || len(location) > 0 && w.Header().Get("Location") != location[0] {
		g.Errorf("%s: %d, location %q; want %d %v\n%.300s", what, w.Code, w.Header().Get("Location"), status, location, w.Body)
	}
}

// listen lets the server react to control messages, as the program does.
func (g *gate) listen() {
	g.Helper()
	hear(g.T, g.store, g.server)
}

func hear(t *testing.T, st *store.Store, s *Server) {
	t.Helper()
	done, ready := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		_ = st.Listen(ctx, func(c store.Control) {
			once.Do(func() { close(ready) })
			s.Control(c)
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	for {
		if err := st.NotifyControl(ctx, store.Control{Kind: store.ControlSession, ID: uuid.NewString()}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ready:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// patience is long for a person, and enough for a busy machine: what is waited for comes in milliseconds, or never.
const patience = 30 * time.Second

// eventually fails unless ok becomes true.
func (g *gate) eventually(what string, ok func() bool) {
	g.Helper()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-deadline:
			g.Errorf("%s: not within %v", what, patience)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
