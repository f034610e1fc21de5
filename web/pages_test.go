package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"golang.org/x/net/html"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/internal/api"
	"github.com/worklogdev/worklog/internal/change"
	"github.com/worklogdev/worklog/internal/config"
	"github.com/worklogdev/worklog/internal/hub"
	"github.com/worklogdev/worklog/internal/ingest"
	"github.com/worklogdev/worklog/internal/limit"
	"github.com/worklogdev/worklog/internal/redact"
	"github.com/worklogdev/worklog/internal/store"
	"github.com/worklogdev/worklog/internal/store/storetest"
	"github.com/worklogdev/worklog/worklog"
)

// site is a server on a database of its own and the browser of one user.
type site struct {
	*testing.T
	ctx    context.Context
	store  *store.Store
	server *Server
	user   account.User
	cookie string
}

// silent is a source of a hub that nobody watches.
type silent struct{}

func (silent) Frames(context.Context, int64, int64, string, int) ([]*hub.Frame, error) {
	return nil, nil
}
func (silent) Heads(context.Context, []int64) (map[int64]int64, error) { return nil, nil }
func (silent) Alive(context.Context, []string) (map[string]time.Time, error) {
	return nil, nil
}

func newSite(t *testing.T) *site {
	t.Helper()
	st := storetest.New(t)
	h := hub.New(silent{}, hub.Options{})
	s := New(Deps{
		Store: st, Hub: h, API: api.New(api.Deps{Store: st, Hub: h}), Version: "1.0.0",
		Ingest: ingest.New(st, st, limit.New(limit.Options{PerMinute: 60, Import: 60, Now: time.Now}), h.Hint, ingest.Options{Redactor: redact.New()}),
		Config: config.Config{ListenAddr: "127.0.0.1:8080", SessionLifetime: time.Hour},
	})
	x := &site{T: t, ctx: t.Context(), store: st, server: s}
	return x.as("ada@example.org")
}

// as is the same site in the browser of another user, who is made first.
func (x *site) as(email string) *site {
	x.Helper()
	user, err := x.store.CreateUser(x.ctx, email, "", false)
	if err != nil {
		x.Fatal(err)
	}
	w := httptest.NewRecorder()
	c := x.server.echo.NewContext(httptest.NewRequest(http.MethodPost, "/login", nil), w)
	if err := x.server.signIn(c, user, "", "test"); err != nil {
		x.Fatal(err)
	}
	other := *x
	other.user = user
	other.cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return &other
}

// write appends entries of the user and returns their ids.
func (x *site) write(drafts ...worklog.Draft) []string {
	x.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	b, ids := store.Batch{Now: at, Admit: func(int) bool { return true }}, make([]string, len(drafts))
	for i := range drafts {
		d := &drafts[i]
		d.Normalize()
		ids[i] = uuid.NewString()
		b.Writes = append(b.Writes, store.Write{Owner: x.user.ID, EntryID: ids[i], Key: d.Key, Conversation: d.Conversation, ConversationTitle: d.ConversationTitle, Facts: change.Of(d, at)})
	}
	if _, locked, err := x.store.Append(x.ctx, b); err != nil || len(locked) > 0 {
		x.Fatalf("append: %v, locked %v", err, locked)
	}
	return ids
}

// conversation is the id of the user's conversation with that key.
func (x *site) conversation(key string) string {
	x.Helper()
	c, err := x.store.ConversationByKey(x.ctx, x.user.ID, key)
	if err != nil {
		x.Fatal(err)
	}
	return c.ID
}

// ask sends a request of the user's browser.
func (x *site) ask(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	x.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationForm)
	}
	r.Header.Set("Cookie", x.cookie)
	r.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	x.server.Handler().ServeHTTP(w, r)
	return w
}

