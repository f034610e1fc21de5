package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/internal/store"
)

const (
	users = 50
	// password is the one that every user of the site signs in with.
	password = "a long password of the bench"
	// lifted is the value of every limit that a measurement is not about.
	lifted    = "1000000"
	liftedTab = "10000"

	readyTimeout = 30 * time.Second
	stopTimeout  = 20 * time.Second
	poolSize     = 64
)

// site is a database, a running program on it, and its users.
type site struct {
	dir      string
	postgres *postgres.Server
	pool     *pgxpool.Pool // for the comparisons: the same driver as the program's
	binary   string
	verbose  bool
	program  *exec.Cmd
	plain    int // process of the plain server; 0: none
	exited   chan struct{}
	address  string
	metrics  string // address of /metrics
	users    []user
}

// user is an account of the site with a token.
type user struct {
	id      int64
	email   string
	token   string
	tokenID uuid.UUID
}

func openSite(ctx context.Context, binary string, verbose bool) (s *site, err error) {
	s = &site{binary: binary, verbose: verbose}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "worklog-bench-"); err != nil {
		return nil, err
	}
	if s.postgres, err = postgres.Start(ctx, postgres.Options{Dir: filepath.Join(s.dir, "postgres")}); err != nil {
		return nil, err
	}
	if err := s.makeUsers(ctx); err != nil {
		return nil, err
	}
	c, err := pgxpool.ParseConfig(s.postgres.DSN())
	if err != nil {
		return nil, err
	}
	c.MaxConns = poolSize
	if s.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return nil, err
	}
	return s, s.startProgram(ctx)
}

// makeUsers writes them directly: a thousand invitations would measure something else.
func (s *site) makeUsers(ctx context.Context) error {
	st, err := store.Open(ctx, s.postgres.DSN(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		return err
	}
	hash, err := account.NewPasswords().Hash(ctx, password)
	if err != nil {
		return err
	}
	for i := range users {
		email := fmt.Sprintf("user%02d@example.org", i)
		u, err := st.CreateUser(ctx, email, hash, false)
		if err != nil {
			return err
		}
		secret, id := account.NewSecret(), uuid.New()
		err = st.CreateToken(ctx, account.Token{
			ID: id.String(), OwnerID: u.ID, Name: "bench", Prefix: secret[:account.ShownPrefix], Scopes: []account.Scope{account.ScopeWrite, account.ScopeRead},
			CreatedAt: time.Now(),
		}, account.HashSecret(secret))
		if err != nil {
			return err
		}
		s.users = append(s.users, user{id: u.ID, email: email, token: secret, tokenID: id})
	}
	return nil
}

// startProgram runs the program. A port that was free may be another process's by then: it is given other ones.
func (s *site) startProgram(ctx context.Context) (err error) {
	for range 5 {
		if err = s.tryProgram(ctx); !errors.Is(err, errEnded) {
			break
		}
	}
	return err
}

var errEnded = errors.New("the program ended before it was ready; -v shows what it says")

// tryProgram runs the program as a process of its own with every limit lifted.
func (s *site) tryProgram(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	s.address = address
	if s.metrics, err = freeAddress(); err != nil {
		return err
	}
	s.program = exec.Command(s.binary, "serve")
	s.program.Env = append(os.Environ(), "DATABASE_URL="+s.postgres.DSN(), "LISTEN_ADDR="+address, "METRICS_ADDR="+s.metrics, "DATA_DIR="+s.dir, "LOG_LEVEL=warn",
		"WORKLOG_RATE_LIMIT="+lifted, "WORKLOG_AGENT_RATE_LIMIT="+lifted, "WORKLOG_IMPORT_LIMIT="+lifted, "WORKLOG_TABS_PER_SESSION="+liftedTab, "WORKLOG_TABS_PER_USER="+liftedTab,
		"WORKLOG_STREAMS_PER_TOKEN="+liftedTab)
	if s.verbose {
		s.program.Stderr = os.Stderr
	}
	if err := s.program.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		_ = s.program.Wait()
		close(s.exited)
	}()
	return s.waitReady(ctx)
}

func (s *site) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		res, err := http.Get("http://" + s.address + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.exited:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("the program is not ready: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freeAddress returns a loopback address whose port nobody uses now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// stopProgram ends the program as a service manager does.
func (s *site) stopProgram() {
	if s.exited == nil {
		return
	}
	_ = s.program.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = s.program.Process.Kill()
		<-s.exited
	}
}

// restartProgram makes the program forget what it has done: hashing the passwords of 50 logins alone leaves it with tens
// of megabytes of memory that would hide what streams need.
func (s *site) restartProgram(ctx context.Context) error {
	s.stopProgram()
	return s.startProgram(ctx)
}

// close takes the site down and removes it.
func (s *site) close() {
	s.stopProgram()
	if s.pool != nil {
		s.pool.Close()
	}
	if s.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = s.postgres.Stop(ctx) // the data is thrown away
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// signIn returns the Cookie header of a new session of u.
func (s *site) signIn(ctx context.Context, u user) (string, error) {
	form := url.Values{"email": {u.email}, "password": {password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(req) // does not follow the redirect, which may carry the cookie
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if strings.Contains(c.Name, "session") && res.StatusCode == http.StatusSeeOther {
			return "Cookie: " + c.Name + "=" + c.Value, nil
		}
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 500))
	return "", errors.Join(fmt.Errorf("login of %s: %s\n%s", u.email, res.Status, b), err)
}

// residentKB is the memory that the program occupies now, peakKB the most that it has.
func (s *site) residentKB() (int64, error) { return s.memoryKB("VmRSS:") }

func (s *site) peakKB() (int64, error) { return s.memoryKB("VmHWM:") }

func (s *site) memoryKB(name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.program.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(status), name)
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil || !found {
		return 0, fmt.Errorf("no %s in /proc: %w", name, err)
	}
	return kb, nil
}
