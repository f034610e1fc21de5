package storetest

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

func TestEveryStoreStartsEmptyAndAlone(t *testing.T) {
	t.Parallel()
	first, second := DSN(t), DSN(t)
	execute(t, first, "INSERT INTO users (email, created_at) VALUES ('a@example.org', now())")
	if n := count(t, first, "SELECT count(*) FROM users"); n != 1 {
		t.Errorf("users in the first database: %d, want 1", n)
	}
	if n := count(t, second, "SELECT count(*) FROM users"); n != 0 {
		t.Errorf("users in the second database: %d, want 0", n)
	}
	if err := New(t).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEmptyHasNoSchema(t *testing.T) {
	t.Parallel()
	if n := count(t, Empty(t), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
		t.Errorf("tables: %d, want 0", n)
	}
}

func BenchmarkDSN(b *testing.B) {
	DSN(b)
	for b.Loop() {
		start := time.Now()
		DSN(b)
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/clone")
	}
}

func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	conn := connect(t, dsn)
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, dsn, sql string) (n int) {
	t.Helper()
	if err := connect(t, dsn).QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}