// see gets a page and fails unless it is there.
func (x *site) see(path string, header ...string) *html.Node {
	x.Helper()
	w := x.ask(http.MethodGet, path, nil, header...)
	if w.Code != http.StatusOK {
		x.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	doc, err := html.Parse(w.Body)
	if err != nil {
		x.Fatal(err)
	}
	return doc
}

// texts is the text of every element that matches.
func texts(doc *html.Node, selector string) []string {
	var list []string
	for _, n := range cascadia.QueryAll(doc, cascadia.MustCompile(selector)) {
		var b strings.Builder
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				b.WriteString(d.Data)
			}
		}
		list = append(list, strings.Join(strings.Fields(b.String()), " "))
	}
	return list
}

func attr(doc *html.Node, selector, name string) string {
	if n := cascadia.Query(doc, cascadia.MustCompile(selector)); n != nil {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
	}
	return ""
}

func numbered(n int, conversation string) []worklog.Draft {
	drafts := make([]worklog.Draft, n)
	for i := range drafts {
		drafts[i] = worklog.Draft{Title: fmt.Sprintf("step %03d", i+1), Conversation: conversation}
	}
	return drafts
}

func TestActivityShowsTheNewestFirstAndAConversationTheOldest(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(3, "c")...)
	doc := x.see("/")
	if got := fmt.Sprint(texts(doc, "#log-list .title")); got != "[step 003 step 002 step 001]" {
		t.Errorf("activity reads %s", got)
	}
	if cursor, order := attr(doc, "#log-list", "data-cursor"), attr(doc, "#log-list", "data-order"); cursor != "3" || order != "desc" {
		t.Errorf("cursor %s, order %s", cursor, order)
	}
	if got := texts(x.see("/conversations/changes"), "#conversation-list .title"); len(got) != 1 || got[0] != "c" {
		t.Errorf("open pages learn of %q", got)
	}
	doc = x.see("/conversations/" + x.conversation("c"))
	if got := fmt.Sprint(texts(doc, "#log-list .title")); got != "[step 001 step 002 step 003]" {
		t.Errorf("the conversation reads %s", got)
	}
	if got := texts(doc, ".threads a[aria-current] .name"); len(got) != 1 || got[0] != "c" {
		t.Errorf("the sidebar marks %q", got)
	}
}

func TestOlderEntriesAreReachedWithoutScriptAndWithIt(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(numbered(250, "c")...)
	path := "/conversations/" + x.conversation("c")
	var got []string
	for next := path; next != ""; {
		doc := x.see(next)
		got = append(texts(doc, "#log-list .title"), got...)
		if live := attr(doc, "#live", "sse-connect"); (live != "") != (next == path) {
			t.Errorf("%s is connected to %q", next, live)
		}
		next = attr(doc, "#older a", "href")
	}
	if len(got) != 250 || got[0] != "step 001" || got[249] != "step 250" {
		t.Errorf("%d entries from %q to %q", len(got), got[0], got[len(got)-1])
	}
	older := attr(x.see(path), "#older a", "hx-get")
	rows := x.see(older, "HX-Request", "true", "HX-Target", "log-list")
	if n := len(texts(rows, "li.row .title")); n != 100 || len(texts(rows, "main")) != 0 {
		t.Errorf("%d rows and %d pages", n, len(texts(rows, "main")))
	}
	if got := attr(rows, "#older a", "href"); !strings.HasPrefix(got, path+"?before=") {
		t.Errorf("the next step back is %q", got)
	}
}

func TestFiltersNarrowThePageAndItsStream(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(worklog.Draft{Title: "npm test", Type: worklog.TypeToolCall, Status: worklog.StatusError}, worklog.Draft{Title: "npm run", Type: worklog.TypeToolCall, Status: worklog.StatusSuccess},
		worklog.Draft{Title: "note"})
	doc := x.see("/?type=tool_call&status=error&q=NPM")
	if got := fmt.Sprint(texts(doc, "#log-list .title")); got != "[npm test]" {
		t.Errorf("the page shows %s", got)
	}
	if got := attr(doc, "#live", "sse-connect"); got != "/stream?q=NPM&status=error&type=tool_call" {
		t.Errorf("its stream is %q", got)
	}
	if got := attr(doc, "#filters .q", "value"); got != "NPM" {
		t.Errorf("the field holds %q", got)
	}
}

