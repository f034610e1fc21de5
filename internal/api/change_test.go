package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/worklog"
)

func TestAPatchFollowsTheRulesOfAKeyedDraft(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	r := must[[]worklog.Receipt](t)(c.Append(t.Context(), worklog.Draft{Title: "x", Status: worklog.StatusWorking, Metadata: worklog.Metadata{"a": "1"}}))
	id := r[0].Entry.ID
	status, title, details, end := worklog.StatusSuccess, "renamed", "done", s.clock.now()
	e := must[worklog.Entry](t)(c.PatchEntry(t.Context(), id, worklog.EntryPatch{Status: &status, Title: &title, Details: &details, Metadata: worklog.Metadata{"b": "2"}, EndedAt: &end}))
	if e.Status != status || e.Title != title || e.Details != details || !e.EndedAt.Equal(end) || fmt.Sprint(e.Metadata) != "map[a:1 b:2]" || e.Seq != 1 || e.Rev != 2 {
		t.Errorf("%+v", e)
	}
	again := worklog.StatusError
	e = must[worklog.Entry](t)(c.PatchEntry(t.Context(), strings.ToUpper(id), worklog.EntryPatch{Status: &again, Metadata: worklog.Metadata{"a": "9", "c": "3"}}))
	if e.Status != status || fmt.Sprint(e.Metadata) != "map[a:1 b:2 c:3]" {
		t.Errorf("a final status and metadata that were there: %+v", e)
	}
}

func TestPatchesThatMakeNoSenseAreRefused_S14(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	c := s.client(token)
	r := must[[]worklog.Receipt](t)(c.Append(t.Context(), worklog.Draft{Title: "x", Conversation: "c"}))
	entry := "/api/v1/logs/" + r[0].Entry.ID
	conv := "/api/v1/conversations/" + r[0].Entry.ConversationID
	for _, x := range []struct {
		path, body string
		status     int
		fields     string
	}{
		{entry, ``, 400, ""}, {entry, `[]`, 400, ""}, {entry, `{"status":"error"`, 400, ""}, {entry, `{} {}`, 400, ""}, {entry, `null`, 400, ""},
		{entry, `{"status":"done"}`, 422, "status"}, {entry, `{"status":1,"title":{},"nope":2}`, 422, "status title nope"}, {entry, `{"title":""}`, 422, "title"},
		{entry, `{"title":"a","title":"b"}`, 422, "title"}, {entry, `{"metadata":[]}`, 422, "metadata"}, {entry, `{"metadata":{"a":1e400}}`, 422, "metadata.a"},
		{entry, `{"ended_at":"soon"}`, 422, "ended_at"}, {entry, `{"key":"k"}`, 422, "key"}, {entry, `{"Title":"x"}`, 422, "Title"},
		{conv, `{"visibility":"world"}`, 422, "visibility"}, {conv, `{"keep":"yes","pinned":1}`, 422, "keep pinned"}, {conv, `{"title":"` + strings.Repeat("x", 501) + `"}`, 422, "title"},
		{conv, `{"entry_count":0}`, 422, "entry_count"}, {conv, `{"title":7}`, 422, "title"},
	} {
		a := s.do(http.MethodPatch, x.path, token, x.body)
		if p := a.problem(t); a.status != x.status || fields(p.Errors) != x.fields {
			t.Errorf("%.80s: %d %+v, want %d %s", x.body, a.status, p, x.status, x.fields)
		}
	}
	if a := s.do(http.MethodPatch, entry, token, `{"title":"x"}`, "Content-Type", "application/x-ndjson"); a.status != 415 {
		t.Errorf("NDJSON: %d", a.status)
	}
	if a := s.do(http.MethodPatch, entry, token, `{"status":null}`); a.status != 200 {
		t.Errorf("null: %d %s", a.status, a.body)
	}
}

func TestConversationsAreMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	ctx := t.Context()
	made := must[worklog.Conversation](t)(c.CreateConversation(ctx, worklog.NewConversation{Key: "k", Title: " First ", Visibility: worklog.VisibilityTeam}))
	if made.Key != "k" || made.Title != "First" || made.Visibility != worklog.VisibilityTeam || made.Owner != "a@x.test" {
		t.Errorf("%+v", made)
	}
	if _, err := c.CreateConversation(ctx, worklog.NewConversation{Key: "k"}); worklog.CodeOf(err) != worklog.CodeConflict {
		t.Errorf("the same key: %v", err)
	}
	yes, title := true, "Second"
	changed := must[worklog.Conversation](t)(c.UpdateConversation(ctx, made.ID, worklog.ConversationPatch{Title: &title, Pinned: &yes, Keep: &yes, Archived: &yes}))
	if !changed.Pinned || !changed.Keep || changed.ArchivedAt == nil || changed.Title != title {
		t.Errorf("%+v", changed)
	}
	must[[]worklog.Receipt](t)(c.Append(ctx, worklog.Draft{Title: "x", Conversation: "k"}, worklog.Draft{Title: "y", Conversation: "other"}))
	for want, q := range map[string]worklog.ConversationQuery{"k": {Archived: true}, "other": {}, "": {Team: true}, "other ": {Text: "OTH"}} {
		page := must[worklog.ConversationPage](t)(c.Conversations(ctx, q))
		got := ""
		for _, conv := range page.Conversations {
			got += conv.Key
		}
		if got != strings.TrimSpace(want) {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
	if err := c.DeleteConversation(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Conversation(ctx, made.ID); worklog.CodeOf(err) != worklog.CodeNotFound {
		t.Errorf("after deleting it: %v", err)
	}
	page := must[worklog.Page](t)(c.Entries(ctx, worklog.Query{}))
	if len(page.Entries) != 3 || page.Entries[0].Source != worklog.SourceWorklog || page.Entries[2].Title != "x" {
		t.Errorf("its entries: %+v", page.Entries)
	}
}

func TestListsOfConversationsHavePages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	for i := range 7 {
		must[worklog.Conversation](t)(c.CreateConversation(t.Context(), worklog.NewConversation{Key: fmt.Sprint(i)}))
	}
	var got []string
	q := worklog.ConversationQuery{Limit: 3}
	for pages := 1; ; pages++ {
		page := must[worklog.ConversationPage](t)(c.Conversations(t.Context(), q))
		for _, conv := range page.Conversations {
			got = append(got, conv.Key)
		}
		if q.Before = page.Next; q.Before == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if strings.Join(got, "") != "6543210" {
		t.Errorf("got %v", got)
	}
}

func TestStatsCountWhatBecameOfDrafts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client(s.user("a@x.test"))
	if empty := must[worklog.Stats](t)(c.Stats(t.Context())); empty.Received != 0 || empty.Entries[worklog.StorageHot] != 0 || empty.LastLoggedAt != nil {
		t.Errorf("before the first entry: %+v", empty)
	}
	must[[]worklog.Receipt](t)(c.Append(t.Context(), worklog.Draft{Title: "x", Key: "k", Status: worklog.StatusWorking}, worklog.Draft{Title: "x", Key: "k", Status: worklog.StatusSuccess}))
	must[[]worklog.Receipt](t)(s.client(s.user("b@x.test")).Append(t.Context(), worklog.Draft{Title: "y"}))
	own := must[worklog.Stats](t)(c.Stats(t.Context()))
	all := must[worklog.Stats](t)(s.client(s.user("admin@x.test", account.ScopeAdmin)).AdminStats(t.Context()))
	if own.Stored != 1 || own.Updated != 1 || own.Received != 2 || own.Entries[worklog.StorageHot] != 1 || own.LastLoggedAt == nil || all.Stored != 2 || all.Entries[worklog.StorageHot] != 2 {
		t.Errorf("own %+v, all %+v", own, all)
	}
}

func TestEveryOperationAnswersAsDescribed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	c := s.client(token)
	ctx := t.Context()
	r := must[[]worklog.Receipt](t)(c.Append(ctx, worklog.Draft{Title: "x", Conversation: "c", Status: worklog.StatusWorking, Metadata: worklog.Metadata{"a": 1}}))
	entry := r[0].Entry
	must[[]worklog.Receipt](t)(c.Append(ctx, worklog.Draft{Title: "y"}, worklog.Draft{}))
	must[worklog.Page](t)(c.Entries(ctx, worklog.Query{}))
	must[worklog.Page](t)(c.Changes(ctx, worklog.Query{}, 0))
	must[worklog.Entry](t)(c.Entry(ctx, entry.ID))
	must[worklog.Entry](t)(c.PatchEntry(ctx, entry.ID, worklog.EntryPatch{}))
	made := must[worklog.Conversation](t)(c.CreateConversation(ctx, worklog.NewConversation{}))
	must[worklog.ConversationPage](t)(c.Conversations(ctx, worklog.ConversationQuery{}))
	must[worklog.Conversation](t)(c.Conversation(ctx, entry.ConversationID))
	must[worklog.Conversation](t)(c.UpdateConversation(ctx, made.ID, worklog.ConversationPatch{}))
	s.do(http.MethodPost, "/api/v1/hooks", s.user("hooks@x.test"), `{"session_id":"s","hook_event_name":"SessionStart"}`)
	s.do(http.MethodPost, "/mcp", token, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Accept", "application/json, text/event-stream")
	address := "/otlp/" + s.user("otlp@x.test", account.ScopeOTLP)
	for _, path := range []string{"/v1/logs", "/v1/traces", "/v1/metrics"} {
		s.do(http.MethodPost, path, s.user("otlp@x.test"), "{}")
		s.do(http.MethodPost, address+path, "", "{}", "Authorization", "")
	}
	must[worklog.Stats](t)(c.Stats(ctx))
	must[worklog.Retention](t)(c.Retention(ctx))
	must[worklog.Stats](t)(s.client(s.user("admin@x.test", account.ScopeAdmin)).AdminStats(ctx))
	must[worklog.Window](t)(s.client(s.user("admin@x.test", account.ScopeAdmin)).AdminWindow(ctx, "24h"))
	for method, body := range map[string]string{http.MethodGet: "", http.MethodPost: `{"dry_run":true}`} {
		s.do(method, "/api/v1/admin/cleanup", s.user("admin@x.test", account.ScopeAdmin), body)
	}
	if err := c.DeleteConversation(ctx, made.ID); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/healthz", "/readyz", "/api/openapi.yaml"} {
		if a := s.do(http.MethodGet, path, "", ""); a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, err := range c.Stream(ctx, worklog.StreamQuery{}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	for path, item := range s.spec.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !s.spec.answered[op.OperationID] {
				t.Errorf("%s %s (%s) was not tried", method, path, op.OperationID)
			}
		}
	}
}

