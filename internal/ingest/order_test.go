package ingest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/worklogdev/worklog/worklog"
)

// hold locks the user's stats row, as a sweep does, until release.
func (b *bundle) hold(t *testing.T) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(b.ctx, b.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, sql := range []string{"BEGIN", "SELECT 1 FROM work_log_stats FOR UPDATE"} {
		if _, err := conn.Exec(b.ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if _, err := conn.Exec(b.ctx, "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

// The clock stands still, so what has met the lock waits although the lock is gone.
func TestALaterWordOfAStepDoesNotOvertakeOneThatMetALock(t *testing.T) {
	b := setup(t)
	b.append(t, b.me, worklog.Draft{Title: "makes the stats row"})
	b.clock.stop()
	release := b.hold(t)
	first := b.held(t, 1, running("1"))
	<-b.store.locked
	release()
	second := b.held(t, 2, worklog.Draft{Title: "run", Key: "k", Status: worklog.StatusSuccess})
	wantOutcomes(t, b.append(t, b.me, worklog.Draft{Title: "of no step"}), "stored")
	b.clock.move(time.Second)
	if got, then := <-first, <-second; got != "stored<nil>" || then != "updated<nil>" {
		t.Errorf("first %s, second %s", got, then)
	}
}

func TestAChangeByIDDoesNotOvertakeOneThatIsHeld(t *testing.T) {
	b := setup(t)
	b.clock.stop()
	id := b.append(t, b.me, running("1"))[0].Entry.ID
	held := b.held(t, 1, running("2"))
	details := "3"
	e, err := b.Patch(b.ctx, b.me, strings.ToUpper(id), worklog.EntryPatch{Details: &details})
	if err != nil || e.Details != "3" {
		t.Errorf("%+v, %v", e, err)
	}
	if got := <-held; got != "updated<nil>" {
		t.Errorf("the update: %s", got)
	}
	if _, rows := b.flushed(t); len(rows) != 1 || rows[0].Details != "3" {
		t.Errorf("rows %+v", rows)
	}
}