// S-15.
func TestParametersThatNobodyCanMeanAreRefused(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	for _, query := range []string{
		"type=tool", "status=done", "type=tool_call&type=info", "before=-1", "before=0x1", "before=99999999999999999999", "q=%00", "q=%ff", "q=" + strings.Repeat("x", 201),
	} {
		w := x.ask(http.MethodGet, "/?"+query, nil)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "<main") {
			t.Errorf("/?%s: %d %.100s", query, w.Code, w.Body)
		}
		if w := x.ask(http.MethodGet, "/?"+query, nil, "Accept", "application/json"); w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("/?%s answers a program with %s", query, w.Header().Get("Content-Type"))
		}
	}
	for _, query := range []string{"archived=1", "team=maybe", "before=x"} {
		if w := x.ask(http.MethodGet, "/conversations?"+query, nil); w.Code != http.StatusBadRequest {
			t.Errorf("/conversations?%s: %d", query, w.Code)
		}
	}
	for _, query := range []string{"q=%25", "q=_", "q=a+%26+b+%7C+c", "q=" + strings.Repeat("ü", 200), "utm=x", "before=1"} {
		x.see("/?" + query)
	}
}

func TestAPermalinkShowsEverything(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	long := strings.Repeat("line\n", 1000)
	id := x.write(worklog.Draft{Title: "Bash: make", Tool: "Bash", Conversation: "c", Details: long, Metadata: worklog.Metadata{"a": "b"}})[0]
	if got := texts(x.see("/"), "#log-list .out a"); len(got) != 1 || got[0] != "Show all 4.9 KB" {
		t.Errorf("the list offers %q", got)
	}
	doc := x.see("/logs/" + id)
	if got := strings.Join(texts(doc, ".out pre"), "\n"); len(strings.Fields(got)) != 1000 {
		t.Errorf("the permalink has %d lines", len(strings.Fields(got)))
	}
	if got := texts(doc, ".out .rest summary"); len(got) != 1 || got[0] != "Show all 1 000 lines" {
		t.Errorf("the permalink folds %q", got)
	}
	if got := texts(doc, ".about a"); len(got) != 1 || got[0] != "c" {
		t.Errorf("it belongs to %q", got)
	}
}

func TestTheOwnerRenamesPinsSharesAndArchives(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.write(worklog.Draft{Title: "x", Conversation: "c"})
	path := "/conversations/" + x.conversation("c")
	for _, form := range []url.Values{{"title": {"A better <name>"}}, {"pinned": {"true"}}, {"keep": {"true"}}, {"visibility": {"team"}}, {"archived": {"true"}}} {
		if w := x.ask(http.MethodPost, path, form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != path {
			t.Fatalf("%v: %d %s", form, w.Code, w.Body)
		}
	}
	doc := x.see(path)
	if got := texts(doc, "h1"); got[0] != "A better <name>" {
		t.Errorf("title = %q", got)
	}
	if got := fmt.Sprint(texts(doc, ".head .facts span")); got != "[1 step archived kept]" {
		t.Errorf("facts = %s", got)
	}
	if n := len(texts(doc, ".teamnote")); n != 1 {
		t.Errorf("%d notes that it is shared", n)
	}
	if got := texts(x.see("/conversations"), ".threads-list .title"); len(got) != 0 {
		t.Errorf("an archived conversation is listed: %q", got)
	}
	if got := texts(x.see("/conversations?archived=true"), ".threads-list .title"); len(got) != 1 {
		t.Errorf("the archive lists %q", got)
	}
	for _, form := range []url.Values{{"owner": {"1"}}, {"pinned": {"1"}}, {"visibility": {"public"}}, {"title": {strings.Repeat("x", 501)}}} {
		if w := x.ask(http.MethodPost, path, form); w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", form, w.Code)
		}
	}
}