func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	described := map[string]bool{}
	for path, item := range theContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	parameter := regexp.MustCompile(`:(\w+)`)
	for _, r := range api.New(api.Deps{}).Routes() {
		for _, method := range strings.Split(r.Method, ",") {
			if name := method + " " + parameter.ReplaceAllString(r.Path, "{$1}"); !described[name] {
				t.Errorf("%s is not described", name)
			} else {
				delete(described, name)
			}
		}
	}
	for name := range described {
		if name == "GET /healthz" || name == "GET /readyz" { // theirs is package web, and TestEveryOperationAnswersAsDescribed asks them
			continue
		}
		t.Errorf("%s is described and not there", name)
	}
}

func TestTheDescriptionNamesWhatTheCodeNames(t *testing.T) {
	t.Parallel()
	doc := theContract(t).doc
	enum := func(schema string) (list []string) {
		for _, v := range doc.Components.Schemas[schema].Value.Enum {
			list = append(list, fmt.Sprint(v))
		}
		return list
	}
	if got, want := fmt.Sprint(enum("Type")), fmt.Sprint(worklog.Types()); got != want {
		t.Errorf("types %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(enum("Status")), fmt.Sprint(worklog.Statuses()); got != want {
		t.Errorf("statuses %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(enum("StorageStatus")), fmt.Sprint(worklog.StorageStatuses()); got != want {
		t.Errorf("storage statuses %s, want %s", got, want)
	}
	for name := range doc.Components.Schemas["Draft"].Value.Properties {
		if _, err := worklog.DecodeDraft([]byte(fmt.Sprintf("{%q:null}", name))); err != nil {
			t.Errorf("a draft has no %s", name)
		}
	}
	if n := len(doc.Components.Schemas["Draft"].Value.Properties); n != 16 {
		t.Errorf("%d fields of a draft are described", n)
	}
	codes := doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum
	if !slices.Contains(codes, any(string(worklog.CodeUnavailable))) || len(codes) != 12 {
		t.Errorf("codes %v", codes)
	}
}

func TestADatabaseThatIsAwayIsSaidSo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	token := s.user("a@x.test")
	c := s.client(token, worklog.WithTimeout(time.Second))
	must[worklog.Stats](t)(c.Stats(t.Context())) // the token is known now
	s.store.Close()
	if a := s.do(http.MethodPost, "/api/v1/logs", token, `{"title":"x"}`); a.status != 503 || a.header.Get("Retry-After") == "" || a.problem(t).Code != worklog.CodeUnavailable {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.do(http.MethodGet, "/readyz", "", ``); a.status != 503 {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
}
