package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

// titles joins the titles of entries.
func titles(entries []worklog.Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Title)
	}
	return strings.Join(list, " ")
}

func TestPagesFollowEachOtherWithoutGapOrRepetition(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	var drafts []worklog.Draft
	for i := range 25 {
		drafts = append(drafts, worklog.Draft{Title: fmt.Sprint(i)})
	}
	must[[]worklog.Receipt](t)(c.Append(t.Context(), drafts...))
	first := must[worklog.Page](t)(c.Entries(t.Context(), worklog.Query{Limit: 10}))
	must[[]worklog.Receipt](t)(c.Append(t.Context(), worklog.Draft{Title: "new"})) // pages do not move
	if first.Cursor != 25 || first.Next == "" || titles(first.Entries) != "24 23 22 21 20 19 18 17 16 15" {
		t.Errorf("%+v", first)
	}
	rest := titles(first.Entries)
	for next := first.Next; next != ""; {
		p := must[worklog.Page](t)(c.Entries(t.Context(), worklog.Query{Limit: 10, Before: next}))
		rest += " " + titles(p.Entries)
		next = p.Next
	}
	var want []string
	for i := 24; i >= 0; i-- {
		want = append(want, fmt.Sprint(i))
	}
	if rest != strings.Join(want, " ") {
		t.Errorf("got %s", rest)
	}
}

func TestFiltersShowWhatMatches(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	old := s.clock.now().Add(-48 * time.Hour)
	must[[]worklog.Receipt](t)(c.Append(t.Context(),
		worklog.Draft{Title: "a", Type: worklog.TypeToolCall, Status: worklog.StatusSuccess, Tool: "Bash", Conversation: "one", Source: "x"},
		worklog.Draft{Title: "b", Status: worklog.StatusError, Details: "100% of a_b", Conversation: "two"},
		worklog.Draft{Title: "c", LoggedAt: &old},
	))
	two := must[worklog.ConversationPage](t)(c.Conversations(t.Context(), worklog.ConversationQuery{Text: "TWO"}))
	for want, q := range map[string]worklog.Query{
		"c b a": {}, "a": {Type: worklog.TypeToolCall}, "b": {Status: worklog.StatusError}, "a ": {Source: "x"}, "a  ": {Conversation: "one"}, "b ": {ConversationID: two.Conversations[0].ID},
		"c": {Unfiled: true}, "b  ": {Text: "0% OF A_"}, "": {Text: "a__b"}, "c ": {Until: old.Add(time.Hour)}, "b a": {Since: old.Add(time.Hour)}, "c  ": {Since: old, Until: old.Add(time.Second)},
	} {
		if got := titles(must[worklog.Page](t)(c.Entries(t.Context(), q)).Entries); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
}

func TestChangesGoOnWhereTheCursorIs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	long := strings.Repeat("x", 10_000)
	must[[]worklog.Receipt](t)(c.Append(t.Context(),
		worklog.Draft{Title: "a", Key: "a", Status: worklog.StatusWorking, Conversation: "one"}, worklog.Draft{Title: "b", Details: long}, worklog.Draft{Title: "c"}))
	p := must[worklog.Page](t)(c.Changes(t.Context(), worklog.Query{Limit: 2}, 0))
	if titles(p.Entries) != "a b" || p.Cursor != 2 || p.Entries[1].Details != long {
		t.Errorf("first page: %s, cursor %d, %d bytes of details", titles(p.Entries), p.Cursor, len(p.Entries[1].Details))
	}
	must[[]worklog.Receipt](t)(c.Append(t.Context(), worklog.Draft{Title: "a", Key: "a", Status: worklog.StatusSuccess}))
	p = must[worklog.Page](t)(c.Changes(t.Context(), worklog.Query{}, p.Cursor))
	if titles(p.Entries) != "c a" || p.Cursor != 4 || p.Entries[1].Status != worklog.StatusSuccess || p.Entries[1].Seq != 1 {
		t.Errorf("second page: %+v", p)
	}
	p = must[worklog.Page](t)(c.Changes(t.Context(), worklog.Query{}, p.Cursor))
	if len(p.Entries) != 0 || p.Cursor != 4 {
		t.Errorf("nothing new: %+v", p)
	}
	p = must[worklog.Page](t)(c.Changes(t.Context(), worklog.Query{Status: worklog.StatusInfo, Conversation: "one"}, 0))
	if len(p.Entries) != 0 || p.Cursor != 4 {
		t.Errorf("filtered: %+v", p)
	}
	if _, err := c.Changes(t.Context(), worklog.Query{}, 5); worklog.CodeOf(err) != worklog.CodeMalformed {
		t.Errorf("a cursor of the future: %v", err)
	}
}

