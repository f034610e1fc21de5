// Package storetest gives tests a real PostgreSQL: one private server per test process, a fresh database per call.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { storetest.Main(m) }
//
// The server starts when the first test asks for it and ends with the process, however that ends. It does not sync to
// disk. Databases are copies of one that has been migrated once. With KEEPDB=1 they stay, the server runs on, and the
// test prints how to look inside.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/internal/postgres"
	"github.com/worklogdev/worklog/internal/store"
)

const (
	startTimeout = 2 * time.Minute // many packages start one at the same time
	stopTimeout  = 20 * time.Second
	cloneTimeout = time.Minute
	// dirPrefix begins the names of the directories, which a killed process leaves behind for the next one to remove.
	dirPrefix = "worklog-test-"
	template  = "worklog_template"
)

// Main runs the tests, then ends what they share, and stops the server.
func Main(m *testing.M, ends ...func()) {
	defer shared.stop()
	for _, end := range ends {
		defer end()
	}
	m.Run()
}

// New returns a store on a fresh database with the whole schema.
func New(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, DSN(t))
}

// DSN returns the connection string of a fresh database with the whole schema.
func DSN(t testing.TB) string {
	t.Helper()
	return create(t, template)
}

// Lasting returns the connection string of a database with the whole schema that lives as long as the test process.
func Lasting() (string, error) {
	c, err := shared.get()
	if err != nil {
		return "", err
	}
	name := c.nextName()
	return c.dsn(name), c.exec("CREATE DATABASE " + name + " TEMPLATE " + template)
}

// Empty returns the connection string of a fresh database without any schema.
func Empty(t testing.TB) string {
	t.Helper()
	return create(t, "template0")
}

// Open opens a store on a database of this process and closes it with the test.
func Open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func create(t testing.TB, from string) string {
	t.Helper()
	c, err := shared.get()
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	name := c.nextName()
	if err := c.exec("CREATE DATABASE " + name + " TEMPLATE " + from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if keep() {
			t.Logf("kept: psql '%s' (the server runs on: stop it with kill -INT $(head -1 %s/data/postmaster.pid))", c.dsn(name), c.dir)
			return
		}
		if err := c.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return c.dsn(name)
}

func keep() bool { return os.Getenv("KEEPDB") == "1" }

// shared is the one server of the test process. A test function has no other way to reach what TestMain owns.
var shared lazy

type lazy struct {
	once    sync.Once
	cluster *cluster
	err     error
}

func (l *lazy) get() (*cluster, error) {
	l.once.Do(func() { l.cluster, l.err = start() })
	return l.cluster, l.err
}

func (l *lazy) stop() {
	l.once.Do(func() { l.err = errors.New("the tests are over") })
	if l.cluster != nil {
		l.cluster.stop()
	}
}

// cluster is a running server.
type cluster struct {
	dir    string
	server *postgres.Server
	base   *url.URL

	mu    sync.Mutex
	count int
}

func start() (*cluster, error) {
	removeAbandoned()
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c := &cluster{dir: dir}
	c.server, err = postgres.Start(ctx, postgres.Options{Dir: dir, Outlive: keep(), Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB",
		"max_connections": "400", // every parallel test has a pool
		"autovacuum":      "off", // it would hold up copies of the template
	}})
	if err == nil {
		c.base, err = url.Parse(c.server.DSN())
	}
	if err == nil {
		err = c.makeTemplate(ctx)
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) makeTemplate(ctx context.Context) error {
	if err := c.exec("CREATE DATABASE " + template); err != nil {
		return err
	}
	s, err := store.Open(ctx, c.dsn(template), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer s.Close() // a database is copied only while nobody is connected to it
	return s.Migrate(ctx)
}

func (c *cluster) stop() {
	if keep() {
		return
	}
	if c.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = c.server.Stop(ctx) // the data is thrown away
	}
	_ = os.RemoveAll(c.dir)
}

func (c *cluster) nextName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	return fmt.Sprintf("test_%d", c.count)
}

func (c *cluster) dsn(name string) string {
	u := *c.base
	u.Path = "/" + name
	return u.String()
}

func (c *cluster) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), cloneTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.server.DSN())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	if err != nil {
		err = fmt.Errorf("%s: %w", statement, err)
	}
	return errors.Join(err, conn.Close(ctx))
}

// removeAbandoned removes what killed test processes left behind. A directory that is just being made may hold no lock
// yet, so it is left alone for a while.
func removeAbandoned() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > startTimeout {
			_ = postgres.Discard(dir) // one that is in use stays
		}
	}
}
