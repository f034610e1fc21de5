package store

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun/migrate"

	"github.com/worklogdev/worklog/worklog"
)

// Loader puts the rows of a dump into an empty installation.
type Loader struct{ tx pgx.Tx }

// Empty returns a conflict when the database has users, or a running server.
func (s *Store) Empty(ctx context.Context) error {
	var schema, served, users bool
	err := s.pool.QueryRow(ctx, `SELECT to_regclass('users') IS NOT NULL,
		EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = $1)`, "LISTEN "+controlChannel).Scan(&schema, &served)
	if err != nil {
		return mapError(err)
	}
	if served {
		return worklog.Errorf(worklog.CodeConflict, "a worklog runs on this database: stop it first")
	}
	if !schema {
		return nil
	}
	if err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM users)").Scan(&users); err != nil {
		return mapError(err)
	}
	if users {
		return worklog.Errorf(worklog.CodeConflict, "this installation has users already; a backup goes into an empty one: another DATA_DIR or another database. "+
			"With another DATA_DIR, say --ledger and the file ledger of this one: without it people who were erased since are back")
	}
	return nil
}

// Load fills an empty installation with a dump: it gives the database the schema of that time, calls load, all in one
// transaction, and brings the schema up to date. A kill at any point leaves it empty or filled. The epoch is a new one:
// whoever was connected before begins anew.
func (s *Store) Load(ctx context.Context, head DumpHead, load func(*Loader) error) error {
	if err := s.Empty(ctx); err != nil {
		return err
	}
	if err := s.migrateTo(ctx, head.Migrations); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		l := &Loader{tx}
		if err := l.begin(ctx, head); err != nil {
			return err
		}
		if err := load(l); err != nil {
			return err
		}
		if err := l.end(ctx); err != nil {
			return err
		}
		if !slices.Contains(head.Migrations, erasures) {
			return nil
		}
		return l.orderErasures(ctx)
	})
	if err != nil {
		return mapError(err)
	}
	s.epoch.Store(nil)
	return s.Migrate(ctx)
}

// migrateTo gives an empty database exactly the named migrations.
func (s *Store) migrateTo(ctx context.Context, names []string) error {
	if err := s.migrateSome(ctx, func(m *migrate.Migration) bool { return true }, func(ctx context.Context, m *migrate.Migrator) error {
		steps, err := m.MigrationsWithStatus(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !slices.ContainsFunc(steps, func(known migrate.Migration) bool { return nameOf(&known) == name }) {
				return worklog.Errorf(worklog.CodeConflict, "the backup is from a newer worklog (it knows migration %s): restore it with that one", name)
			}
		}
		for {
			if group, err := m.Rollback(ctx); err != nil || group.IsZero() {
				return err
			}
		}
	}); err != nil {
		return err
	}
	some := func(m *migrate.Migration) bool { return slices.Contains(names, nameOf(m)) }
	return s.migrateSome(ctx, some, func(ctx context.Context, m *migrate.Migrator) error {
		_, err := m.Migrate(ctx)
		return err
	})
}

func nameOf(m *migrate.Migration) string { return m.Name + "_" + m.Comment }

// entriesToConversations is the one reference that is checked at the end: an owner with very many entries is dumped in
// several snapshots, and a conversation may have gone in between.
const entriesToConversations = "work_logs_owner_id_conversation_id_fkey"

func (l *Loader) begin(ctx context.Context, head DumpHead) error {
	for _, sql := range []string{
		"SET LOCAL statement_timeout = 0",
		"SET LOCAL idle_in_transaction_session_timeout = 0",
		"LOCK TABLE users IN ACCESS EXCLUSIVE MODE",
		"ALTER TABLE work_logs DROP CONSTRAINT " + entriesToConversations,
	} {
		if _, err := l.tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	var users bool
	if err := l.tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM users)").Scan(&users); err != nil {
		return err
	}
	if users {
		return worklog.Errorf(worklog.CodeConflict, "somebody has begun to use this installation")
	}
	_, err := l.tx.Exec(ctx, "UPDATE installation SET id = $1, epoch = gen_random_uuid()", head.Installation)
	return err
}

// Copy loads rows of a table.
func (l *Loader) Copy(ctx context.Context, t DumpTable, rows io.Reader) (int64, error) {
	if !dumped(t.Name) {
		return 0, errNotDumped(t.Name)
	}
	if t.Again && t.Name == entriesTable {
		return l.replace(ctx, t, rows)
	}
	return l.copy(ctx, t.Name, t.Columns, rows)
}

func (l *Loader) copy(ctx context.Context, table string, columns []string, rows io.Reader) (int64, error) {
	sql := fmt.Sprintf("COPY %s (%s) FROM STDIN", pgx.Identifier{table}.Sanitize(), quoted(columns))
	tag, err := l.tx.Conn().PgConn().CopyFrom(ctx, rows, sql)
	return tag.RowsAffected(), err
}

// replace loads entries in the place of those with the same seqs.
func (l *Loader) replace(ctx context.Context, t DumpTable, rows io.Reader) (int64, error) {
	if _, err := l.tx.Exec(ctx, "CREATE TEMP TABLE changed (LIKE work_logs) ON COMMIT DROP"); err != nil {
		return 0, err
	}
	n, err := l.copy(ctx, "changed", t.Columns, rows)
	if err != nil {
		return 0, err
	}
	for _, sql := range []string{
		"DELETE FROM work_logs w USING changed c WHERE w.owner_id = c.owner_id AND w.seq = c.seq",
		fmt.Sprintf("INSERT INTO work_logs (%[1]s) SELECT %[1]s FROM changed", quoted(t.Columns)),
		"DROP TABLE changed",
	} {
		if _, err := l.tx.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// end makes the rows of several snapshots agree, and identities go on where they were.
func (l *Loader) end(ctx context.Context) error {
	for _, sql := range []string{
		`UPDATE work_logs w SET conversation_id = NULL WHERE w.conversation_id IS NOT NULL
			AND NOT EXISTS (SELECT FROM conversations c WHERE c.owner_id = w.owner_id AND c.id = w.conversation_id)`,
		"ALTER TABLE work_logs ADD CONSTRAINT " + entriesToConversations +
			" FOREIGN KEY (owner_id, conversation_id) REFERENCES conversations (owner_id, id) ON DELETE SET NULL (conversation_id)",
	} {
		if _, err := l.tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	rows, err := l.tx.Query(ctx, `SELECT table_name::text, column_name::text FROM information_schema.columns
		WHERE table_schema = current_schema() AND is_identity = 'YES' ORDER BY 1`)
	if err != nil {
		return err
	}
	type identity struct{ Table, Column string }
	identities, err := pgx.CollectRows(rows, pgx.RowToStructByPos[identity])
	if err != nil {
		return err
	}
	for _, i := range identities {
		sql := fmt.Sprintf("SELECT setval(pg_get_serial_sequence($1, $2), (SELECT COALESCE(max(%s), 0) + 1 FROM %s), false)",
			quoted([]string{i.Column}), quoted([]string{i.Table}))
		if _, err := l.tx.Exec(ctx, sql, i.Table, i.Column); err != nil {
			return err
		}
	}
	return nil
}
