package faulttest

import (
	"strings"
	"testing"
	"time"
)

// What is kept moves out of objects that others have left, while a kill may come at any moment.
func TestARepackThatIsKilledIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	w := startAged(t)
	w.app.Command("", "cleanup")
	for _, sql := range []string{ // a tenth of what is kept leaves its conversation without taking keep along
		`UPDATE work_logs SET conversation_id = NULL WHERE title ~ '^kept [0-9]*3$'`,
		"UPDATE conversations SET entry_count = (SELECT count(*) FROM work_logs w WHERE w.owner_id = conversations.owner_id AND w.conversation_id = conversations.id)",
	} {
		if _, err := w.db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var began time.Time
	if err := w.db.QueryRow(t.Context(), "SELECT max(created_at) FROM archive_objects").Scan(&began); err != nil {
		t.Fatal(err)
	}
	moved := func() (n int) {
		err := w.db.QueryRow(t.Context(), "SELECT COALESCE(sum(rows), 0)::int FROM archive_objects WHERE created_at > $1", began).Scan(&n)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	w.killIn("the repack", "kept", moved, "cleanup")
	if n := moved(); n == 0 || n >= each*9/10 {
		t.Errorf("%d entries have moved: the kill did not meet it at work", n)
	}
	w.app.Command("", "cleanup")
	w.checkRows()
	w.checkPayloads()
	if n := count(t, w.db, "SELECT sum(entries - rows)::int FROM archive_objects"); n != 0 {
		t.Errorf("%d payloads lie in the archive that no entry needs", n)
	}
	if out := w.app.Command("", "archive", "verify"); strings.Contains(out, "orphan") {
		t.Errorf("something was left behind:\n%s", out)
	}
}
