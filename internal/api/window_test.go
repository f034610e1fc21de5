package api_test

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

func TestAdminsSeeWhatCameInAndNobodysWords(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	admin := s.client(s.user("admin@x.test", account.ScopeAdmin))
	empty := must[worklog.Window](t)(admin.AdminWindow(t.Context(), "1h"))
	if len(empty.Bars) != 60 || empty.Ledger.Received != 0 || len(empty.Tools) != 0 {
		t.Errorf("before the first entry: %+v", empty)
	}
	end := time.Now()
	start := end.Add(-2 * time.Second)
	bash := worklog.Draft{Title: "a secret", Tool: "Bash", Type: worklog.TypeToolCall, Status: worklog.StatusError, StartedAt: &start, EndedAt: &end}
	must[[]worklog.Receipt](t)(s.client(s.user("b@x.test")).Append(t.Context(), bash, worklog.Draft{Title: "y"}))
	if _, err := s.store.RollUp(t.Context(), time.Now(), 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1h", "24h", "7d", "90d"} {
		w := must[worklog.Window](t)(admin.AdminWindow(t.Context(), name))
		last := w.Bars[len(w.Bars)-1]
		if w.Range != name || last.Entries != 2 || last.ByStatus[worklog.StatusError] != 1 || w.Ledger.Stored != 2 || w.Ledger.Received != 2 || w.BehindSeconds != 0 {
			t.Errorf("%s: %+v", name, w)
		}
		if len(w.Users) != 1 || w.Users[0] != (worklog.WindowCount{Name: "b@x.test", Entries: 2, Failed: 1}) || w.UserCount != 1 {
			t.Errorf("%s: users %+v", name, w.Users)
		}
		if len(w.Tools) != 1 || w.Tools[0].Name != "Bash" || w.Tools[0].Fails != 1 || w.Tools[0].P50 == nil || *w.Tools[0].P50 < 1.6 || *w.Tools[0].P50 > 2.4 {
			t.Errorf("%s: tools %+v", name, w.Tools)
		}
	}
	if _, err := admin.AdminWindow(t.Context(), "2h"); worklog.CodeOf(err) != worklog.CodeMalformed {
		t.Errorf("a range that does not exist: %v", err)
	}
}
