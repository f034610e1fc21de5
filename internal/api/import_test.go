package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

const day = 24 * time.Hour

// aged is a draft of a conversation, logged some days ago.
func (s *server) aged(conversation string, days int) worklog.Draft {
	at := s.clock.now().Add(-time.Duration(days) * day)
	return worklog.Draft{Title: "step", Key: conversation + "/" + at.String(), Conversation: conversation, LoggedAt: &at}
}

// kept returns the keys of the kept conversations of the token's user.
func (s *server) kept(token string) map[string]bool {
	s.t.Helper()
	kept := map[string]bool{}
	for _, c := range must[worklog.ConversationPage](s.t)(s.client(token).Conversations(s.t.Context(), worklog.ConversationQuery{})).Conversations {
		kept[c.Key] = c.Keep
	}
	return kept
}

func TestRetentionIsToldToWhoMayOnlyWrite(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := must[worklog.Retention](t)(s.client(s.user("a@x.test", account.ScopeWrite)).Retention(t.Context()))
	if r.WarmAfter != 7*day || r.ColdAfter != 30*day || r.DeleteAfter != 90*day {
		t.Errorf("%+v", r)
	}
	if next := r.NextSweep; next.Hour() != int(s.sweepAt.Hours()) || !next.After(s.clock.now()) || next.After(s.clock.now().Add(day)) || !r.DeletesBefore().Equal(next.Add(-90*day)) {
		t.Errorf("the next sweep is at %v, now is %v", next, s.clock.now())
	}
	if a := s.do(http.MethodGet, "/api/v1/retention", "wlg_x", ""); a.status != http.StatusUnauthorized {
		t.Errorf("%d", a.status)
	}
}

func TestAnImportKeepsWhatTheNextSweepWouldDelete(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	write, read := s.user("a@x.test", account.ScopeWrite), s.user("a@x.test")
	must[[]worklog.Receipt](t)(s.client(read).Append(t.Context(), worklog.Draft{Title: "known", Conversation: "known"}))
	again := s.aged("again", 91)
	must[[]worklog.Receipt](t)(s.client(write).Import(t.Context(), false, s.aged("let go", 91), again))
	receipts := must[[]worklog.Receipt](t)(s.client(write).Import(t.Context(), true, s.aged("old", 91), s.aged("young", 80), s.aged("known", 91), again))
	for i, want := range []worklog.Outcome{worklog.OutcomeStored, worklog.OutcomeStored, worklog.OutcomeStored, worklog.OutcomeUnchanged} {
		if receipts[i].Outcome != want {
			t.Errorf("draft %d: %+v", i, receipts[i])
		}
	}
	for key, want := range map[string]bool{"old": true, "young": false, "known": true, "let go": false, "again": true} {
		if got := s.kept(read); got[key] != want {
			t.Errorf("%s is kept: %v", key, got[key])
		}
	}
}

func TestAnImportTakesNoPlaceOfTheMinute(t *testing.T) {
	t.Parallel()
	s := newServerWithLimit(t, 5)
	token := s.user("a@x.test")
	var live []worklog.Draft
	for i := range 20 {
		live = append(live, worklog.Draft{Title: titled(i), Key: titled(i)})
	}
	for i, r := range must[[]worklog.Receipt](t)(s.client(token).Import(t.Context(), false, live...)) {
		if r.Outcome != worklog.OutcomeStored {
			t.Errorf("draft %d: %+v", i, r)
		}
	}
	if r := must[[]worklog.Receipt](t)(s.client(token).Append(t.Context(), worklog.Draft{Title: "mine"})); r[0].Outcome != worklog.OutcomeStored {
		t.Errorf("%+v", r)
	}
	for _, query := range []string{"?keep=true", "?import=perhaps", "?imports=true"} {
		if a := s.do(http.MethodPost, "/api/v1/logs"+query, token, `{"title":"x"}`); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}