func TestDeletingAConversationLeavesItsEntriesAndSaysSo(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.write(worklog.Draft{Title: "work", Conversation: "c"})[0]
	path := "/conversations/" + x.conversation("c")
	if got := attr(x.see(path+"/delete"), "main form", "action"); got != path+"/delete" {
		t.Errorf("the question is answered at %q", got)
	}
	if w := x.ask(http.MethodPost, path+"/delete", url.Values{}); w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := x.ask(http.MethodGet, path, nil); w.Code != http.StatusNotFound {
		t.Errorf("the deleted conversation answers %d", w.Code)
	}
	if err := x.store.FinishDeletions(x.ctx); err != nil {
		t.Fatal(err)
	}
	if got := texts(x.see("/unfiled"), "#log-list .title"); len(got) != 2 || !strings.Contains(got[0], "deleted") || got[1] != "work" {
		t.Errorf("unfiled entries are %q", got)
	}
	if got := texts(x.see("/logs/"+id), ".about a"); got[0] != "none" {
		t.Errorf("the entry belongs to %q", got)
	}
}

// S-05.
func TestWhatIsPrivateIsNotFoundByOthers(t *testing.T) {
	t.Parallel()
	ada := newSite(t)
	id := ada.write(worklog.Draft{Title: "secret plan", Conversation: "c"})[0]
	path := "/conversations/" + ada.conversation("c")
	eve := ada.as("eve@example.org")
	for _, page := range []string{path, path + "/delete", "/logs/" + id, "/conversations/x", "/logs/x"} {
		if w := eve.ask(http.MethodGet, page, nil); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "secret plan") {
			t.Errorf("%s answers a stranger with %d", page, w.Code)
		}
	}
	for _, page := range []string{path, path + "/delete"} {
		if w := eve.ask(http.MethodPost, page, url.Values{"title": {"mine"}}); w.Code != http.StatusNotFound {
			t.Errorf("POST %s answers a stranger with %d", page, w.Code)
		}
	}
	ada.ask(http.MethodPost, path, url.Values{"visibility": {"team"}})
	doc := eve.see(path)
	if got := texts(doc, "#log-list .title"); len(got) != 1 || len(texts(doc, ".menu")) != 0 {
		t.Errorf("a shared conversation shows %q", got)
	}
	eve.see("/logs/" + id)
	if w := eve.ask(http.MethodPost, path, url.Values{"title": {"mine"}}); w.Code != http.StatusNotFound {
		t.Errorf("a reader renames with %d", w.Code)
	}
	if w := eve.ask(http.MethodGet, path+"/delete", nil); w.Code != http.StatusForbidden {
		t.Errorf("a reader is asked whether to delete, with %d", w.Code)
	}
	if got := texts(eve.see("/conversations?team=true"), ".threads-list .title"); len(got) != 1 || got[0] != "c" {
		t.Errorf("the team's list is %q", got)
	}
}

func TestAnonymousVisitorsAreSentToTheLogin(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.cookie = ""
	for _, page := range []string{"/", "/unfiled?q=a", "/conversations"} {
		w := x.ask(http.MethodGet, page, nil)
		if want := "/login?next=" + url.QueryEscape(page); w.Code != http.StatusSeeOther || page != "/" && w.Header().Get("Location") != want {
			t.Errorf("%s: %d to %s", page, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestFilesOfPagesAreServedToEverybody(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	doc := x.see("/")
	x.cookie = ""
	for _, path := range []string{attr(doc, "link[rel=stylesheet]", "href"), attr(doc, "link[rel=icon]", "href"), attr(doc, "script[src*=app]", "src")} {
		if w := x.ask(http.MethodGet, path, nil); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if w := x.ask(http.MethodGet, "/static/..%2fgo.mod", nil); w.Code != http.StatusNotFound {
		t.Errorf("a path upwards answers %d", w.Code)
	}
}
