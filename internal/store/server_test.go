package store_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

func TestEntriesAreCommittedToDiskWhateverTheServerIsSetTo(t *testing.T) {
	b := setup(t)
	b.exec(t, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	b.exec(t, `CREATE TABLE seen (setting text)`)
	b.exec(t, `CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen SELECT current_setting('synchronous_commit'); RETURN NEW; END $$`)
	b.exec(t, `CREATE TRIGGER see BEFORE INSERT ON work_logs FOR EACH ROW EXECUTE FUNCTION see()`)
	b.Store = storetest.Open(t, b.dsn)
	b.append(t, worklog.Draft{Title: "important"})
	if got := one[string](t, b, "SELECT setting FROM seen"); got != "on" {
		t.Errorf("synchronous_commit is %s", got)
	}
}

// A full disk is reported by the statement, or as late as by the commit.
func TestOnAFullDiskNothingIsAcknowledgedAndAllGoesOnWhenThereIsRoom(t *testing.T) {
	for when, trigger := range map[string]string{
		"insert": "CREATE TRIGGER full_disk BEFORE INSERT ON work_logs FOR EACH ROW EXECUTE FUNCTION full_disk()",
		"commit": "CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON work_logs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION full_disk()",
	} {
		t.Run(when, func(t *testing.T) {
			b := setup(t)
			b.append(t, worklog.Draft{Title: "before"})
			b.exec(t, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'No space left on device' USING ERRCODE = '53100'; END $$`)
			b.exec(t, trigger)
			_, _, err := b.Append(b.ctx, store.Batch{Now: time.Now().UTC(), Writes: []store.Write{b.write(worklog.Draft{Title: "lost"})}})
			if worklog.CodeOf(err) != worklog.CodeUnavailable {
				t.Errorf("error %v", err)
			}
			b.exec(t, "DROP TRIGGER full_disk ON work_logs")
			b.append(t, worklog.Draft{Title: "after"})
			if got := one[string](t, b, "SELECT string_agg(title, ' ' ORDER BY seq) FROM work_logs"); got != "before after" {
				t.Errorf("entries %s", got)
			}
		})
	}
}

func TestAServerOlderThan15IsRefusedByName(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go oldServer(conn)
		}
	}()
	_, err = store.Open(t.Context(), "postgres://worklog@"+l.Addr().String()+"/worklog?sslmode=disable", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 14.9 is too old: worklog needs 15 or newer") {
		t.Errorf("error %v", err)
	}
}

// oldServer says of itself that it is PostgreSQL 14, whatever it is asked.
func oldServer(conn net.Conn) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	fields := []pgproto3.FieldDescription{
		{Name: []byte("number"), DataTypeOID: 23, DataTypeSize: 4}, {Name: []byte("name"), DataTypeOID: 25, DataTypeSize: -1},
	}
	for backend.Flush() == nil {
		m, err := backend.Receive()
		if err != nil {
			return
		}
		switch m.(type) {
		case *pgproto3.Parse:
			backend.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			backend.Send(&pgproto3.BindComplete{})
		case *pgproto3.Describe:
			backend.Send(&pgproto3.RowDescription{Fields: fields})
		case *pgproto3.Execute:
			backend.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("140009"), []byte("14.9")}})
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Query:
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 0")})
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Sync:
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return
		}
	}
}