func TestAPageEndsBeforeItGetsTooLong(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	var drafts []worklog.Draft
	for i := range 40 {
		drafts = append(drafts, worklog.Draft{Title: fmt.Sprint(i), Details: strings.Repeat("x", worklog.MaxDetailsBytes)})
	}
	must[[]worklog.Receipt](t)(c.Append(t.Context(), drafts...))
	n := 0
	for e, err := range c.All(t.Context(), worklog.Query{Limit: 200}) {
		if n++; err != nil || len(e.Details) != worklog.MaxDetailsBytes {
			t.Fatal(err, len(e.Details))
		}
	}
	changes, cursor := 0, int64(0)
	for {
		a := s.do(http.MethodGet, fmt.Sprintf("/api/v1/logs?limit=200&after=%d", cursor), s.user("a@x.test"), "")
		var p worklog.Page
		if a.into(t, &p); p.Cursor == cursor {
			break
		}
		if len(a.body) > 6<<20 {
			t.Errorf("a page of %d bytes", len(a.body))
		}
		changes, cursor = changes+len(p.Entries), p.Cursor
	}
	if n != 40 || changes != 40 {
		t.Errorf("%d entries, %d changes, want 40", n, changes)
	}
}

func TestParametersThatMakeNoSenseAreRefused_S15(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	for _, q := range []string{
		"limit=-1", "limit=0", "limit=201", "limit=1e9", "limit=abc", "limit=1&limit=2", "limit=99999999999999999999",
		"before=0", "before=-5", "before=x", "before=9999999999999999999", "before=%27%20OR%201=1", "after=-1", "after=x", "after=1", "after=9223372036854775807", "after=0&before=3",
		"since=yesterday", "since=10000-01-01T00:00:00Z", "since=infinity", "until=-infinity", "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "step=1ns",
		"type=tool", "status=done", "unfiled=1", "unfiled=true&conversation=x", "conversation=a&conversation_id=b", "q=" + strings.Repeat("x", 10_240), "q=%00", "q=%ff", "source=" + strings.Repeat("x", 65),
		"nope=1", "Limit=1", "%zz", "q=%", "a;b", "conversation=" + strings.Repeat("x", 201),
	} {
		a := s.do(http.MethodGet, "/api/v1/logs?"+q, token, "")
		if p := a.problem(t); a.status != 400 || p.Code != worklog.CodeMalformed {
			t.Errorf("%.60s: %d %+v", q, a.status, p)
		}
	}
	for _, q := range []string{"limit=x", "before=garbage", "before=1.2.3", "before=2.5." + uuid.NewString(), "before=1.99999999999999999999." + uuid.NewString(), "team=yes", "since=x"} {
		if a := s.do(http.MethodGet, "/api/v1/conversations?"+q, token, ""); a.status != 400 {
			t.Errorf("conversations %s: %d %s", q, a.status, a.body)
		}
	}
	for _, text := range []string{"a & | b", "%", "_", `\`, "'", "(", "?", "$1", "[a-z]*+", `"`, "-", " ", "é😀"} {
		for _, path := range []string{"/api/v1/logs?q=", "/api/v1/conversations?q="} {
			if a := s.do(http.MethodGet, path+url.QueryEscape(text), token, ""); a.status != 200 {
				t.Errorf("%s%s: %d %s", path, text, a.status, a.body)
			}
		}
	}
	for _, q := range []string{"before=" + "9223372036854775807", "after=0", "since=0001-01-01T00:00:00Z", "until=9999-12-31T23:59:59Z", ""} {
		if a := s.do(http.MethodGet, "/api/v1/logs?"+q, token, ""); a.status != 200 {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
}

func TestNobodySeesAnotherUsersThings_S05(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a, b := s.user("a@x.test"), s.user("b@x.test")
	ca := s.client(a)
	r := must[[]worklog.Receipt](t)(ca.Append(t.Context(), worklog.Draft{Title: "secret", Conversation: "c", Status: worklog.StatusWorking, Key: "k"}))
	entry := r[0].Entry
	for _, x := range []struct{ method, path, body string }{
		{"GET", "/api/v1/logs/" + entry.ID, ""}, {"PATCH", "/api/v1/logs/" + entry.ID, `{"status":"error"}`},
		{"GET", "/api/v1/conversations/" + entry.ConversationID, ""}, {"PATCH", "/api/v1/conversations/" + entry.ConversationID, `{"title":"mine"}`},
		{"DELETE", "/api/v1/conversations/" + entry.ConversationID, ""}, {"GET", "/api/v1/logs?conversation_id=" + entry.ConversationID, ""},
		{"GET", "/api/v1/logs?after=0&conversation_id=" + entry.ConversationID, ""}, {"GET", "/api/v1/logs?conversation=c", ""},
		{"GET", "/api/v1/logs/" + uuid.NewString(), ""}, {"GET", "/api/v1/logs/garbage", ""}, {"GET", "/api/v1/conversations/garbage", ""},
		{"PATCH", "/api/v1/logs/garbage", `{}`}, {"PATCH", "/api/v1/conversations/" + uuid.NewString(), `{}`},
	} {
		if got := s.do(x.method, x.path, b, x.body); got.status != 404 || strings.Contains(string(got.body), "secret") {
			t.Errorf("%s %s: %d %s", x.method, x.path, got.status, got.body)
		}
	}
	if got := s.do("POST", "/api/v1/logs", b, `{"title":"x","conversation_id":"`+entry.ConversationID+`"}`); got.status != 422 || fields(got.problem(t).Errors) != "conversation_id" {
		t.Errorf("writing into it: %d %s", got.status, got.body)
	}
	if got := s.do("POST", "/api/v1/logs", b, `{"title":"of b","key":"k"}`); got.status != 201 || strings.Contains(string(got.body), "secret") {
		t.Errorf("the same key: %d %s", got.status, got.body)
	}
	e := must[worklog.Entry](t)(ca.Entry(t.Context(), entry.ID))
	conv := must[worklog.Conversation](t)(ca.Conversation(t.Context(), entry.ConversationID))
	if e.Status != worklog.StatusWorking || conv.Title != "" || conv.EntryCount != 1 || s.count(b) != 1 {
		t.Errorf("%+v %+v", e, conv)
	}
	private := worklog.VisibilityTeam
	must[worklog.Conversation](t)(ca.UpdateConversation(t.Context(), conv.ID, worklog.ConversationPatch{Visibility: &private}))
	page := must[worklog.Page](t)(s.client(b).Entries(t.Context(), worklog.Query{ConversationID: conv.ID}))
	if titles(page.Entries) != "secret" {
		t.Errorf("of the team: %+v", page)
	}
	must[worklog.Entry](t)(s.client(b).Entry(t.Context(), entry.ID))
	if got := s.do("PATCH", "/api/v1/conversations/"+conv.ID, b, `{"title":"mine"}`); got.status != 404 {
		t.Errorf("changing it: %d", got.status)
	}
}

func TestEveryRouteRefusesWhoMayNot(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	writer, reader, admin := s.user("w@x.test", account.ScopeWrite), s.user("r@x.test", account.ScopeRead), s.user("admin@x.test", account.ScopeAdmin)
	id := uuid.NewString()
	for _, x := range []struct{ method, path, token string }{
		{"POST", "/api/v1/logs", reader}, {"POST", "/api/v1/logs", admin}, {"GET", "/api/v1/logs", writer}, {"GET", "/api/v1/logs/" + id, writer}, {"PATCH", "/api/v1/logs/" + id, writer},
		{"GET", "/api/v1/conversations", writer}, {"POST", "/api/v1/conversations", writer}, {"DELETE", "/api/v1/conversations/" + id, writer},
		{"GET", "/api/v1/stats", writer}, {"GET", "/api/v1/admin/stats", reader}, {"GET", "/api/v1/admin/stats", s.user("u@x.test", account.ScopeAdmin)},
	} {
		if a := s.do(x.method, x.path, x.token, `{}`); a.status != 403 {
			t.Errorf("%s %s: %d", x.method, x.path, a.status)
		}
		a := s.do(x.method, x.path, "wlg_nonsense", `{}`)
		if p := a.problem(t); a.status != 401 || p.Code != worklog.CodeUnauthorized || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s without a token: %d", x.method, x.path, a.status)
		}
	}
	if a := s.do("PUT", "/api/v1/logs", reader, `{}`); a.status != 405 || a.problem(t).Code != worklog.CodeMethod {
		t.Errorf("PUT: %d", a.status)
	}
	if a := s.do("GET", "/api/v1/nothing", reader, ``); a.status != 404 {
		t.Errorf("nothing: %d", a.status)
	}
}
